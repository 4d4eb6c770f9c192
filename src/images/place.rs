use std::path::{Path, PathBuf};

use crate::dockerfile::suggest;
use crate::image::Reference;

use super::Error;

/// Where an image is copied from or to, written as `skopeo` writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// `docker://NAME`: a registry.
    Registry(Reference),
    /// `store:IMAGE`: the store; a name, or as a source the beginning of an id.
    Store(String),
    /// `oci:DIR[:TAG]`: an OCI layout.
    OciDirectory(PathBuf, Option<String>),
    /// `oci-archive:FILE[:TAG]`: a tar of one.
    OciArchive(PathBuf, Option<String>),
    /// `docker-archive:FILE[:NAME]`: what `docker save` writes.
    DockerArchive(PathBuf, Option<String>),
}

/// The words before the colon.
const SCHEMES: [&str; 5] = ["docker", "store", "oci", "oci-archive", "docker-archive"];

impl Place {
    /// Reads `SCHEME:WHERE`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |reason: &str, help: Option<String>| Error::Place {
            text: text.to_owned(),
            reason: reason.to_owned(),
            help,
        };
        let Some((scheme, rest)) = text.split_once(':') else {
            let help = format!("write `store:{text}` for the store, `docker://{text}` for its registry");
            return Err(wrong("it does not say what kind of place it is", Some(help)));
        };
        if rest.is_empty() {
            return Err(wrong("nothing follows the colon", None));
        }
        match scheme {
            "docker" => match rest.strip_prefix("//") {
                Some(name) => Ok(Self::Registry(name.parse()?)),
                None => Err(wrong("a registry follows two slashes", Some(format!("write `docker://{rest}`")))),
            },
            "store" => Ok(Self::Store(rest.to_owned())),
            "oci" => Ok(with_name(rest, Self::OciDirectory)),
            "oci-archive" => Ok(with_name(rest, Self::OciArchive)),
            "docker-archive" => Ok(with_name(rest, Self::DockerArchive)),
            "docker-daemon" | "containers-storage" | "dir" | "ostree" | "sif" | "tarball" => {
                let help = format!("kiln copies between {}", SCHEMES.join(", "));
                Err(wrong("kiln does not know such places", Some(help)))
            }
            other => {
                let near = suggest(other, SCHEMES).map(|near| format!("did you mean `{near}`?"));
                let help = near
                    .unwrap_or_else(|| format!("write `store:{text}` for the store, `docker://{text}` for a registry"));
                Err(wrong("there is no such kind of place", Some(help)))
            }
        }
    }
}

/// `PATH[:NAME]`: a path has no colon, unless all of it is there.
fn with_name(text: &str, place: impl Fn(PathBuf, Option<String>) -> Place) -> Place {
    match text.split_once(':') {
        Some((path, name)) if !Path::new(text).exists() => {
            place(path.into(), Some(name.to_owned()).filter(|name| !name.is_empty()))
        }
        _ => place(text.into(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_for_skopeo() {
        let name = |text: &str| Some(text.to_owned());
        for (text, want) in [
            ("docker://quay.io/a/b:c", Place::Registry("quay.io/a/b:c".parse().unwrap())),
            ("store:app:1", Place::Store("app:1".to_owned())),
            ("oci:dir", Place::OciDirectory("dir".into(), None)),
            ("oci:a/dir:", Place::OciDirectory("a/dir".into(), None)),
            ("oci:dir:v1", Place::OciDirectory("dir".into(), name("v1"))),
            ("oci-archive:x.tar:quay.io/a:1", Place::OciArchive("x.tar".into(), name("quay.io/a:1"))),
            ("docker-archive:x.tar:app:1", Place::DockerArchive("x.tar".into(), name("app:1"))),
        ] {
            assert_eq!(Place::parse(text).unwrap(), want, "{text}");
        }
        for (text, want) in [
            ("app", "write `store:app`"),
            ("app:1", "write `store:app:1`"),
            ("docker:app", "write `docker://app`"),
            ("oci:", "nothing follows"),
            ("ocj:dir", "did you mean `oci`?"),
            ("dir:x", "kiln copies between docker, store"),
            ("docker://A B", "invalid reference format"),
        ] {
            let error = Place::parse(text).unwrap_err();
            let told = format!("{error} {}", error.help().unwrap_or_default());
            assert!(told.contains(want), "{text}: {told}");
        }
    }
}
