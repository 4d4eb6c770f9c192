//! What a signature is about, in the form of simple signing (containers/image, "container-signature"), which cosign writes.

use serde::Deserialize;

use crate::image::{Digest, Reference};

use super::rules::{Identity, is_below};

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    identity: Named,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Named {
    docker_reference: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

/// Checks what was signed: that it is about the manifest or index `digest`, and about the repository asked for. Gives what is
/// wrong.
pub(super) fn check(bytes: &[u8], name: &Reference, digest: &Digest, identity: &Identity) -> Result<(), String> {
    let payload: Payload = serde_json::from_slice(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    let Critical { identity: named, image, kind } = payload.critical;
    if kind != "cosign container image signature" {
        return Err(format!("it is a `{kind}`"));
    }
    if image.docker_manifest_digest != *digest {
        return Err(format!("it is about {}", image.docker_manifest_digest));
    }
    identified(Some(&named.docker_reference), name, identity)
}

/// Whether a signature that names the repository `named` counts for the image `name`.
pub(super) fn identified(named: Option<&str>, name: &Reference, identity: &Identity) -> Result<(), String> {
    if *identity == Identity::Any {
        return Ok(());
    }
    let Some(named) = named.filter(|named| !named.is_empty()) else {
        return Err("it names no repository, which `identity = \"any\"` would take".to_owned());
    };
    let place = named.parse::<Reference>().map_err(|error| error.to_string())?.place();
    let fits = match identity {
        Identity::Same => place == name.place(),
        Identity::Other(prefix) => is_below(&place, prefix),
        Identity::Any => true,
    };
    if fits { Ok(()) } else { Err(format!("it is about `{named}`")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::kit::payload;

    #[test]
    fn a_payload_is_about_this_digest_and_this_repository() {
        let (digest, other) = (Digest::of(b"x"), Digest::of(b"y"));
        let name: Reference = "quay.io/team/app:1".parse().unwrap();
        let prefix = |text: &str| Identity::Other(text.to_owned());
        for (named, about, identity, want) in [
            ("quay.io/team/app", &digest, Identity::Same, None),
            ("quay.io/team/app:other", &digest, Identity::Same, None),
            ("quay.io/team/app", &other, Identity::Same, Some("it is about sha256:")),
            ("quay.io/team/other", &digest, Identity::Same, Some("it is about `quay.io/team/other`")),
            ("quay.io/team/other", &digest, Identity::Any, None),
            ("", &digest, Identity::Any, None),
            ("", &digest, Identity::Same, Some("names no repository")),
            ("index.docker.io/library/app", &digest, prefix("docker.io/library"), None),
            ("quay.io/up/app", &digest, prefix("quay.io/up"), None),
            ("quay.io/upper/app", &digest, prefix("quay.io/up"), Some("it is about `quay.io/upper/app`")),
        ] {
            let got = check(&payload(named, about), &name, &digest, &identity);
            match want {
                None => assert_eq!(got, Ok(()), "{named} {identity:?}"),
                Some(text) => assert!(got.clone().unwrap_err().contains(text), "{named} {identity:?}: {got:?}"),
            }
        }
        let text = String::from_utf8(payload("quay.io/team/app", &digest)).unwrap();
        for damaged in [text.replace("cosign", "atomic"), text.replace("critical", "x"), "[]".to_owned()] {
            assert!(check(damaged.as_bytes(), &name, &digest, &Identity::Any).is_err(), "{damaged}");
        }
    }
}
