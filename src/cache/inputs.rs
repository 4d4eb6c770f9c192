use std::fmt;
use std::io;
use std::sync::Arc;

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::context::in_order;
use crate::image::Digest;

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
    /// All of them, some at a time.
    fn parts(&self) -> Parts<'_>;
}

/// What a [`Listed`] is made of, in its order.
pub type Parts<'a> = Box<dyn Iterator<Item = Box<dyn Part + 'a>> + Send + 'a>;

/// Some inputs, one after the other. Telling them may take long, such as reading files does.
pub trait Part: Send {
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
    /// Digests all once, on up to `threads` threads: `list`, then what each of `rest` tells.
    ///
    /// # Errors
    /// That of a file whose content had to be read.
    pub fn new(list: Vec<Input>, rest: Vec<Box<dyn Listed>>, threads: usize) -> io::Result<Self> {
        let (digest, size) = digest_of(&list, &rest, threads)?;
        Ok(Self(Arc::new(Inner { digest, size, list, rest })))
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
        for part in self.rest.iter().flat_map(|some| some.parts()) {
            let mut failed = None;
            let told = part.each(&mut |name, value| {
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
        Self::new(Vec::deserialize(deserializer)?, Vec::new(), 1).map_err(D::Error::custom)
    }
}

/// Digest and size of all as compact JSON, which is never whole in memory.
fn digest_of(list: &[Input], rest: &[Box<dyn Listed>], threads: usize) -> io::Result<(Digest, u64)> {
    let mut text = Text::default();
    for Input { name, value } in list {
        text.line(name, value)?;
    }
    let mut hash = Hashing::default();
    hash.add(text.0);
    let parts = rest.iter().flat_map(|some| some.parts());
    let work = |part: Box<dyn Part + '_>| {
        let mut text = Text::default();
        part.each(&mut |name, value| text.line(name, value))?;
        Ok(text.0)
    };
    in_order(parts, threads, work, &mut |text| hash.add(text))?;
    Ok(hash.finish())
}

/// Elements of an array as JSON, each with a comma before it.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn line(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.0.push(b',');
        Ok(serde_json::to_writer(&mut self.0, &Line { name, value })?)
    }
}

/// Takes the elements of an array into a hash, and counts their bytes.
#[derive(Default)]
struct Hashing(Sha256, u64);

impl Hashing {
    fn add(&mut self, mut text: Vec<u8>) {
        if let Some(comma) = text.first_mut().filter(|_| self.1 == 0) {
            *comma = b'[';
        }
        self.0.update(&text);
        self.1 += text.len() as u64;
    }

    fn finish(mut self) -> (Digest, u64) {
        self.add(if self.1 == 0 { b"[]".to_vec() } else { b"]".to_vec() });
        (Digest::from_bytes(self.0.finalize().into()), self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One part for each pair.
    struct Pairs(Vec<(String, &'static str)>);

    impl Listed for Pairs {
        fn parts(&self) -> Parts<'_> {
            Box::new(self.0.iter().map(|pair| Box::new(pair.clone()) as Box<dyn Part>))
        }
    }

    impl Part for (String, &'static str) {
        fn each(&self, visit: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
            visit(&self.0, self.1)
        }
    }

    #[test]
    fn what_is_told_one_by_one_counts_as_what_is_listed() {
        let input = |name: &str, value: &str| Input { name: name.to_owned(), value: value.to_owned() };
        for count in [0, 1, 2, 300] {
            for (before, threads) in [(0, 1), (0, 4), (1, 4)] {
                let list = |count| (0..count).map(|n: usize| input(&n.to_string(), "\"v")).collect::<Vec<_>>();
                let pairs = Pairs((before..count).map(|n| (n.to_string(), "\"v")).collect());
                let listed = Inputs::new(list(count), vec![], 1).unwrap();
                let told = Inputs::new(list(before.min(count)), vec![Box::new(pairs)], threads).unwrap();
                assert_eq!((&listed, listed.size()), (&told, told.size()), "{count} on {threads}");
                let json = serde_json::to_string(&told).unwrap();
                assert_eq!(json, serde_json::to_string(&list(count)).unwrap());
                assert_eq!(listed.digest(), Digest::of(json.as_bytes()));
                assert_eq!(serde_json::from_str::<Inputs>(&json).unwrap(), told);
            }
        }
    }
}
