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

    /// `registry/repository`: where the image is, whatever it is called there.
    pub fn place(&self) -> String {
        format!("{}/{}", self.registry(), self.repository())
    }

    /// The image of that digest in the same repository, without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        let (registry, repository) = (self.registry().to_owned(), self.repository().to_owned());
        Self(SpecReference::with_digest(registry, repository, digest.to_string()))
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

    /// Reads `[DOMAIN/]PATH[:TAG][@DIGEST]` and completes it (FROM-14).
    ///
    /// `oci-spec` has a parser of its own, but it compiles a regular expression, which takes longer than a warm build.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason: &str| ReferenceError { text: text.to_owned(), reason: reason.to_owned() };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| digest.parse::<Digest>().is_err()) {
            return Err(wrong("the digest is not `sha256:` and 64 hex digits"));
        }
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("the tag is not letters, digits, `_`, `.` and `-`, at most 128"));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((first, path)) if names_a_registry(first) => (first, path),
            _ => (HUB, name),
        };
        if registry != HUB && !is_domain(registry) {
            return Err(wrong("the registry is no host name"));
        }
        if !repository.split('/').all(is_path_part) {
            return Err(wrong("a name is lower-case letters and digits, separated by `.`, `_`, `__` or `-`"));
        }
        let is_short = matches!(registry, HUB | "index.docker.io") && !repository.contains('/');
        let registry = if registry == "index.docker.io" { HUB } else { registry }.to_owned();
        let repository = if is_short { format!("library/{repository}") } else { repository.to_owned() };
        if repository.len() > 255 {
            return Err(wrong("the name is longer than 255 characters"));
        }
        Ok(Self(match (tag, digest) {
            (Some(tag), Some(digest)) => {
                SpecReference::with_tag_and_digest(registry, repository, tag.to_owned(), digest.to_owned())
            }
            (None, Some(digest)) => SpecReference::with_digest(registry, repository, digest.to_owned()),
            (tag, None) => SpecReference::with_tag(registry, repository, tag.unwrap_or("latest").to_owned()),
        }))
    }
}

/// The registry of names that say none.
const HUB: &str = "docker.io";

/// Whether the first part of a name is a host, and not the first part of a path.
fn names_a_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    host.split('.').all(|label| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        plain && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    })
}

fn is_tag(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['.', '-'])
}

/// Letters and digits with separators between them: one `.`, one or two `_`, any number of `-`.
fn is_path_part(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let good =
        |separator: &str| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
    let ends = text.bytes().next().is_some_and(alphanumeric) && text.bytes().last().is_some_and(alphanumeric);
    ends && separators.into_iter().all(good)
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
            ("index.docker.io/a", "docker.io/library/a:latest", "a:latest"),
            ("u/a__b.c--d_f:T.1-x", "docker.io/u/a__b.c--d_f:T.1-x", "u/a__b.c--d_f:T.1-x"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), whole);
            assert_eq!(reference.familiar(), familiar);
        }
    }

    #[test]
    fn d_26_bad_names_are_refused() {
        for bad in [
            "",
            "Upper",
            "a b",
            "a:b:c",
            "-x",
            "busybox@sha256:12",
            "a//b",
            "a..b",
            "a___b",
            "a/",
            "a:",
            "a:-b",
            "x.y:z/a",
            "ü",
            "-a.b/c",
            "[::1/a",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mirror_changes_the_registry_only() {
        let reference: Reference = "busybox:1".parse().unwrap();
        assert_eq!(reference.at_registry("localhost:5000").unwrap().to_string(), "localhost:5000/library/busybox:1");
    }
}
