//! kiln's own form of a policy, in TOML:
//!
//! ```text
//! [images."*"]                      # all that no other rule is for
//! require = "digest"
//!
//! [images."registry.example/team"]  # a registry, or the beginning of repositories
//! require = "signature"
//! keys = ["team.pub"]               # relative to this file
//! identity = "same"                 # or "any", or the repository that the signature names
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;
use super::key::PublicKey;
use super::rules::{Demand, Identity, Signers};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    images: BTreeMap<String, Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    require: toml::Spanned<Require>,
    keys: Option<Vec<PathBuf>>,
    identity: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Require {
    Nothing,
    Digest,
    Signature,
    #[serde(rename = "refuse")]
    Never,
}

pub(super) fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Demand>, Error> {
    let wrong = |at: usize, reason: String| Error::Malformed {
        path: path.to_owned(),
        line: 1 + text.get(..at).unwrap_or_default().matches('\n').count(),
        reason,
    };
    let file: File = toml::from_str(text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut rules = BTreeMap::new();
    for (prefix, rule) in file.images {
        let (at, require) = (rule.require.span().start, *rule.require.get_ref());
        if prefix != "*" && !is_prefix(&prefix) {
            return Err(wrong(at, format!("`{prefix}` is neither `*` nor the beginning of `registry/repository`")));
        }
        if require != Require::Signature && (rule.keys.is_some() || rule.identity.is_some()) {
            return Err(wrong(at, "`keys` and `identity` are for `require = \"signature\"`".to_owned()));
        }
        let demand = match require {
            Require::Nothing => Demand::Nothing,
            Require::Digest => Demand::Digest,
            Require::Never => Demand::Never,
            Require::Signature => {
                let files = rule.keys.unwrap_or_default();
                if files.is_empty() {
                    return Err(wrong(at, "a signature is made with a key: `keys` is missing".to_owned()));
                }
                let keys = files.iter().map(|file| PublicKey::read(&dir.join(file))).collect::<Result<Vec<_>, _>>()?;
                let identity = match rule.identity.as_deref() {
                    None | Some("same") => Identity::Same,
                    Some("any") => Identity::Any,
                    Some(other) if is_prefix(other) => Identity::Other(other.to_owned()),
                    Some(other) => return Err(wrong(at, format!("identity `{other}` is no repository"))),
                };
                Demand::Signature(Signers { keys: keys.concat(), identity })
            }
        };
        rules.insert(prefix, demand);
    }
    Ok(rules)
}

/// Whether names can begin so: a registry by its whole name, `docker.io` among them.
fn is_prefix(text: &str) -> bool {
    let trimmed = text.trim_end_matches('/');
    let (registry, path) = trimmed.split_once('/').unwrap_or((trimmed, "x"));
    // With a path behind it, a first part that is no host name would be taken for a part of Docker Hub.
    let host = registry == "localhost" || registry.contains(['.', ':']);
    host && format!("{registry}/{path}").parse::<crate::image::Reference>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::kit::Signer;

    #[test]
    fn policies_and_mistakes_in_them_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.pub"), Signer::new().public_pem()).unwrap();
        std::fs::write(dir.path().join("bad.pub"), "no key").unwrap();
        let path = dir.path().join("policy.toml");
        for (text, want) in [
            ("", Ok(0)),
            ("[images.\"*\"]\nrequire = \"digest\"\n[images.\"quay.io/a\"]\nrequire = \"nothing\"\n", Ok(2)),
            ("[images.\"a.b/c/\"]\nrequire = \"signature\"\nkeys = [\"a.pub\"]\nidentity = \"x.y/z\"\n", Ok(1)),
            ("[images.\"localhost:5000\"]\nrequire = \"refuse\"\n", Ok(1)),
            ("[images.\"*\"]\nrequire = \"magic\"\n", Err("policy.toml:2: unknown variant `magic`")),
            ("[images.\"*\"]\nkeys = []\n", Err("policy.toml:1: missing field `require`")),
            ("\n[imagse.\"*\"]\n", Err("policy.toml:2: unknown field `imagse`")),
            ("[images.debian]\nrequire = \"digest\"\n", Err("policy.toml:2: `debian` is neither `*` nor")),
            ("[images.\"*\"]\nrequire = \"signature\"\n", Err("`keys` is missing")),
            ("[images.\"*\"]\nrequire = \"digest\"\nkeys = [\"a.pub\"]\n", Err("are for `require = \"signature\"`")),
            ("[images.\"*\"]\nrequire = \"signature\"\nkeys = [\"absent\"]\n", Err("cannot read")),
            ("[images.\"*\"]\nrequire = \"signature\"\nkeys = [\"bad.pub\"]\n", Err("bad.pub: there is no public key")),
            (
                "[images.\"*\"]\nrequire = \"signature\"\nkeys = [\"a.pub\"]\nidentity = \"sme\"\n",
                Err("identity `sme` is no repository"),
            ),
        ] {
            match (parse(&path, text), want) {
                (Ok(rules), Ok(count)) => assert_eq!(rules.len(), count, "{text}"),
                (Err(error), Err(message)) => assert!(error.to_string().contains(message), "{text}: {error}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
