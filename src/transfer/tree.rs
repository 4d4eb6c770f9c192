use std::collections::BTreeSet;

use crate::image::{Descriptor, Digest, Document, MediaType, Reference};

use super::{Error, Transfer};

/// Indexes within indexes.
const MAX_DEPTH: usize = 8;

/// Everything that belongs to an image or to several under one index.
#[derive(Clone, Default, Debug)]
pub struct Tree {
    /// Manifests and indexes with their bytes, each after those it names.
    pub documents: Vec<(Descriptor, Vec<u8>)>,
    /// Configs and layers, each once, in the order of the manifests.
    pub blobs: Vec<Descriptor>,
}

impl Tree {
    /// The tree below `top`. `read` gives the bytes of a document, which are checked.
    pub(super) fn walk(
        name: &str,
        top: &Descriptor,
        read: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, Error>,
    ) -> Result<Self, Error> {
        let mut tree = Self::default();
        tree.add(name, top, read, MAX_DEPTH, &mut BTreeSet::new())?;
        Ok(tree)
    }

    fn add(
        &mut self,
        name: &str,
        at: &Descriptor,
        read: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, Error>,
        depth: usize,
        seen: &mut BTreeSet<Digest>,
    ) -> Result<(), Error> {
        let not_an_image = |reason: String| Error::NotAnImage { name: name.to_owned(), reason };
        if depth == 0 {
            return Err(not_an_image(format!("more than {MAX_DEPTH} indexes in each other")));
        }
        if !seen.insert(at.digest) {
            return Ok(());
        }
        let bytes = read(at)?;
        let found = Digest::of(&bytes);
        if found != at.digest {
            return Err(Error::Damaged { name: name.to_owned(), expected: at.digest, found });
        }
        match Document::from_json(&bytes).map_err(|error| not_an_image(error.to_string()))? {
            Document::Manifest(manifest) => {
                for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
                    if seen.insert(blob.digest) {
                        self.blobs.push(blob.clone());
                    }
                }
            }
            Document::Index(index) => {
                for child in &index.manifests {
                    self.add(name, child, read, depth - 1, seen)?;
                }
            }
        }
        self.documents.push((at.clone(), bytes));
        Ok(())
    }

    /// What all of it belongs to.
    pub fn top(&self) -> Option<Descriptor> {
        self.documents.last().map(|(top, _)| top.clone())
    }

    /// The digests of everything in it.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.documents.iter().map(|(document, _)| &document.digest).chain(self.blobs.iter().map(|blob| &blob.digest))
    }
}

impl Transfer {
    /// The tree of an image of the store. Documents that the store does not hold are fetched from where the one above them
    /// came from.
    pub fn tree(&self, name: &str, top: &Descriptor) -> Result<Tree, Error> {
        let above = self.store.sources(&top.digest).map_err(Error::Store)?;
        Tree::walk(name, top, &mut |document| self.document(name, document, &above))
    }

    /// The bytes of a document, fetched and kept unless the store holds it: from repositories that are known to have it, else
    /// from `above`, which have had the one that names it.
    pub(super) fn document(&self, name: &str, at: &Descriptor, above: &[String]) -> Result<Vec<u8>, Error> {
        if let Ok(bytes) = self.store.read_blob(&at.digest) {
            return Ok(bytes);
        }
        let own = self.store.sources(&at.digest).map_err(Error::Store)?;
        let mut failed = None;
        for place in own.iter().chain(above) {
            let Ok(repository) = place.parse::<Reference>() else { continue };
            match self.fetch_document(name, &repository, at) {
                Ok(bytes) => {
                    self.store.put_blob(&bytes).map_err(Error::Store)?;
                    self.store.put_source(&at.digest, place).map_err(Error::Store)?;
                    return Ok(bytes);
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        Err(failed.unwrap_or(Error::Missing { digest: at.digest }))
    }

    fn fetch_document(&self, name: &str, repository: &Reference, at: &Descriptor) -> Result<Vec<u8>, Error> {
        let bytes = self.registry.manifest(repository, &at.digest)?;
        let found = Digest::of(&bytes);
        if found != at.digest {
            return Err(Error::Damaged { name: name.to_owned(), expected: at.digest, found });
        }
        Ok(bytes)
    }
}

/// Whether a descriptor names a document.
pub(super) fn is_document(descriptor: &Descriptor) -> bool {
    matches!(descriptor.media_type, MediaType::Manifest(_) | MediaType::Index(_))
}
