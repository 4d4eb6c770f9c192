use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::image::Digest;

use super::inputs::Inputs;

/// Changes whenever the meaning of a preimage does: no record of another version is ever hit.
const FORMAT: u32 = 3;

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
    pub inputs: Inputs,
}

impl Preimage {
    /// A preimage of the current format.
    pub fn new(platform: String, parent: Parent, instruction: String, inputs: Inputs) -> Self {
        Self { format: FORMAT, platform, parent, instruction, inputs }
    }

    /// The digest of the canonical JSON, in which the digest of the inputs stands for them.
    pub fn key(&self) -> Key {
        let Self { format, platform, parent, instruction, inputs } = self;
        Key::of(*format, platform, parent, instruction, inputs.digest())
    }

    /// As much as makes the key.
    pub fn brief(&self) -> Brief {
        let Self { format, platform, parent, instruction, inputs } = self.clone();
        Brief { format, platform, parent, instruction, inputs: inputs.digest() }
    }

    /// The name of the mark that this step has run on any state. Without it no key by content can hit, and the packing of the step
    /// before need not be waited for.
    pub fn marker(&self) -> String {
        format!("seen-{}", self.marker_key())
    }

    /// The key in that name.
    pub fn marker_key(&self) -> Key {
        self.with_parent(Parent::Scratch).key()
    }

    /// Writes all of it as JSON, as it stands in a record.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        Ok(serde_json::to_writer(out, self)?)
    }

    /// The same step on another parent.
    #[must_use]
    pub fn with_parent(&self, parent: Parent) -> Self {
        Self { parent, ..self.clone() }
    }
}

/// A preimage in short: the digest of the inputs stands for them. It has the same key, which is how one that comes from
/// elsewhere is known to be the right one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Brief {
    format: u32,
    platform: String,
    /// The state it starts from.
    pub parent: Parent,
    instruction: String,
    inputs: Digest,
}

impl Brief {
    /// The key of the preimage.
    pub fn key(&self) -> Key {
        self.key_on(&self.parent)
    }

    /// The key of the same step on another parent.
    pub fn key_on(&self, parent: &Parent) -> Key {
        Key::of(self.format, &self.platform, parent, &self.instruction, self.inputs)
    }

    /// Whether this kiln can hit it at all.
    pub fn is_current(&self) -> bool {
        self.format == FORMAT
    }
}

impl Key {
    fn of(format: u32, platform: &str, parent: &Parent, instruction: &str, inputs: Digest) -> Self {
        // These types have no part that JSON cannot hold.
        let json = serde_json::to_vec(&(format, platform, parent, instruction, inputs)).unwrap_or_default();
        Self(Digest::of(&json))
    }

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
    use super::super::Input;
    use super::*;

    fn sample() -> Preimage {
        Preimage::new("linux/amd64".into(), Parent::Scratch, "RUN x".into(), inputs("a", "1"))
    }

    fn inputs(name: &str, value: &str) -> Inputs {
        Inputs::new(vec![Input { name: name.into(), value: value.into() }], vec![], 1).unwrap()
    }

    #[test]
    fn cx_1_a_preimage_in_short_has_the_same_key() {
        let (whole, brief) = (sample(), sample().brief());
        let back: Brief = serde_json::from_str(&serde_json::to_string(&brief).unwrap()).unwrap();
        assert_eq!((back.key(), back.is_current()), (whole.key(), true));
        let parent = Parent::Content("x".into());
        assert_eq!(back.key_on(&parent), whole.with_parent(parent).key());
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
        for (row, changed) in [
            ("format", other(|p| p.format += 1)),
            ("platform", other(|p| p.platform.push('x'))),
            ("parent", other(|p| p.parent = Parent::Independent)),
            ("instruction", other(|p| p.instruction.push('x'))),
            ("input name", other(|p| p.inputs = inputs("b", "1"))),
            ("input value", other(|p| p.inputs = inputs("a", "2"))),
            ("input count", other(|p| p.inputs = Inputs::new(vec![], vec![], 1).unwrap())),
        ] {
            assert_ne!(key, changed, "{row}");
        }
    }
}
