use std::fmt;
use std::io::Read;
use std::time::Duration;

use crate::image::{Descriptor, Digest};
use crate::registry::{Content, Told};

use super::ShareError;

/// Bytes of the largest object: preimages of steps that copy very many files come near it.
pub const MAX_OBJECT: u64 = 64 << 20;
/// How long one question for an object may take, with all tries.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long the transfer of a blob may stand still.
pub const STALL: Duration = Duration::from_secs(20);
/// Bytes a second that any connection to a service manages on the way out.
pub(super) const SLOWEST: u64 = 64 << 10;

/// Where a fleet keeps its cache: small objects by name, and blobs by digest. Several threads may use one at once.
///
/// A place need not bound its own time: whoever asks gives up after [`PATIENCE`] or [`STALL`], and leaves the thread that
/// waits to itself. It should give up by itself not much later. It need not check what it hands out, either: neither digests
/// nor what objects say.
pub trait Place: Send + Sync + fmt::Debug {
    /// For messages: where it is, without credentials.
    fn name(&self) -> String;

    /// The object's bytes, at most [`MAX_OBJECT`]; `None` where there is none of that name.
    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError>;

    /// Keeps an object, in the place of one that may be there. `keeps` are the blobs it speaks of, which the place holds
    /// already: one that collects garbage must keep them as long as the object.
    fn write(&self, name: &ObjectName, bytes: &[u8], keeps: &[Descriptor]) -> Result<(), ShareError>;

    /// Keeps an object unless there is one of that name: `false` then. A place without conditional writes does its best, and
    /// may let two win now and then.
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, ShareError>;

    /// Forgets an object, if it is there.
    fn remove(&self, name: &ObjectName) -> Result<(), ShareError>;

    /// Whether the place holds a blob.
    fn has_blob(&self, blob: &Descriptor) -> Result<bool, ShareError>;

    /// Opens a blob's bytes. Digest and size are the reader's to check.
    fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, ShareError>;

    /// Takes a blob of which it is known that the place does not hold it. `content` may be opened again for another try; `told`
    /// takes the number of bytes sent so far.
    fn push_blob(&self, blob: &Descriptor, content: &dyn Content, told: &Told) -> Result<(), ShareError>;

    /// The repository, `registry/repository`, from which a later build can have the blobs by itself; `None` where it cannot.
    fn repository(&self) -> Option<String> {
        None
    }
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// What a step gave, by its key.
    Step,
    /// All steps that the place knows, in short, and what was in cache mounts. There is one, of the id `main`.
    Index,
    /// Who is just running a step, by its key.
    Claim,
}

/// Names an object: `steps/…`. The part after the slash consists of `a` to `z`, digits and `-`, so that any place can make
/// a file name or a tag of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectName {
    kind: Kind,
    id: String,
}

impl ObjectName {
    /// The object of that kind. What `id` has besides lower-case letters, digits and `-` gives it the digest of `id` for a name.
    pub fn new(kind: Kind, id: &str) -> Self {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let plain = !id.is_empty() && id.len() <= 100 && id.bytes().all(is_plain);
        Self { kind, id: if plain { id.to_owned() } else { Digest::of(id.as_bytes()).hex() } }
    }

    /// The one index of a place.
    pub fn index() -> Self {
        Self { kind: Kind::Index, id: "main".to_owned() }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The part after the slash.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Kind {
    /// The part before the slash.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Step => "steps",
            Self::Index => "index",
            Self::Claim => "claims",
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.directory(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_whatever_it_is_made_of() {
        let key = "0123abcd".repeat(8);
        assert_eq!(ObjectName::new(Kind::Step, &key).to_string(), format!("steps/{key}"));
        for odd in ["", "../../etc", "A", "a/b", &"x".repeat(101)] {
            let name = ObjectName::new(Kind::Claim, odd);
            assert!(name.id().len() == 64 && name.to_string().starts_with("claims/"), "{odd}: {name}");
        }
        assert_ne!(ObjectName::new(Kind::Claim, "A"), ObjectName::new(Kind::Claim, "B"));
    }
}
