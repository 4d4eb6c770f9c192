use std::error::Error;

use super::ObjectName;

/// Why a place gave or took nothing. No variant holds credentials, nor a URL that opens a door.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// No connection.
    #[error("it cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Other credentials are wanted, or the certificate is not trusted.
    #[error("it refuses access")]
    Denied(#[source] Box<dyn Error + Send + Sync>),
    /// It answered with an error.
    #[error("it failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// No answer in time, or a transfer that stands still.
    #[error("it did not answer within {seconds} s")]
    Slow {
        /// How long it was waited for.
        seconds: u64,
    },
    /// An object of more bytes than [`super::MAX_OBJECT`].
    #[error("{name} has more bytes than are read")]
    TooLarge {
        /// Of the object.
        name: ObjectName,
    },
    /// What came is not what was asked for.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The object or blob.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something else of that name, which must not be overwritten.
    #[error("{what}")]
    Foreign {
        /// What it is.
        what: String,
    },
    /// The user has stopped the build.
    #[error("the build was stopped")]
    Cancelled,
}

impl ShareError {
    /// What to do about it, as the end of a sentence.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "check its address, and that it runs",
            Self::Denied(_) => "check the credentials for it, and what they permit",
            Self::Failed(_) => "see what it says of it itself",
            Self::Slow { .. } => "check the network to it, or leave it out",
            Self::TooLarge { .. } | Self::Damaged { .. } => "export the cache anew, or leave it out",
            Self::Foreign { .. } => "name a place of its own for the cache",
            Self::Cancelled => "start the build again",
        }
    }
}
