use std::io;
use std::path::PathBuf;

use crate::image::{Platform, ReferenceError};
use crate::plan::BaseError;
use crate::policy;
use crate::registry;
use crate::remote::GitReferenceError;

/// Why a base image or a named context cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// NAME of a named context is no image name (NCTX-1).
    #[error("invalid context name `{name}`")]
    ContextName {
        /// As given.
        name: String,
        /// Why.
        source: ReferenceError,
    },
    /// VALUE of a named context holds an image name that is none.
    #[error("named context `{name}`")]
    ContextReference {
        /// Of the context.
        name: String,
        /// Why.
        source: ReferenceError,
    },
    /// VALUE of a named context ends in a digest that is none.
    #[error("named context `{name}`: `{digest}` is not a sha256 digest")]
    ContextDigest {
        /// Of the context.
        name: String,
        /// As given.
        digest: String,
    },
    /// A named context is a directory that is not there (NCTX-3).
    #[error("named context `{name}`: cannot read {path}")]
    ContextMissing {
        /// Of the context.
        name: String,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A named context is a file (NCTX-3).
    #[error("named context `{name}`: {path} is not a directory")]
    ContextFile {
        /// Of the context.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// VALUE of a named context is a git reference that is wrong (GIT-4).
    #[error("named context `{name}`")]
    ContextGit {
        /// Of the context.
        name: String,
        /// Why.
        source: GitReferenceError,
    },
    /// A layout or archive cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A layout or archive does not hold what it promises (ARC-8).
    #[error("{place} is damaged: {reason}")]
    Damaged {
        /// Which.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A layout or archive has no such image (ARC-7).
    #[error("{place}: image {wanted} not found")]
    Absent {
        /// Which.
        place: String,
        /// The name, tag or digest asked for.
        wanted: String,
        /// The names that it has.
        present: Vec<String>,
    },
    /// An image is not for the platform asked for (D-27).
    #[error("{name}: no match for platform in manifest: not found for {wanted}")]
    Platform {
        /// Of the image.
        name: String,
        /// What was asked for.
        wanted: Box<Platform>,
        /// What there is.
        present: Vec<String>,
    },
    /// An image is not in the store, and no registry may be asked.
    #[error("{name}: not found in the store")]
    NotHere {
        /// Of the image.
        name: String,
    },
    /// An image has no digest, and must have one.
    #[error("{name} is pinned neither in the Dockerfile nor in its lock file")]
    NotLocked {
        /// Of the image.
        name: String,
    },
    /// A document is of another kind than an image.
    #[error("{name} is not an image that kiln can read: {reason}")]
    NotAnImage {
        /// Of the image.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A program named in `host:` is not here.
    #[error("host: program `{name}` is not installed on this machine")]
    HostMissing {
        /// Of the program.
        name: String,
    },
    /// A program named in `host:` cannot be taken.
    #[error("host: cannot take program `{name}`")]
    HostProgram {
        /// Of the program.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The files of this machine cannot be gathered or packed.
    #[error("host: cannot make an image of this machine's programs")]
    Host(#[source] io::Error),
    /// An archive cannot become an image.
    #[error("cannot import the archive")]
    Import(#[source] io::Error),
    /// The user's policy forbids an image.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// A registry gave no image.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The store failed.
    #[error("cannot use the store")]
    Store(#[source] io::Error),
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let listed = |present: &[String], none: &str| match present {
            [] => none.to_owned(),
            _ => format!("there is: {}", present.join(", ")),
        };
        match self {
            Self::Absent { present, .. } => Some(listed(present, "it names no image at all")),
            Self::Platform { present, .. } => Some(listed(present, "it has no image for any platform")),
            Self::NotHere { name } => {
                Some(format!("fetch it with `kiln pull {name}`, or let the build do so with `--pull=missing`"))
            }
            Self::NotLocked { .. } => {
                Some("`kiln pin` writes its digest into the Dockerfile, `kiln pin --lock` beside it".to_owned())
            }
            Self::Policy(error) => error.help(),
            Self::Registry(error) => error.help(),
            Self::HostMissing { .. } => Some("install it, or leave it out of the list".to_owned()),
            Self::Damaged { .. } => Some("make or download it again".to_owned()),
            _ => None,
        }
    }
}

impl From<Error> for BaseError {
    fn from(error: Error) -> Self {
        Self { message: one_line(&error), help: error.help() }
    }
}

/// An error and its causes, joined by colons.
pub(super) fn one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
