use std::io::Read;

use crate::image::{Descriptor, Digest, Document, ImageConfig, Manifest, Platform, platforms_of};
use crate::store::Store;

use super::Error;

/// A manifest, index or config of more bytes than this is an attack (the distribution specification asks for 4 MiB).
pub(super) const MAX_DOCUMENT: u64 = 16 << 20;
/// Indexes within indexes.
const MAX_DEPTH: usize = 8;

/// Gives manifests, indexes and configs.
pub(super) trait Documents {
    /// The blob's bytes. Whoever asks checks them.
    fn read(&self, blob: &Descriptor) -> Result<Vec<u8>, Error>;

    /// What has them, as errors name it.
    fn place(&self) -> String;
}

/// The image of one platform: everything but its layers.
#[derive(Debug)]
pub(super) struct Picked {
    /// Of the manifest.
    pub(super) descriptor: Descriptor,
    /// Read.
    pub(super) manifest: Manifest,
    /// Read.
    pub(super) config: ImageConfig,
    /// The bytes of all documents on the way: indexes, the manifest, the config.
    documents: Vec<Vec<u8>>,
}

impl Picked {
    /// An image put together from a manifest and a config.
    pub(super) fn new(name: &str, manifest_bytes: Vec<u8>, manifest: Manifest, config: Vec<u8>) -> Result<Self, Error> {
        let kind = crate::image::MediaType::Manifest(manifest.wire);
        let descriptor = Descriptor::of(kind, &manifest_bytes);
        let not_an_image = |reason: String| Error::NotAnImage { name: name.to_owned(), reason };
        let parsed = ImageConfig::from_json(&config).map_err(|error| not_an_image(format!("its config: {error}")))?;
        let mut picked = Self { descriptor, manifest, config: parsed, documents: vec![manifest_bytes, config] };
        let (layers, ids) = (picked.manifest.layers.len(), picked.config.rootfs.diff_ids.len());
        if ids == 0 && picked.config.history.iter().all(|entry| entry.empty_layer) {
            // FROM-13.
            picked.manifest.layers.clear();
        } else if layers != ids {
            return Err(not_an_image(format!("its manifest has {layers} layers and its config {ids}")));
        }
        Ok(picked)
    }

    /// Keeps the documents in the store.
    pub(super) fn keep(&self, store: &Store) -> Result<(), Error> {
        self.documents.iter().try_for_each(|bytes| store.put_blob(bytes).map(drop)).map_err(Error::Store)
    }
}

/// Follows `top` through indexes to the image for `platform`. `name` is what errors call it.
pub(super) fn pick(
    documents: &dyn Documents,
    top: &Descriptor,
    platform: &Platform,
    name: &str,
) -> Result<Picked, Error> {
    let mut at = top.clone();
    let mut passed = Vec::new();
    for _ in 0..MAX_DEPTH {
        let bytes = checked(documents, &at)?;
        let document = Document::from_json(&bytes)
            .map_err(|error| Error::NotAnImage { name: name.to_owned(), reason: error.to_string() })?;
        match document {
            Document::Manifest(manifest) => {
                let config = checked(documents, &manifest.config)?;
                let mut picked = Picked::new(name, bytes, manifest, config)?;
                picked.documents.append(&mut passed);
                return Ok(picked);
            }
            Document::Index(index) => {
                passed.push(bytes);
                at = index.select(platform).cloned().ok_or_else(|| no_platform(name, platform, &index.manifests))?;
            }
        }
    }
    Err(Error::NotAnImage { name: name.to_owned(), reason: format!("more than {MAX_DEPTH} indexes in each other") })
}

/// D-27.
pub(super) fn no_platform(name: &str, wanted: &Platform, entries: &[Descriptor]) -> Error {
    Error::Platform { name: name.to_owned(), wanted: Box::new(wanted.clone()), present: platforms_of(entries) }
}

/// Reads a document and sees that it is the one meant (ARC-8).
fn checked(documents: &dyn Documents, blob: &Descriptor) -> Result<Vec<u8>, Error> {
    let damaged = |reason: String| Error::Damaged { place: documents.place(), reason };
    if blob.size > MAX_DOCUMENT {
        return Err(damaged(format!("{} has {} bytes, too many for a document", blob.digest, blob.size)));
    }
    let bytes = documents.read(blob)?;
    if bytes.len() as u64 != blob.size {
        return Err(damaged(format!("{} has {} bytes, not the {} promised", blob.digest, bytes.len(), blob.size)));
    }
    let found = Digest::of(&bytes);
    if found != blob.digest {
        return Err(damaged(format!("expected a blob of digest {}, got {found}", blob.digest)));
    }
    Ok(bytes)
}

/// Reads all of a document, and at most one byte more than is allowed.
pub(super) fn read_limited(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
