use std::io;

use crate::image::{Digest, Platform};
use crate::registry;

/// Why an image was not moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A registry gave or took nothing.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The store cannot be used.
    #[error("cannot use the store")]
    Store(#[source] io::Error),
    /// A blob did not come whole.
    #[error("cannot fetch {digest}")]
    Fetch {
        /// Of the blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// The store does not have all of an image, and nobody is known who has.
    #[error("{digest} is not in the store, and no registry is known that has it")]
    Missing {
        /// Of the blob or manifest.
        digest: Digest,
    },
    /// A document is no manifest or index.
    #[error("{name} is not an image that kiln can read: {reason}")]
    NotAnImage {
        /// Of the image.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A document has other bytes than its digest promises.
    #[error("{name}: expected a manifest of digest {expected}, got {found}")]
    Damaged {
        /// Of the image.
        name: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
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
    /// It was stopped.
    #[error("the transfer was stopped")]
    Cancelled,
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.help(),
            Self::Missing { .. } => Some("pull or build the image again".to_owned()),
            Self::Platform { present, .. } if present.is_empty() => Some("it has no image for any platform".to_owned()),
            Self::Platform { present, .. } => Some(format!("there is: {}", present.join(", "))),
            _ => None,
        }
    }
}
