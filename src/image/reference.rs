use std::fmt;
use std::str::FromStr;

use oci_spec::distribution::Reference as SpecReference;

use super::Digest;

/// A normalised image name: registry, repository, and a tag or a digest (FROM-14).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reference(SpecReference);

/// A text is not an image name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}`: invalid reference format: {reason}")]
pub struct ReferenceError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Reference {
    /// Host and port of the registry, `docker.io` when the name has none.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// Path below the registry; `library/` is there for one-word names of Docker Hub.
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// The tag; `latest` when the name had neither tag nor digest.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The digest after `@`, if any.
    pub fn digest(&self) -> Option<Digest> {
        self.0.digest().and_then(|digest| digest.parse().ok())
    }

    /// Name and tag as people write them: `docker.io/library/` left out (ARC-2).
    pub fn familiar(&self) -> String {
        let whole = self.to_string();
        let short = whole.strip_prefix("docker.io/").unwrap_or(&whole);
        short.strip_prefix("library/").unwrap_or(short).to_owned()
    }

    /// The same image under `registry` (a mirror).
    pub fn at_registry(&self, registry: &str) -> Result<Self, ReferenceError> {
        let whole = self.to_string();
        let rest = whole.strip_prefix(self.registry()).unwrap_or(&whole);
        format!("{registry}{rest}").parse()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason: String| ReferenceError { text: text.to_owned(), reason };
        let spec: SpecReference = text.parse().map_err(|error| wrong(format!("{error}")))?;
        if let Some(digest) = spec.digest()
            && digest.parse::<Digest>().is_err()
        {
            return Err(wrong("the digest is not `sha256:` and 64 hex digits".to_owned()));
        }
        Ok(Self(spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_14_names_are_normalised_and_shortened_again() {
        for (text, whole, familiar) in [
            ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("a/b:c", "docker.io/a/b:c", "a/b:c"),
            ("localhost:5000/debian:bookworm", "localhost:5000/debian:bookworm", "localhost:5000/debian:bookworm"),
            ("quay.io/x/y", "quay.io/x/y:latest", "quay.io/x/y:latest"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), whole);
            assert_eq!(reference.familiar(), familiar);
        }
    }

    #[test]
    fn d_26_bad_names_are_refused() {
        for bad in ["", "Upper", "a b", "a:b:c", "-x", "busybox@sha256:12"] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mirror_changes_the_registry_only() {
        let reference: Reference = "busybox:1".parse().unwrap();
        assert_eq!(reference.at_registry("localhost:5000").unwrap().to_string(), "localhost:5000/library/busybox:1");
    }
}
