//! Signatures as sigstore bundles: a statement of in-toto in an envelope (DSSE), which newer versions of cosign write. Of a bundle
//! the envelope alone counts: certificates and logs are of use to those who know no key.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::image::{Digest, Reference};

use super::payload::identified;
use super::rules::Signers;

/// What a statement says of a signed image; statements of other kinds, as of how it was built, are no signature.
const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    name: String,
    digest: Sums,
}

#[derive(Deserialize)]
struct Sums {
    sha256: Option<String>,
}

/// Checks a bundle for the image. Gives what is wrong.
pub(super) fn check(bytes: &[u8], name: &Reference, digest: &Digest, signers: &Signers) -> Result<(), String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    let envelope = bundle.dsse_envelope.ok_or("it is a bundle without an envelope")?;
    let payload = BASE64_STANDARD.decode(&envelope.payload).map_err(|error| unreadable(&error))?;
    let signed = encoded(&envelope.payload_type, &payload);
    let is_good = |signature: &Signature| {
        let bytes = BASE64_STANDARD.decode(&signature.sig).unwrap_or_default();
        signers.keys.iter().any(|key| key.has_signed(&signed, &bytes))
    };
    if !envelope.signatures.iter().any(is_good) {
        return Err("none of the keys has made it".to_owned());
    }
    if envelope.payload_type != "application/vnd.in-toto+json" {
        return Err(format!("it is about something of the type `{}`", envelope.payload_type));
    }
    let statement: Statement = serde_json::from_slice(&payload).map_err(|error| unreadable(&error))?;
    if statement.predicate_type != SIGNED {
        return Err(format!("it says something else, `{}`", statement.predicate_type));
    }
    let hex = digest.hex();
    let about = statement.subject.iter().find(|subject| subject.digest.sha256.as_ref() == Some(&hex));
    let about = about.ok_or("it is about another digest")?;
    identified(Some(&about.name), name, &signers.identity)
}

/// What is signed of an envelope (DSSE, "PAE").
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::kit::Signer;
    use crate::policy::rules::Identity;

    #[test]
    fn an_envelope_is_signed_by_a_key_and_about_this_digest() {
        let (signer, stranger) = (Signer::new(), Signer::new());
        let digest = Digest::of(b"x");
        let name: Reference = "quay.io/team/app:1".parse().unwrap();
        let bundle = |by: &Signer, kind: &str, predicate: &str, named: &str, sum: &str| {
            let statement = json!({
                "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate,
                "subject": [{ "name": named, "digest": { "sha256": sum } }], "predicate": {},
            });
            let payload = statement.to_string().into_bytes();
            let sig = by.sign(&encoded(kind, &payload));
            let envelope = json!({
                "payload": BASE64_STANDARD.encode(payload), "payloadType": kind, "signatures": [{ "sig": sig }],
            });
            json!({ "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "dsseEnvelope": envelope })
                .to_string()
        };
        let (kind, hex) = ("application/vnd.in-toto+json", digest.hex());
        let other = Digest::of(b"y").hex();
        for (text, identity, want) in [
            (bundle(&signer, kind, SIGNED, "", &hex), Identity::Any, None),
            (bundle(&signer, kind, SIGNED, "quay.io/team/app", &hex), Identity::Same, None),
            (bundle(&signer, kind, SIGNED, "", &hex), Identity::Same, Some("names no repository")),
            (bundle(&signer, kind, SIGNED, "quay.io/x", &hex), Identity::Same, Some("it is about `quay.io/x`")),
            (bundle(&stranger, kind, SIGNED, "", &hex), Identity::Any, Some("none of the keys")),
            (bundle(&signer, kind, SIGNED, "", &other), Identity::Any, Some("another digest")),
            (bundle(&signer, kind, "https://slsa.dev/provenance/v1", "", &hex), Identity::Any, Some("something else")),
            (bundle(&signer, "text/plain", SIGNED, "", &hex), Identity::Any, Some("of the type `text/plain`")),
            ("{}".to_owned(), Identity::Any, Some("without an envelope")),
            ("no json".to_owned(), Identity::Any, Some("cannot be read")),
        ] {
            let signers = Signers { keys: vec![signer.public()], identity };
            let got = check(text.as_bytes(), &name, &digest, &signers);
            match want {
                None => assert_eq!(got, Ok(()), "{text}"),
                Some(want) => assert!(got.clone().unwrap_err().contains(want), "{text}: {got:?}"),
            }
        }
    }
}
