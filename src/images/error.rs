use std::io;

use crate::image::{Platform, ReferenceError};
use crate::{bases, transfer};

/// Why an image cannot be found or handled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No image bears that name or id.
    #[error("there is no image `{text}` in the store")]
    Unknown {
        /// As typed.
        text: String,
        /// A name that is much like it.
        near: Option<String>,
    },
    /// The beginning of an id fits several images.
    #[error("`{text}` begins the ids of several images")]
    Ambiguous {
        /// As typed.
        text: String,
        /// The ids.
        ids: Vec<String>,
    },
    /// What was typed is neither a name nor an id.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// A source or destination of a copy is written wrongly.
    #[error("`{text}`: {reason}")]
    Place {
        /// As typed.
        text: String,
        /// What is wrong with it.
        reason: String,
        /// How it may have been meant.
        help: Option<String>,
    },
    /// A document of the image is no manifest, index or config.
    #[error("{name} is not an image that kiln can read: {reason}")]
    NotAnImage {
        /// Of the image.
        name: String,
        /// Why not.
        reason: String,
    },
    /// An image is not for the platform asked for.
    #[error("{name} is not for {wanted}")]
    Platform {
        /// Of the image.
        name: String,
        /// What was asked for.
        wanted: Box<Platform>,
    },
    /// A layout or archive cannot be read.
    #[error(transparent)]
    Archive(#[from] bases::Error),
    /// A layout or archive lacks a part of an image, or holds a damaged one.
    #[error("cannot load {name}")]
    Load {
        /// The image's name, or the archive's.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// What the store lacks of the image cannot be had.
    #[error(transparent)]
    Transfer(#[from] transfer::Error),
    /// The store cannot be used.
    #[error("cannot use the store")]
    Store(#[source] io::Error),
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Unknown { near: None, .. } => Some(
                "`kiln images` lists what there is; `kiln build -t` makes an image, `kiln pull` fetches one".to_owned(),
            ),
            Self::Ambiguous { ids, .. } => Some(format!("write more of it: {}", ids.join(", "))),
            Self::Place { help, .. } => help.clone(),
            Self::Name(_) => Some("an image is named `NAME[:TAG]`, or by its id".to_owned()),
            Self::Platform { .. } => Some("`kiln inspect` tells the platforms that it is for".to_owned()),
            Self::Archive(error) => error.help(),
            Self::Load { .. } => Some("make or download it again".to_owned()),
            Self::Transfer(error) => error.help(),
            Self::NotAnImage { .. } | Self::Store(_) => None,
        }
    }
}
