use std::io;
use std::path::PathBuf;

use oci_client::errors::{OciDistributionError, OciErrorCode};

/// Why a registry gave no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client cannot be set up on this machine.
    #[error("cannot start a registry client")]
    Start(#[source] io::Error),
    /// The file of credentials cannot be used.
    #[error("cannot read the registry credentials in {path}")]
    Credentials {
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
    #[error("{name}: pull access denied, repository does not exist or may require authorization")]
    Denied {
        /// Of the image.
        name: String,
        /// Host and port.
        registry: String,
    },
    /// No connection to the registry.
    #[error("{name}: cannot reach registry {registry}")]
    Unreachable {
        /// Of the image.
        name: String,
        /// Host and port.
        registry: String,
        /// Why.
        source: Box<OciDistributionError>,
    },
    /// The registry answered with an error, or with nonsense.
    #[error("{name}: registry {registry} failed")]
    Failed {
        /// Of the image.
        name: String,
        /// Host and port.
        registry: String,
        /// Why.
        source: Box<OciDistributionError>,
    },
}

impl Error {
    /// What an error of the protocol means for the image `name`.
    pub(super) fn of(name: &str, registry: &str, error: OciDistributionError) -> Self {
        let (name, registry) = (name.to_owned(), registry.to_owned());
        match meaning(&error) {
            Meaning::NotFound => Self::NotFound { name },
            Meaning::Denied => Self::Denied { name, registry },
            Meaning::Unreachable => Self::Unreachable { name, registry, source: Box::new(error) },
            Meaning::Passing | Meaning::Lasting => Self::Failed { name, registry, source: Box::new(error) },
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Denied { registry, .. } => Some(format!(
                "check the name; for a private image put `auths` for {registry} into ~/.docker/config.json (`docker login` does)"
            )),
            Self::Unreachable { .. } => Some(
                "without a registry, give the image with `--build-context NAME=oci-layout://PATH` or put it into the store \
                 with `kiln import`"
                    .to_owned(),
            ),
            Self::Credentials { .. } => Some("mend the file, or name another directory in DOCKER_CONFIG".to_owned()),
            _ => None,
        }
    }
}

/// What can be done about an error of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// There is no such thing.
    NotFound,
    /// Other credentials are wanted.
    Denied,
    /// No connection.
    Unreachable,
    /// It may work in a moment.
    Passing,
    /// It will not.
    Lasting,
}

pub(super) fn meaning(error: &OciDistributionError) -> Meaning {
    use OciDistributionError as E;
    match error {
        E::ServerError { code: 404, .. } | E::ImageManifestNotFoundError(_) => Meaning::NotFound,
        E::UnauthorizedError { .. } | E::AuthenticationFailure(_) | E::ServerError { code: 401 | 403, .. } => {
            Meaning::Denied
        }
        E::RegistryError { envelope, .. } => {
            let codes: Vec<_> = envelope.errors.iter().map(|error| &error.code).collect();
            let any = |wanted: &[OciErrorCode]| codes.iter().any(|code| wanted.contains(code));
            if any(&[OciErrorCode::Toomanyrequests]) {
                Meaning::Passing
            } else if any(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                Meaning::Denied
            } else if any(&[
                OciErrorCode::ManifestUnknown,
                OciErrorCode::NameUnknown,
                OciErrorCode::NotFound,
                OciErrorCode::BlobUnknown,
                OciErrorCode::NameInvalid,
            ]) {
                Meaning::NotFound
            } else {
                Meaning::Lasting
            }
        }
        E::RequestError(error) if error.is_connect() => Meaning::Unreachable,
        E::RequestError(error) if error.is_builder() || error.is_redirect() => Meaning::Lasting,
        E::RequestError(_) | E::IoError(_) | E::ServerError { code: 429 | 500.., .. } => Meaning::Passing,
        _ => Meaning::Lasting,
    }
}
