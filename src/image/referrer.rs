use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Descriptor, Digest, MediaType};

/// A manifest that says something of another one: a signature, a list of parts (image specification, "subject").
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Referrer {
    /// What it says something of.
    pub subject: Digest,
    /// How lists of referrers name it: with its type and its annotations.
    pub entry: Descriptor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    media_type: MediaType,
    subject: Descriptor,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Referrer {
    /// Reads a manifest or index; `None` where it has no subject.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(bytes).ok()?;
        let mut entry = Descriptor::of(json.media_type, bytes);
        // Distribution specification, "Listing Referrers": the type of an image's config stands in for that of an artifact.
        entry.artifact_type = json.artifact_type.or_else(|| json.config.map(|config| config.media_type.to_string()));
        entry.annotations = json.annotations;
        Some(Self { subject: json.subject.digest, entry })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referrer_is_listed_with_its_type_and_annotations() {
        let subject = Digest::of(b"x");
        let manifest = |more: &str| {
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
                "config":{{"mediaType":"text/config","digest":"{subject}","size":1}},"layers":[]{more}}}"#
            )
        };
        let about = format!(r#","subject":{{"mediaType":"text/x","digest":"{subject}","size":1}}"#);
        for (more, want) in [
            (String::new(), None),
            (about.clone(), Some("text/config")),
            (format!(r#"{about},"artifactType":"text/sbom""#), Some("text/sbom")),
        ] {
            let found = Referrer::of(manifest(&more).as_bytes());
            assert_eq!(found.as_ref().and_then(|found| found.entry.artifact_type.as_deref()), want, "{more}");
            assert!(found.is_none_or(|found| found.subject == subject));
        }
        let annotated = manifest(&format!(r#"{about},"annotations":{{"a":"b"}}"#));
        assert_eq!(Referrer::of(annotated.as_bytes()).unwrap().entry.annotations["a"], "b");
    }
}
