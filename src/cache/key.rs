use std::fmt;
use std::io::{self, BufWriter, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::image::Digest;

/// Changes whenever the meaning of a preimage does: no record of another version is ever hit.
const FORMAT: u32 = 1;
/// Bytes hashed at a time.
const BUFFER: usize = 16 << 10;

/// Names the result of a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Digest);

/// The state a step starts from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parent {
    /// The empty root filesystem.
    Scratch,
    /// The layers of an image, by chain ID (KEY-2: two tags of the same layers hit).
    Base(Digest),
    /// What the step before gave.
    Step(Key),
    /// A state by what is in it, times left out.
    Content(String),
    /// The step does not look at its parent (KEY-9).
    Independent,
}

/// Something a step reads besides its parent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Input {
    /// How people know it: a path of the context, a stage, an argument.
    pub name: String,
    /// A digest of it, or the value itself where it is short and no secret.
    pub value: String,
}

/// All that a step's result depends on. Never holds a secret (KEY-4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Preimage {
    /// Version of this format.
    pub format: u32,
    /// The platform, normalised (KEY-14).
    pub platform: String,
    /// The state it starts from.
    pub parent: Parent,
    /// The instruction in canonical form after expansion.
    pub instruction: String,
    /// What it reads, in a fixed order.
    pub inputs: Vec<Input>,
}

impl Preimage {
    /// A preimage of the current format.
    pub fn new(platform: String, parent: Parent, instruction: String, inputs: Vec<Input>) -> Self {
        Self { format: FORMAT, platform, parent, instruction, inputs }
    }

    /// The canonical JSON: members in the order of the struct.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The digest of the canonical JSON: takes as long as the inputs are many.
    pub fn key(&self) -> Key {
        let mut json = BufWriter::with_capacity(BUFFER, Hashing(Sha256::new()));
        // Neither the hash nor these types can fail.
        let _infallible = serde_json::to_writer(&mut json, self);
        let _infallible = json.flush();
        Key(Digest::from_bytes(json.get_ref().0.clone().finalize().into()))
    }

    /// The same step on another parent.
    #[must_use]
    pub fn with_parent(&self, parent: Parent) -> Self {
        Self { parent, ..self.clone() }
    }
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

impl Key {
    /// 64 hex digits: the name of the record's file.
    pub fn hex(&self) -> String {
        self.0.hex()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Preimage {
        let inputs = vec![Input { name: "a".into(), value: "1".into() }];
        Preimage::new("linux/amd64".into(), Parent::Scratch, "RUN x".into(), inputs)
    }

    #[test]
    fn key_1_every_member_counts() {
        let key = sample().key();
        let other = |change: fn(&mut Preimage)| {
            let mut preimage = sample();
            change(&mut preimage);
            preimage.key()
        };
        assert_eq!(key, sample().key());
        assert_eq!(key, Key(Digest::of(&sample().to_json())));
        for (row, changed) in [
            ("format", other(|p| p.format += 1)),
            ("platform", other(|p| p.platform.push('x'))),
            ("parent", other(|p| p.parent = Parent::Independent)),
            ("instruction", other(|p| p.instruction.push('x'))),
            ("input name", other(|p| p.inputs[0].name.push('x'))),
            ("input value", other(|p| p.inputs[0].value.push('x'))),
            ("input count", other(|p| p.inputs.clear())),
        ] {
            assert_ne!(key, changed, "{row}");
        }
    }
}
