//! The policy of skopeo, podman and buildah (containers-policy.json(5)), as far as it is about images of registries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::Error;
use super::key::PublicKey;
use super::rules::{Demand, Identity, Signers};

#[derive(Deserialize)]
struct File {
    default: Vec<Requirement>,
    #[serde(default)]
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Requirement {
    InsecureAcceptAnything,
    Reject,
    #[serde(rename_all = "camelCase")]
    SigstoreSigned {
        key_path: Option<PathBuf>,
        #[serde(default)]
        key_paths: Vec<PathBuf>,
        key_data: Option<String>,
        signed_identity: Option<SignedIdentity>,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum SignedIdentity {
    MatchRepository,
    MatchRepoDigestOrExact,
    #[serde(rename_all = "camelCase")]
    ExactRepository {
        docker_repository: String,
    },
    #[serde(other)]
    Unknown,
}

pub(super) fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Demand>, Error> {
    let wrong = |line: usize, reason: String| Error::Malformed { path: path.to_owned(), line, reason };
    let file: File = serde_json::from_str(text).map_err(|error| wrong(error.line(), error.to_string()))?;
    let docker = file.transports.into_iter().filter(|(transport, _)| transport == "docker");
    let scopes = docker.flat_map(|(_, scopes)| scopes);
    let mut rules = BTreeMap::new();
    for (scope, requirements) in scopes.chain([("*".to_owned(), file.default)]) {
        if scope != "*" && scope.starts_with('*') {
            return Err(wrong(1, format!("kiln knows no scopes such as `{scope}`")));
        }
        let demand = demand(requirements, path).map_err(|error| match error {
            Told::Unknown(reason) => wrong(1, format!("of `{scope}`: {reason}")),
            Told::Error(error) => error,
        })?;
        // An empty scope is for all images of registries.
        let scope = if scope.is_empty() { "*".to_owned() } else { scope };
        rules.entry(scope).or_insert(demand);
    }
    Ok(rules)
}

enum Told {
    Unknown(String),
    Error(Error),
}

/// One requirement: kiln has no use for several at once.
fn demand(mut requirements: Vec<Requirement>, path: &Path) -> Result<Demand, Told> {
    let unknown = |reason: &str| Err(Told::Unknown(reason.to_owned()));
    if requirements.len() != 1 {
        return unknown("kiln knows one requirement at a time");
    }
    let Some(requirement) = requirements.pop() else { return unknown("there is no requirement") };
    let (key_path, key_paths, key_data, identity) = match requirement {
        Requirement::InsecureAcceptAnything => return Ok(Demand::Nothing),
        Requirement::Reject => return Ok(Demand::Never),
        Requirement::Unknown => return unknown("kiln checks `sigstoreSigned` alone, no signatures of GPG"),
        Requirement::SigstoreSigned { key_path, key_paths, key_data, signed_identity } => {
            (key_path, key_paths, key_data, signed_identity)
        }
    };
    let identity = match identity {
        None | Some(SignedIdentity::MatchRepository | SignedIdentity::MatchRepoDigestOrExact) => Identity::Same,
        Some(SignedIdentity::ExactRepository { docker_repository }) => Identity::Other(docker_repository),
        Some(SignedIdentity::Unknown) => return unknown("kiln does not know this `signedIdentity`"),
    };
    let mut keys = Vec::new();
    for file in key_path.iter().chain(&key_paths) {
        keys.extend(PublicKey::read(file).map_err(Told::Error)?);
    }
    if let Some(data) = key_data {
        let text = BASE64_STANDARD.decode(data).map_err(|error| Told::Unknown(error.to_string()))?;
        let failed = |reason| Told::Error(Error::Key { path: path.to_owned(), reason });
        keys.extend(PublicKey::parse(&String::from_utf8_lossy(&text)).map_err(failed)?);
    }
    if keys.is_empty() {
        return unknown("kiln checks signatures by keys, no certificates of Fulcio");
    }
    Ok(Demand::Signature(Signers { keys, identity }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::policy::kit::Signer;

    #[test]
    fn policies_of_other_tools_are_read_as_far_as_kiln_can_hold_them() {
        let key = BASE64_STANDARD.encode(Signer::new().public_pem());
        let signed = format!(r#"{{"type":"sigstoreSigned","keyData":"{key}"}}"#);
        let (accept, reject) = (r#"{"type":"insecureAcceptAnything"}"#, r#"{"type":"reject"}"#);
        let file = |default: &str, docker: &str, of: &str| {
            format!(
                r#"{{"default":[{default}],"transports":{{"dir":{{"":[{accept}]}},"docker":{{"{docker}":[{of}]}}}}}}"#
            )
        };
        let gpg = r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/x"}"#;
        for (text, name, want) in [
            (file(reject, "quay.io/a", accept), "quay.io/a/b", Ok(true)),
            (file(reject, "quay.io/a", accept), "quay.io/b", Ok(false)),
            (file(reject, "", accept), "quay.io/b", Ok(true)),
            (file(accept, "quay.io", &signed), "quay.io/b", Ok(true)),
            (file(accept, "quay.io", gpg), "", Err("no signatures of GPG")),
            (file(accept, "*.io", reject), "", Err("scopes such as `*.io`")),
            (file(accept, "quay.io", r#"{"type":"sigstoreSigned","fulcio":{}}"#), "", Err("no certificates of Fulcio")),
            (file(accept, "quay.io", &format!("{signed},{signed}")), "", Err("one requirement at a time")),
            ("{".to_owned(), "", Err("policy.json:1: ")),
        ] {
            let rules = parse(Path::new("policy.json"), &text);
            match (rules, want) {
                (Ok(rules), Ok(want)) => {
                    let policy = Policy { path: "policy.json".into(), rules };
                    assert_eq!(policy.admits(&name.parse().unwrap()).is_ok(), want, "{text} {name}");
                }
                (Err(error), Err(message)) => assert!(error.to_string().contains(message), "{text}: {error}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
