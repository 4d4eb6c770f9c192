use std::io;
use std::path::PathBuf;

use crate::image::Digest;
use crate::registry;

/// Why an image may not be used, or a policy not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy or one of its keys cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The policy is written wrongly.
    #[error("{path}:{line}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A file holds no key that kiln can use.
    #[error("{path}: {reason}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The policy takes no such images.
    #[error("{name}: the policy {policy} refuses images from there")]
    Refused {
        /// Of the image.
        name: String,
        /// The file.
        policy: PathBuf,
    },
    /// An image is named by a tag alone.
    #[error("{name}: the policy {policy} requires a digest")]
    NoDigest {
        /// Of the image.
        name: String,
        /// The file.
        policy: PathBuf,
    },
    /// There is no signature.
    #[error("{name}: the policy {policy} requires a signature, and {digest} has none")]
    Unsigned {
        /// Of the image.
        name: String,
        /// The file.
        policy: PathBuf,
        /// Of its manifest or index.
        digest: Digest,
    },
    /// There are signatures, of which none holds.
    #[error("{name}: the policy {policy} requires a signature, and none of those of {digest} holds: {reasons}")]
    NotTrusted {
        /// Of the image.
        name: String,
        /// The file.
        policy: PathBuf,
        /// Of its manifest or index.
        digest: Digest,
        /// What is wrong with each.
        reasons: String,
    },
    /// The signatures cannot be had.
    #[error("{name}: cannot look for its signatures")]
    Registry {
        /// Of the image.
        name: String,
        /// Why.
        source: registry::Error,
    },
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoDigest { .. } => {
                Some("`kiln pin` writes its digest into the Dockerfile, `kiln pin --lock` beside it".to_owned())
            }
            Self::Unsigned { .. } => {
                Some("whoever publishes it signs it with `cosign sign --key KEY`; or name another image".to_owned())
            }
            Self::NotTrusted { .. } => Some("the policy names the keys that count, and `identity`".to_owned()),
            Self::Key { .. } => {
                Some("a public key is in PEM, ECDSA of P-256 or Ed25519, as `cosign public-key` writes it".to_owned())
            }
            Self::Malformed { .. } => Some(
                "a rule looks like `[images.\"registry.example/team\"]` with `require = \"signature\"` and \
                 `keys = [\"team.pub\"]`"
                    .to_owned(),
            ),
            Self::Registry { source, .. } => source.help(),
            Self::Read { .. } | Self::Refused { .. } => None,
        }
    }
}
