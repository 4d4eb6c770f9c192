use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::image::Reference;

use super::key::PublicKey;
use super::{Error, containers, file};

/// What is demanded of images, by the beginnings of their names. Without rules nothing is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Policy {
    /// The file, for messages.
    pub(super) path: PathBuf,
    /// By `registry` or `registry/path`; `*` is for all that no other one is for.
    pub(super) rules: BTreeMap<String, Demand>,
}

/// What is demanded of an image.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) enum Demand {
    /// Nothing.
    #[default]
    Nothing,
    /// It is named by its digest, in the Dockerfile or its lock file.
    Digest,
    /// One of the keys has signed it.
    Signature(Signers),
    /// It cannot be met.
    Never,
}

/// Whose signature counts, and what it must be about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Signers {
    /// One of them is enough.
    pub(super) keys: Vec<PublicKey>,
    /// The name that was signed.
    pub(super) identity: Identity,
}

/// The repository that a signature must name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Identity {
    /// That of the image.
    Same,
    /// This one, `registry/path`, or one below it: where images are copied from there.
    Other(String),
    /// Any, or none.
    Any,
}

impl Policy {
    /// Reads a policy: `policy.json` of the containers tools where the name ends in `.json`, else TOML. Keys are read as well,
    /// relative to it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let rules = if is_json { containers::parse(path, &text) } else { file::parse(path, &text) }?;
        Ok(Self { path: path.to_owned(), rules })
    }

    /// Refuses an image that its name alone rules out.
    pub fn admits(&self, name: &Reference) -> Result<(), Error> {
        let (policy, shown) = (self.path.clone(), name.familiar());
        match self.demand(name) {
            Demand::Never => Err(Error::Refused { name: shown, policy }),
            Demand::Digest if name.digest().is_none() => Err(Error::NoDigest { name: shown, policy }),
            _ => Ok(()),
        }
    }

    /// The rule with the longest fitting beginning.
    pub(super) fn demand(&self, name: &Reference) -> &Demand {
        static NOTHING: Demand = Demand::Nothing;
        let place = name.place();
        let fitting = self.rules.iter().filter(|(prefix, _)| is_below(&place, prefix));
        let longest = fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, demand)| demand);
        longest.or_else(|| self.rules.get("*")).unwrap_or(&NOTHING)
    }
}

/// Whether `place` is `prefix` or lies below it, where names have a slash.
pub(super) fn is_below(place: &str, prefix: &str) -> bool {
    place.strip_prefix(prefix.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts_and_ends_at_a_slash() {
        let rule = |prefix: &str, demand| (prefix.to_owned(), demand);
        let policy = Policy {
            path: "policy.toml".into(),
            rules: [
                rule("*", Demand::Never),
                rule("docker.io", Demand::Digest),
                rule("docker.io/library/", Demand::Nothing),
                rule("quay.io/team", Demand::Nothing),
            ]
            .into(),
        };
        for (name, want) in [
            ("debian", Ok(())),
            ("docker.io/library/debian:12", Ok(())),
            ("someone/app", Err("requires a digest")),
            (&format!("someone/app@sha256:{}", "0".repeat(64)), Ok(())),
            ("quay.io/team/app", Ok(())),
            ("quay.io/team", Ok(())),
            ("quay.io/teams/app", Err("refuses")),
            ("localhost:5000/docker.io/app", Err("refuses")),
        ] {
            let got = policy.admits(&name.parse().unwrap()).map_err(|error| error.to_string());
            match want {
                Ok(()) => assert_eq!(got, Ok(()), "{name}"),
                Err(text) => assert!(got.clone().unwrap_err().contains(text), "{name}: {got:?}"),
            }
        }
        assert!(Policy::default().admits(&"anything".parse().unwrap()).is_ok());
    }
}
