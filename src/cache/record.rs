use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::image::DiffId;

use super::{Parent, Preimage};

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

/// What a step that ran gave.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The instruction as people read it.
    pub text: String,
    /// When its layer was made: seconds since 1970 (CONFIG-4).
    pub created: i64,
    /// The layer.
    pub layer: LayerRecord,
}

impl Record {
    /// Writes the record's file: two lines of JSON, the record, and what its key was made of. The second may be megabytes
    /// long, and a hit needs the first only.
    pub fn write(&self, preimage: Option<&Preimage>, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")?;
        if let Some(preimage) = preimage {
            preimage.write(out)?;
        }
        Ok(())
    }

    /// Reads the first line of a record; one that cannot be read counts as absent, since a cache may always miss.
    pub fn from_line(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line.strip_suffix(b"\n")?).ok()
    }

    /// Reads what the record's key was made of.
    pub fn preimage(bytes: &[u8]) -> Option<Preimage> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        serde_json::from_slice(&bytes[end + 1..]).ok()
    }

    /// Reads what the step stands on, and passes over the rest of the preimage.
    pub fn parent(bytes: &[u8]) -> Option<Parent> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        serde_json::from_slice::<Below>(&bytes[end + 1..]).ok().map(|below| below.parent)
    }
}

/// As much of a preimage as tells what a step stands on.
#[derive(Deserialize)]
struct Below {
    parent: Parent,
}

#[cfg(test)]
mod tests {
    use crate::image::Digest;

    use super::super::{Inputs, Parent};
    use super::*;

    #[test]
    fn both_lines_are_read_back() {
        let layer = LayerRecord { diff_id: DiffId(Digest::of(b"x")), size: 5, content: "c".into() };
        let record = Record { text: "RUN a\nb".into(), created: -1, layer };
        let preimage =
            Preimage::new("linux/amd64".into(), Parent::Scratch, "RUN".into(), Inputs::new(vec![], vec![], 1).unwrap());
        let mut bytes = Vec::new();
        record.write(Some(&preimage), &mut bytes).unwrap();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        assert_eq!(Record::from_line(&bytes[..=end]), Some(record));
        assert_eq!(Record::from_line(&bytes[..end]), None, "a line that was cut off");
        assert_eq!(Record::preimage(&bytes), Some(preimage));
        assert_eq!(Record::parent(&bytes), Some(Parent::Scratch));
        assert_eq!(Record::from_line(b"damaged\n"), None);
    }
}
