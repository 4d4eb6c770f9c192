use std::fs;
use std::path::{Path, PathBuf};

use crate::image::{Digest, Platform, Reference};
use crate::remote::{self, Source};

use super::Error;

/// What VALUE of `--build-context NAME=VALUE` names (NCTX-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Files.
    Directory(PathBuf),
    /// An OCI layout: a directory, or a tar of one.
    Layout(Selection),
    /// What `docker save` writes.
    DockerArchive(Selection),
    /// An image by name.
    Image(Reference),
    /// Nothing.
    Scratch,
    /// A repository, or a file by URL.
    Remote(Source),
    /// Programs of this machine; empty for the usual ones.
    Host(Vec<String>),
}

/// An image in a layout or archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Selection {
    /// The directory or file.
    pub(super) path: PathBuf,
    /// The tag or name in it, when given.
    pub(super) tag: Option<String>,
    /// The digest, when given.
    pub(super) digest: Option<Digest>,
}

impl Place {
    /// Reads VALUE. A directory must be there; layouts and archives are looked at when they are needed.
    pub(super) fn parse(name: &str, value: &str) -> Result<Self, Error> {
        if let Some(path) = value.strip_prefix("oci-layout://").or_else(|| value.strip_prefix("oci-archive://")) {
            return Ok(Self::Layout(Selection::parse(name, path)?));
        }
        if let Some(path) = value.strip_prefix("docker-archive://") {
            return Ok(Self::DockerArchive(Selection::parse(name, path)?));
        }
        if let Some(image) = value.strip_prefix("docker-image://") {
            if image == "scratch" {
                return Ok(Self::Scratch);
            }
            let reference =
                image.parse().map_err(|source| Error::ContextReference { name: name.to_owned(), source })?;
            return Ok(Self::Image(reference));
        }
        if let Some(programs) = value.strip_prefix("host:") {
            let programs = programs.split(',').map(str::trim).filter(|program| !program.is_empty());
            return Ok(Self::Host(programs.map(str::to_owned).collect()));
        }
        let remote = remote::context(value);
        if let Some(remote) = remote.map_err(|source| Error::ContextGit { name: name.to_owned(), source })? {
            return Ok(Self::Remote(remote));
        }
        let path = PathBuf::from(value);
        match fs::metadata(&path) {
            Ok(meta) if meta.is_dir() => Ok(Self::Directory(path)),
            Ok(_) => Err(Error::ContextFile { name: name.to_owned(), path }),
            Err(source) => Err(Error::ContextMissing { name: name.to_owned(), path, source }),
        }
    }
}

impl Selection {
    /// Reads `PATH[:TAG][@DIGEST]`. Colons may belong to the path: the longest path that exists is meant.
    fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let (rest, digest) = match text.rsplit_once('@') {
            Some((rest, digest)) if digest.contains(':') && !digest.contains('/') && !Path::new(text).exists() => {
                let digest = digest
                    .parse()
                    .map_err(|_| Error::ContextDigest { name: name.to_owned(), digest: digest.to_owned() })?;
                (rest, Some(digest))
            }
            _ => (text, None),
        };
        let cuts = rest.rmatch_indices(':').map(|(at, _)| (&rest[..at], Some(&rest[at + 1..])));
        let found = std::iter::once((rest, None)).chain(cuts).find(|(path, _)| Path::new(path).exists());
        let (path, tag) = found.unwrap_or_else(|| match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        });
        let tag = tag.filter(|tag| !tag.is_empty()).map(str::to_owned);
        Ok(Self { path: PathBuf::from(path), tag, digest })
    }
}

/// NAME as it is looked up (NCTX-1): familiar, without `:latest`; after `::` the platform it is for (NCTX-2).
pub(super) fn key(name: &str) -> Result<String, Error> {
    let (image, platform) = match name.split_once("::") {
        Some((image, platform)) => (image, Some(platform)),
        None => (name, None),
    };
    let reference: Reference = image.parse().map_err(|source| Error::ContextName { name: name.to_owned(), source })?;
    let familiar = reference.familiar();
    let familiar = familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned();
    Ok(match platform.map(|platform| platform.parse::<Platform>().map_or(platform.to_owned(), |good| good.short())) {
        Some(platform) => format!("{familiar}::{platform}"),
        None => familiar,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nctx_1_names_that_differ_in_latest_are_one() {
        for (name, want) in [
            ("alpine", "alpine"),
            ("alpine:latest", "alpine"),
            ("docker.io/library/alpine", "alpine"),
            ("alpine:3", "alpine:3"),
            ("localhost:5000/a", "localhost:5000/a"),
            ("alpine::linux/x86_64", "alpine::linux/amd64"),
        ] {
            assert_eq!(key(name).unwrap(), want, "{name}");
        }
        for bad in ["", "Upper", "a b"] {
            let error = key(bad).unwrap_err().to_string();
            assert!(error.starts_with("invalid context name"), "{error}");
        }
    }

    #[test]
    fn nctx_3_values_name_places() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a:b");
        fs::write(&file, "").unwrap();
        let (dir, file) = (dir.path().to_str().unwrap(), file.to_str().unwrap());
        let digest = Digest::of(b"x");
        let select = |path: &str, tag: Option<&str>, digest| Selection {
            path: PathBuf::from(path),
            tag: tag.map(str::to_owned),
            digest,
        };
        for (value, want) in [
            (dir.to_owned(), Place::Directory(dir.into())),
            (format!("oci-layout://{dir}"), Place::Layout(select(dir, None, None))),
            (format!("oci-layout://{dir}:1.0@{digest}"), Place::Layout(select(dir, Some("1.0"), Some(digest)))),
            (format!("oci-archive://{file}"), Place::Layout(select(file, None, None))),
            (format!("docker-archive://{file}:n/a:1"), Place::DockerArchive(select(file, Some("n/a:1"), None))),
            ("oci-layout:///none/x:y".to_owned(), Place::Layout(select("/none/x", Some("y"), None))),
            ("docker-image://scratch".to_owned(), Place::Scratch),
            ("docker-image://a".to_owned(), Place::Image("a:latest".parse().unwrap())),
            ("https://h/x.tar".to_owned(), Place::Remote(Source::Url("https://h/x.tar".into()))),
            ("host:".to_owned(), Place::Host(vec![])),
            ("host:sh, make".to_owned(), Place::Host(vec!["sh".into(), "make".into()])),
        ] {
            assert_eq!(Place::parse("n", &value).unwrap(), want, "{value}");
        }
    }

    #[test]
    fn nctx_3_values_that_cannot_be_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for (value, want) in [
            (file.to_str().unwrap(), "is not a directory"),
            ("/no/such/directory", "cannot read /no/such/directory"),
            ("https://example.com/x.git?depth=1", "named context `n`"),
            ("docker-image://UP", "named context `n`"),
            ("oci-layout:///x@sha256:12", "not a sha256 digest"),
        ] {
            let error = Place::parse("n", value).unwrap_err().to_string();
            assert!(error.contains(want), "{value}: {error}");
        }
    }
}
