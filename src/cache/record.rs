use serde::{Deserialize, Serialize};

use crate::image::DiffId;

use super::Preimage;

/// The layer that a step gave.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LayerRecord {
    /// The layer.
    pub diff_id: DiffId,
    /// Bytes of its tar.
    pub size: u64,
    /// What is in it, times left out ([`super::layer_content`]).
    pub content: String,
}

/// What is remembered of a step that ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What its key was made of.
    pub preimage: Preimage,
    /// The instruction as people read it.
    pub text: String,
    /// When its layer was made: seconds since 1970 (CONFIG-4).
    pub created: i64,
    /// The layer.
    pub layer: LayerRecord,
}

impl Record {
    /// The bytes of the record's file.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record; one that cannot be read counts as absent, since a cache may always miss.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
