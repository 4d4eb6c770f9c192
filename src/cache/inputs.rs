use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::image::Digest;

/// Bytes hashed at a time.
const BUFFER: usize = 16 << 10;

/// Something a step reads besides its parent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Input {
    /// How people know it: a path of the context, a stage, an argument.
    pub name: String,
    /// A digest of it, or the value itself where it is short and no secret.
    pub value: String,
}

/// What a step reads, in a fixed order, and the digest of it all. There may be a million: clones share them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inputs(Arc<(Digest, Vec<Input>)>);

impl Inputs {
    /// Digests the list once.
    pub fn new(list: Vec<Input>) -> Self {
        Self(Arc::new((digest_of(&list), list)))
    }

    /// The digest of the list as JSON.
    pub fn digest(&self) -> Digest {
        self.0.0
    }

    /// The list.
    pub fn list(&self) -> &[Input] {
        &self.0.1
    }
}

impl Serialize for Inputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::new)
    }
}

/// The digest of `value` as compact JSON, which is never whole in memory.
pub(super) fn digest_of(value: &impl Serialize) -> Digest {
    let mut json = BufWriter::with_capacity(BUFFER, Hashing(Sha256::new()));
    // Neither the hash nor the types of this room can fail.
    let _infallible = serde_json::to_writer(&mut json, value);
    let _infallible = json.flush();
    Digest::from_bytes(json.get_ref().0.clone().finalize().into())
}

/// Takes bytes into a hash.
struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
