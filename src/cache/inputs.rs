use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq as _};
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

/// Inputs that are told one by one, always the same in the same order: there may be a million files.
pub trait Listed: Send + Sync {
    /// Calls `visit` with name and value of each.
    fn each(&self, visit: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()>;
}

/// What a step reads, in a fixed order, and the digest of it all. Clones share them.
#[derive(Clone)]
pub struct Inputs(Arc<Inner>);

struct Inner {
    digest: Digest,
    size: u64,
    list: Vec<Input>,
    rest: Vec<Box<dyn Listed>>,
}

/// One input as it is written.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    value: &'a str,
}

impl Inputs {
    /// Digests all once: `list`, then what each of `rest` tells.
    ///
    /// # Errors
    /// That of a file whose content had to be read.
    pub fn new(list: Vec<Input>, rest: Vec<Box<dyn Listed>>) -> io::Result<Self> {
        let mut inner = Inner { digest: Digest::of(b""), size: 0, list, rest };
        (inner.digest, inner.size) = digest_of(&inner)?;
        Ok(Self(Arc::new(inner)))
    }

    /// Bytes of all as JSON.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The digest of all as JSON.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }
}

impl PartialEq for Inputs {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Inputs {}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inputs").field(&self.0.digest).finish()
    }
}

impl Serialize for Inner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(None)?;
        for input in &self.list {
            all.serialize_element(input)?;
        }
        for some in &self.rest {
            let mut failed = None;
            let told = some.each(&mut |name, value| {
                all.serialize_element(&Line { name, value }).map_err(|error| {
                    failed = Some(error);
                    io::ErrorKind::Other.into()
                })
            });
            match failed {
                Some(error) => return Err(error),
                None => told.map_err(S::Error::custom)?,
            }
        }
        all.end()
    }
}

impl Serialize for Inputs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        Self::new(Vec::deserialize(deserializer)?, Vec::new()).map_err(D::Error::custom)
    }
}

/// Digest and size of `value` as compact JSON, which is never whole in memory.
fn digest_of(value: &impl Serialize) -> io::Result<(Digest, u64)> {
    let mut json = BufWriter::with_capacity(BUFFER, Hashing(Sha256::new(), 0));
    serde_json::to_writer(&mut json, value)?;
    json.flush()?;
    let Hashing(hash, size) = json.get_ref();
    Ok((Digest::from_bytes(hash.clone().finalize().into()), *size))
}

/// Takes bytes into a hash, and counts them.
struct Hashing(Sha256, u64);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        self.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(&'static [(&'static str, &'static str)]);

    impl Listed for Pairs {
        fn each(&self, visit: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
            self.0.iter().try_for_each(|(name, value)| visit(name, value))
        }
    }

    #[test]
    fn what_is_told_one_by_one_counts_as_what_is_listed() {
        let input = |name: &str, value: &str| Input { name: name.to_owned(), value: value.to_owned() };
        let listed = Inputs::new(vec![input("a", "1"), input("b", "2")], vec![]).unwrap();
        let told = Inputs::new(vec![input("a", "1")], vec![Box::new(Pairs(&[("b", "2")]))]).unwrap();
        assert_eq!(listed, told);
        let json = serde_json::to_string(&told).unwrap();
        assert_eq!(json, r#"[{"name":"a","value":"1"},{"name":"b","value":"2"}]"#);
        assert_eq!(serde_json::from_str::<Inputs>(&json).unwrap(), told);
    }
}
