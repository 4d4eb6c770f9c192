//! What a place tells of one step.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::cache::{Brief, Key, Parent, Preimage, Record};
use crate::image::{Descriptor, MediaType};

use super::{Kind, ObjectName, ShareError, seal, unseal};

/// The media type of a layer's list.
pub(super) const LIST: &str = "application/vnd.kiln.layer.list.v1+zstd";
/// Bytes of a list as it travels.
const MAX_LIST: u64 = 256 << 20;
/// Bytes of a layer, packed or not: a larger one is packed by no sane build, and would fill most disks.
const MAX_LAYER: u64 = 256 << 30;
/// Bytes of a preimage that travels, which only tells people why a step missed.
const MAX_PREIMAGE: usize = 16 << 20;
/// Characters of an instruction as people read it.
const MAX_TEXT: usize = 1 << 20;
/// The years that a time can be in: 1 to 9999.
const TIMES: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A step, what it gave, and where the layer is. Its keys follow from what it is made of: none can be claimed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// What its key by history is the digest of.
    pub(super) step: Brief,
    /// The content mark of the state it starts from; `None` where it looks at none.
    pub(super) below: Option<String>,
    /// What it gave.
    pub(super) record: Record,
    /// The layer's blob.
    pub(super) blob: Descriptor,
    /// The layer's list, compressed.
    pub(super) list: Option<List>,
    /// When it was exported: seconds since 1970.
    pub(super) exported: i64,
}

/// Where the list of a layer is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum List {
    /// Here, in base64.
    Here(String),
    /// In a blob.
    Blob(Box<Descriptor>),
}

impl Entry {
    /// An entry for what a step gave. `below` is the parent of its key by content.
    pub(super) fn new(
        step: Brief,
        below: &Parent,
        record: Record,
        blob: &Descriptor,
        list: Option<List>,
        exported: i64,
    ) -> Self {
        let below = match below {
            Parent::Content(mark) => Some(mark.clone()),
            _ => None,
        };
        let blob = Descriptor::new(blob.media_type.clone(), blob.digest, blob.size);
        Self { step, below, record, blob, list, exported }
    }

    /// The key by history.
    pub(super) fn key(&self) -> Key {
        self.step.key()
    }

    /// The key by content.
    pub(super) fn content_key(&self) -> Key {
        self.below.as_ref().map_or_else(|| self.key(), |mark| self.step.key_on(&Parent::Content(mark.clone())))
    }

    /// The content mark of the state it starts from.
    pub(super) fn below(&self) -> Option<&str> {
        self.below.as_deref()
    }

    /// What tells that the step has run on any state at all.
    pub(super) fn marker(&self) -> Key {
        self.step.key_on(&Parent::Scratch)
    }

    /// The blobs it speaks of.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let list = match &self.list {
            Some(List::Blob(list)) => Some(&**list),
            Some(List::Here(_)) | None => None,
        };
        std::iter::once(&self.blob).chain(list)
    }

    /// The entry as it may be used: `None` where this kiln cannot, or where no kiln has made it. Nothing in it leads anywhere
    /// but to the place it came from.
    pub(super) fn checked(mut self) -> Option<Self> {
        let record = &self.record;
        let is_list = |list: &List| match list {
            List::Here(text) => text.len() <= MAX_TEXT,
            List::Blob(list) => list.media_type == MediaType::Other(LIST.to_owned()) && list.size <= MAX_LIST,
        };
        let good = self.step.is_current()
            && matches!(self.blob.media_type, MediaType::Layer(..))
            && self.blob.size <= MAX_LAYER
            && record.layer.size <= MAX_LAYER
            && TIMES.contains(&record.created)
            && record.text.len() <= MAX_TEXT
            && self.list.as_ref().is_none_or(is_list);
        let list = match &mut self.list {
            Some(List::Blob(list)) => Some(&mut **list),
            Some(List::Here(_)) | None => None,
        };
        for blob in std::iter::once(&mut self.blob).chain(list) {
            *blob = Descriptor::new(blob.media_type.clone(), blob.digest, blob.size);
        }
        good.then_some(self)
    }

    /// The object of the entry, with `preimage` unless it is too long to travel.
    pub(super) fn to_object(&self, preimage: &Preimage) -> Result<(ObjectName, Vec<u8>), ShareError> {
        let failed = |error: serde_json::Error| ShareError::Failed(Box::new(error));
        let mut plain = serde_json::to_vec(self).map_err(failed)?;
        plain.push(b'\n');
        let end = plain.len();
        let mut short = Short(plain);
        if serde_json::to_writer(&mut short, preimage).is_err() {
            short.0.truncate(end);
        }
        let plain = short.0;
        let name = ObjectName::new(Kind::Step, &self.key().hex());
        let sealed = seal(&name, &plain)?;
        Ok((name, sealed))
    }

    /// Reads the object of `key`: an entry of another key is an error, whatever the object is called.
    pub(super) fn from_object(key: &Key, sealed: &[u8]) -> Result<Self, ShareError> {
        let name = ObjectName::new(Kind::Step, &key.hex());
        let damaged = |reason: &str| ShareError::Damaged { what: name.to_string(), reason: reason.to_owned() };
        let plain = unseal(&name, sealed)?;
        let line = plain.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let entry: Self = serde_json::from_slice(line).map_err(|_| damaged("it is no record of a step"))?;
        let entry = entry.checked().ok_or_else(|| damaged("it is no record of a step"))?;
        if entry.key() == *key { Ok(entry) } else { Err(damaged("it has another key")) }
    }
}

