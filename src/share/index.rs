//! All that a place knows, in one object: one question for a whole build.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cache::Key;
use crate::image::{Descriptor, DiffId};

use super::entry::Entry;
use super::{ObjectName, ShareError, seal, unseal};

/// Entries of an index: the oldest go. A manifest of so many blobs is still one that registries take.
const MAX_ENTRIES: usize = 4000;
/// Cache mounts that travel.
const MAX_MOUNTS: usize = 64;

/// The entries of a place, and what is in its cache mounts.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Index {
    /// Of steps, each once.
    pub(super) entries: Vec<Entry>,
    /// Archives of cache mounts by their ids.
    #[serde(default)]
    pub(super) mounts: BTreeMap<String, Mount>,
}

/// What was in a cache mount.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Mount {
    /// The layer that holds its files.
    pub(super) blob: Descriptor,
    /// Of the layer.
    pub(super) diff_id: DiffId,
    /// Bytes of its tar.
    pub(super) size: u64,
}

impl Index {
    /// Reads the object.
    pub(super) fn from_object(sealed: &[u8]) -> Result<Self, ShareError> {
        let name = ObjectName::index();
        let plain = unseal(&name, sealed)?;
        let damaged =
            |error: serde_json::Error| ShareError::Damaged { what: name.to_string(), reason: error.to_string() };
        let read: Self = serde_json::from_slice(&plain).map_err(damaged)?;
        let entries = read.entries.into_iter().filter_map(Entry::checked).collect();
        let plain = |mount: Mount| {
            let Mount { blob, diff_id, size } = mount;
            Mount { blob: Descriptor::new(blob.media_type, blob.digest, blob.size), diff_id, size }
        };
        Ok(Self { entries, mounts: read.mounts.into_iter().map(|(id, mount)| (id, plain(mount))).collect() })
    }

    /// The object.
    pub(super) fn to_object(&self) -> Result<Vec<u8>, ShareError> {
        let plain = serde_json::to_vec(self).map_err(|error| ShareError::Failed(Box::new(error)))?;
        seal(&ObjectName::index(), &plain)
    }

    /// Adds what another index has. Of two entries of one step the newer one stays; of too many, the newest.
    pub(super) fn merge(&mut self, other: Self) {
        let mut by_key: HashMap<Key, Entry> = HashMap::with_capacity(self.entries.len() + other.entries.len());
        for entry in self.entries.drain(..).chain(other.entries) {
            let key = entry.key();
            if by_key.get(&key).is_none_or(|known| known.exported <= entry.exported) {
                by_key.insert(key, entry);
            }
        }
        self.entries = by_key.into_values().collect();
        self.entries.sort_by_cached_key(|entry| (std::cmp::Reverse(entry.exported), entry.key().hex()));
        self.entries.truncate(MAX_ENTRIES);
        self.mounts.extend(other.mounts);
        while self.mounts.len() > MAX_MOUNTS {
            self.mounts.pop_last();
        }
    }

    /// Whether all that `other` has is known here.
    pub(super) fn holds(&self, other: &Self) -> bool {
        let keys: HashSet<Key> = self.entries.iter().map(Entry::key).collect();
        other.entries.iter().all(|entry| keys.contains(&entry.key()))
            && other.mounts.iter().all(|(id, mount)| self.mounts.get(id) == Some(mount))
    }

    /// The blobs it speaks of, each once.
    pub(super) fn blobs(&self) -> Vec<Descriptor> {
        let all = self.entries.iter().flat_map(Entry::blobs).chain(self.mounts.values().map(|mount| &mount.blob));
        let mut seen = HashSet::new();
        all.filter(|blob| seen.insert(blob.digest)).cloned().collect()
    }
}

/// An index, ready to be asked.
#[derive(Default, Debug)]
pub(super) struct Known {
    entries: HashMap<Key, Arc<Entry>>,
    markers: HashSet<Key>,
    /// Archives of cache mounts by their ids.
    pub(super) mounts: BTreeMap<String, Mount>,
}

impl Known {
    /// Of an index that was read.
    pub(super) fn new(index: Index) -> Self {
        let mut known = Self { mounts: index.mounts, ..Self::default() };
        // The newest comes first, and counts.
        for entry in index.entries.into_iter().rev() {
            known.add(Arc::new(entry));
        }
        known
    }

    /// One more entry.
    pub(super) fn add(&mut self, entry: Arc<Entry>) {
        self.markers.insert(entry.marker());
        self.entries.insert(entry.content_key(), Arc::clone(&entry));
        self.entries.insert(entry.key(), entry);
    }

    /// The entry under either of its keys.
    pub(super) fn entry(&self, key: &Key) -> Option<&Arc<Entry>> {
        self.entries.get(key)
    }

    /// Whether the step with that marker has run on any state.
    pub(super) fn has_seen(&self, marker: &Key) -> bool {
        self.markers.contains(marker)
    }

    /// How many steps it tells of.
    pub(super) fn len(&self) -> usize {
        self.markers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::sample;
    use super::*;

    fn index(texts: &[(&str, i64)]) -> Index {
        let entry = |(text, exported): &(&str, i64)| Entry { exported: *exported, ..sample(text).0 };
        Index { entries: texts.iter().map(entry).collect(), mounts: BTreeMap::new() }
    }

    #[test]
    fn cx_6_what_two_have_exported_is_merged() {
        let mut one = index(&[("a", 1), ("b", 5)]);
        let two = index(&[("b", 4), ("c", 6)]);
        one.merge(two.clone());
        let texts: Vec<_> = one.entries.iter().map(|entry| (entry.record.text.as_str(), entry.exported)).collect();
        assert_eq!(texts, [("c", 6), ("b", 5), ("a", 1)]);
        assert!(one.holds(&two) && !two.holds(&one));
        assert_eq!(Index::from_object(&one.to_object().unwrap()).unwrap(), one);
        assert_eq!(one.blobs().len(), 3);
    }

    #[test]
    fn an_index_does_not_grow_without_end() {
        let names: Vec<String> = (0..MAX_ENTRIES + 10).map(|number| number.to_string()).collect();
        let mut large = Index::default();
        large.merge(index(&names.iter().zip(0..).map(|(name, at)| (name.as_str(), at)).collect::<Vec<_>>()));
        assert_eq!((large.entries.len(), large.entries[0].exported), (4000, 4009));
    }

    #[test]
    fn cx_1_a_step_is_found_under_both_keys_and_its_marker() {
        let known = Known::new(index(&[("a", 1)]));
        let (entry, _) = sample("a");
        assert!(known.entry(&entry.key()).is_some() && known.entry(&entry.content_key()).is_some());
        assert!(known.has_seen(&entry.marker()) && !known.has_seen(&sample("b").0.marker()));
        assert_eq!(known.len(), 1);
    }
}
