use std::io;

/// Why the store could not be looked after.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or changed.
    #[error("cannot use the store")]
    Store(#[from] io::Error),
    /// What is wrong may be in use.
    #[error("somebody works in the store at the moment")]
    InUse,
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Store(_) => None,
            Self::InUse => Some("repair it when the other builds are done".to_owned()),
        }
    }
}