/// Takes no more than [`MAX_PREIMAGE`] bytes.
struct Short(Vec<u8>);

impl Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_PREIMAGE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use crate::cache::{Inputs, LayerRecord};
    use crate::image::{Compression, DiffId, Digest, Wire};

    use super::*;

    /// An entry of the step `text`.
    pub(in crate::share) fn sample(text: &str) -> (Entry, Preimage) {
        let inputs = Inputs::new(vec![], vec![], 1).unwrap();
        let preimage = Preimage::new("linux/amd64".into(), Parent::Scratch, text.into(), inputs);
        let layer = LayerRecord { diff_id: DiffId(Digest::of(text.as_bytes())), size: 1024, content: "c".into() };
        let record = Record { text: text.into(), created: 7, layer };
        let blob = Descriptor::of(MediaType::Layer(Wire::Oci, Compression::Gzip), text.as_bytes());
        (Entry::new(preimage.brief(), &Parent::Content("below".into()), record, &blob, None, 1), preimage)
    }

    #[test]
    fn cx_1_an_entry_is_read_under_its_key_and_no_other() {
        let (entry, preimage) = sample("RUN a");
        assert_eq!(entry.key(), preimage.key());
        assert_eq!(entry.content_key(), preimage.with_parent(Parent::Content("below".into())).key());
        let (_, object) = entry.to_object(&preimage).unwrap();
        assert_eq!(Entry::from_object(&entry.key(), &object).unwrap(), entry);
        let other = sample("RUN b").0.key();
        let lie = seal(&ObjectName::new(Kind::Step, &other.hex()), &serde_json::to_vec(&entry).unwrap()).unwrap();
        assert!(Entry::from_object(&other, &lie).unwrap_err().to_string().contains("another key"));
    }

    #[test]
    fn cx_1_what_no_kiln_has_made_is_not_used() {
        let changed = |change: fn(&mut Entry)| {
            let (mut entry, _) = sample("RUN a");
            change(&mut entry);
            entry.checked()
        };
        for (row, entry) in [
            ("no layer", changed(|entry| entry.blob.media_type = MediaType::Config(Wire::Oci))),
            ("a huge blob", changed(|entry| entry.blob.size = u64::MAX)),
            ("a huge layer", changed(|entry| entry.record.layer.size = 1 << 60)),
            ("no time", changed(|entry| entry.record.created = i64::MAX)),
            ("a list that is none", changed(|entry| entry.list = Some(List::Blob(Box::new(entry.blob.clone()))))),
        ] {
            assert_eq!(entry, None, "{row}");
        }
        let (mut entry, _) = sample("RUN a");
        entry.blob.urls.push("http://elsewhere".into());
        assert!(entry.checked().unwrap().blob.urls.is_empty(), "no other host is asked for a layer");
    }
}
