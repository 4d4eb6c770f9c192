use std::fmt;
use std::io;
use std::path::PathBuf;

use super::fault::{Fault, Meaning};

/// What was attempted with an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    /// Reading it.
    Pull,
    /// Writing it.
    Push,
    /// Removing it.
    Delete,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        })
    }
}

/// Why a registry gave no image, or took none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client cannot be set up on this machine.
    #[error("cannot start a registry client")]
    Start(#[source] io::Error),
    /// The file of credentials cannot be used.
    #[error("cannot use the registry credentials in {path}")]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of certificates cannot be used.
    #[error("cannot use the certificates in {path}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such image or blob (D-27).
    #[error("{name}: not found")]
    NotFound {
        /// Of the image.
        name: String,
    },
    /// The registry wants other credentials, or any.
    #[error("{name}: {doing} access denied, repository does not exist or may require authorization")]
    Denied {
        /// Of the image.
        name: String,
        /// Host and port.
        registry: String,
        /// What was not allowed.
        doing: Doing,
        /// What the registry said.
        source: Box<Fault>,
    },
    /// No connection to the registry.
    #[error("{name}: cannot reach registry {registry}")]
    Unreachable {
        /// Of the image.
        name: String,
        /// Host and port.
        registry: String,
        /// Why.
        source: Box<Fault>,
    },
    /// The registry's certificate is not trusted, or it speaks no TLS.
    #[error("{name}: no secure connection to registry {registry}")]
    Untrusted {
        /// Of the image.
        name: String,
        /// Host and port.
        registry: String,
        /// Why.
        source: Box<Fault>,
    },
    /// The registry does not take a user's password.
    #[error("registry {registry} refuses the user name or the password")]
    Refused {
        /// Host and port.
        registry: String,
        /// What it said.
        source: Box<Fault>,
    },
    /// Nobody may be asked.
    #[error("registry {registry} is not asked, since kiln is to stay offline")]
    Offline {
        /// Host and port.
        registry: String,
    },
    /// There is no place for credentials.
    #[error("there is no home directory to keep credentials in")]
    NoHome,
    /// The file of credentials cannot be written.
    #[error("cannot keep the credentials in {path}")]
    Keep {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A helper does not keep or forget credentials.
    #[error("the credential helper docker-credential-{name} failed")]
    Helper {
        /// Of the helper.
        name: String,
        /// What it said.
        source: io::Error,
    },
    /// The registry answered with an error, or with nonsense.
    #[error("{name}: registry {registry} failed")]
    Failed {
        /// Of the image.
        name: String,
        /// Host and port.
        registry: String,
        /// Why.
        source: Box<Fault>,
    },
}

impl Error {
    /// What a fault means for the image `name`.
    pub(super) fn of(name: &str, registry: &str, doing: Doing, fault: Fault) -> Self {
        let (name, registry) = (name.to_owned(), registry.to_owned());
        if let Fault::Credentials { path, source } = fault {
            return Self::Credentials { path, source };
        }
        let (meaning, source) = (fault.meaning(), Box::new(fault));
        match meaning {
            Meaning::NotFound if doing != Doing::Push => Self::NotFound { name },
            Meaning::Denied => Self::Denied { name, registry, doing, source },
            Meaning::Unreachable => Self::Unreachable { name, registry, source },
            Meaning::Untrusted => Self::Untrusted { name, registry, source },
            Meaning::NotFound | Meaning::Passing | Meaning::Lasting => Self::Failed { name, registry, source },
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Denied { registry, doing: Doing::Pull, .. } => {
                Some(format!("check the name; for a private image log in with `kiln login {registry}`"))
            }
            Self::Denied { registry, doing: Doing::Push, .. } => {
                Some(format!("log in as somebody who may push there with `kiln login {registry}`, or check the name"))
            }
            Self::Denied { registry, doing: Doing::Delete, .. } => {
                Some(format!("log in as somebody who may delete there with `kiln login {registry}`, or check the name"))
            }
            Self::Unreachable { .. } => Some(
                "without a registry, give the image with `--build-context NAME=oci-layout://PATH` or put it into the store \
                 with `kiln import`"
                    .to_owned(),
            ),
            Self::Untrusted { registry, .. } => Some(format!(
                "in the configuration file, give its certificate: `[registry.\"{registry}\"]` with `ca = \"FILE.pem\"`; \
                 or do without: `insecure = true`"
            )),
            Self::Failed { source, .. } => match **source {
                Fault::Status { status: 429, .. } => {
                    Some("it limits how often it may be asked: log in with `kiln login`, or name a mirror".to_owned())
                }
                Fault::Status { status: 404, .. } => Some("the repository may have to be made there first".to_owned()),
                Fault::Status { status: 405, .. } => {
                    Some("it may be a mirror, which takes nothing, or be set up to delete nothing".to_owned())
                }
                _ => None,
            },
            Self::Credentials { .. } => Some("mend the file, or name another directory in DOCKER_CONFIG".to_owned()),
            Self::Certificates { .. } => Some("a file of certificates is in PEM".to_owned()),
            Self::Offline { .. } => Some("leave `--offline` out, or fetch the image first with `kiln pull`".to_owned()),
            Self::NoHome => Some("name a directory in DOCKER_CONFIG".to_owned()),
            Self::Helper { .. } => {
                Some("mend `credsStore` or `credHelpers` in the file of credentials, or install the helper".to_owned())
            }
            Self::Start(_) | Self::NotFound { .. } | Self::Refused { .. } | Self::Keep { .. } => None,
        }
    }
}
