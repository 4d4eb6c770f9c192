use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::image::{DiffId, Digest, Document, ImageConfig};
use crate::store::{Store, Survey};

/// Larger blobs are no manifests.
const MAX_DOCUMENT: u64 = 4 << 20;
/// Indexes within indexes.
const MAX_DEPTH: usize = 8;

/// What units share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Object {
    /// A blob, here or known to be elsewhere.
    Blob(Digest),
    /// A layer: its list, its wrap and its trees.
    Layer(DiffId),
}

/// The manifests and indexes of a store.
#[derive(Debug)]
pub(super) struct Documents(BTreeMap<Digest, Document>);

impl Documents {
    /// Reads all that the store holds.
    pub(super) fn of(store: &Store, survey: &Survey) -> Self {
        let small = survey.blobs.iter().filter(|(_, item)| item.bytes <= MAX_DOCUMENT).map(|(digest, _)| digest);
        let documents = small.filter(|digest| may_be_json(store, digest)).filter_map(|digest| {
            let bytes = store.read_blob(digest).ok()?;
            Some((*digest, Document::from_json(&bytes).ok()?))
        });
        Self(documents.collect())
    }

    /// The digests of all of them.
    pub(super) fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.0.keys()
    }

    /// Everything that belongs to the image or images under `top`, itself among it.
    pub(super) fn needs(&self, store: &Store, top: &Digest) -> BTreeSet<Object> {
        let mut needs = BTreeSet::new();
        self.add(store, top, MAX_DEPTH, &mut needs);
        needs
    }

    fn add(&self, store: &Store, at: &Digest, depth: usize, needs: &mut BTreeSet<Object>) {
        if !needs.insert(Object::Blob(*at)) || depth == 0 {
            return;
        }
        match self.0.get(at) {
            Some(Document::Index(index)) => {
                index.manifests.iter().for_each(|entry| self.add(store, &entry.digest, depth - 1, needs));
            }
            Some(Document::Manifest(manifest)) => {
                needs.extend(manifest.layers.iter().map(|layer| Object::Blob(layer.digest)));
                needs.insert(Object::Blob(manifest.config.digest));
                let config = store.read_blob(&manifest.config.digest).ok();
                if let Some(config) = config.and_then(|bytes| ImageConfig::from_json(&bytes).ok()) {
                    needs.extend(config.rootfs.diff_ids.into_iter().map(Object::Layer));
                }
            }
            None => {}
        }
    }
}

fn may_be_json(store: &Store, digest: &Digest) -> bool {
    let mut first = [0];
    let read = store.open_blob(digest).and_then(|mut blob| blob.read(&mut first));
    read.is_ok_and(|count| count == 1) && (first[0] == b'{' || first[0].is_ascii_whitespace())
}
