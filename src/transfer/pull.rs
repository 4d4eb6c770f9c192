use std::io::{self, Read};

use crate::image::{Descriptor, Document, Index, Platform, Reference};
use crate::progress::Outcome;
use crate::store::BlobSource;

use super::parallel::each;
use super::push::place;
use super::tree::is_document;
use super::{Error, Transfer, Tree};

/// How much of an image that is several is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extent {
    /// The image for one platform.
    Platform(Platform),
    /// All of them.
    All,
}

impl Transfer {
    /// Fetches what `name` means in its registry, as far as the store does not hold it, and gives it that name in the store.
    pub fn pull(&self, name: &Reference, extent: &Extent) -> Result<Descriptor, Error> {
        let task = self.tasks.start(format!("resolve {name}"));
        let resolved = self.registry.resolve(name)?;
        let top = resolved.descriptor;
        if let Some(expected) = name.digest()
            && expected != top.digest
        {
            return Err(Error::Damaged { name: name.to_string(), expected, found: top.digest });
        }
        self.store.put_blob(&resolved.bytes).map_err(Error::Store)?;
        self.store.put_source(&top.digest, &place(name)).map_err(Error::Store)?;
        task.ends(Outcome::Done);
        drop(task);
        let wanted = self.wanted(name, &top, extent)?;
        for digest in wanted.digests() {
            self.store.put_source(digest, &place(name)).map_err(Error::Store)?;
        }
        self.complete(&wanted)?;
        self.store.tag(name, &top).map_err(Error::Store)?;
        Ok(top)
    }

    /// The part of an image that is asked for. Its documents are in the store afterwards.
    pub fn wanted(&self, name: &Reference, top: &Descriptor, extent: &Extent) -> Result<Tree, Error> {
        let shown = name.to_string();
        let Extent::Platform(platform) = extent else { return self.tree(&shown, top) };
        let mut at = top.clone();
        loop {
            // A tree of one document, which is fetched if it has to be.
            let bytes = self.document(&shown, &at, top)?;
            let document = Document::from_json(&bytes)
                .map_err(|error| Error::NotAnImage { name: shown.clone(), reason: error.to_string() })?;
            match document {
                Document::Manifest(_) => return self.tree(&shown, &at),
                Document::Index(index) => {
                    let chosen = index.select(platform).filter(|chosen| is_document(chosen));
                    at = chosen.cloned().ok_or_else(|| no_platform(&shown, platform, &index))?;
                }
            }
        }
    }

    fn document(&self, name: &str, at: &Descriptor, top: &Descriptor) -> Result<Vec<u8>, Error> {
        if let Ok(bytes) = self.store.read_blob(&at.digest) {
            return Ok(bytes);
        }
        for source in self.store.sources(&top.digest).map_err(Error::Store)? {
            let Ok(repository) = source.parse::<Reference>() else { continue };
            let bytes = self.registry.manifest(&repository, &at.digest)?;
            let found = crate::image::Digest::of(&bytes);
            if found != at.digest {
                return Err(Error::Damaged { name: name.to_owned(), expected: at.digest, found });
            }
            self.store.put_blob(&bytes).map_err(Error::Store)?;
            self.store.put_source(&at.digest, &source).map_err(Error::Store)?;
            return Ok(bytes);
        }
        Err(Error::Missing { digest: at.digest })
    }

    /// Sees that all blobs of a tree are in the store.
    pub fn complete(&self, tree: &Tree) -> Result<(), Error> {
        each(&tree.blobs, &self.cancel, |blob| self.ensure(blob))
    }

    /// Sees that a blob is in the store, from any repository that is known to have it.
    pub(super) fn ensure(&self, blob: &Descriptor) -> Result<(), Error> {
        if self.store.has(&blob.digest) {
            return Ok(());
        }
        let sources = self.store.sources(&blob.digest).map_err(Error::Store)?;
        let mut failed = Error::Missing { digest: blob.digest };
        for source in sources {
            let Ok(name) = source.parse::<Reference>() else { continue };
            let fetched = self.store.ensure_blob(blob, Some(&Remote { transfer: self, name: &name }));
            match fetched {
                Ok(()) => return Ok(()),
                Err(source) => failed = self.explained(Error::Fetch { digest: blob.digest, source }),
            }
        }
        Err(failed)
    }
}

/// A repository that has a blob.
struct Remote<'a> {
    transfer: &'a Transfer,
    name: &'a Reference,
}

impl BlobSource for Remote<'_> {
    fn fetch(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let hex = blob.digest.hex();
        let task = self.transfer.tasks.start(format!("pull {} {}", place(self.name), &hex[..12]));
        let reader = self.transfer.registry.blob(self.name, blob)?;
        let cancel = self.transfer.cancel.clone();
        Ok(task.watch(Box::new(Stoppable { reader, cancel }), blob.size))
    }
}

struct Stoppable {
    reader: Box<dyn Read + Send>,
    cancel: crate::progress::Cancel,
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_set() {
            return Err(io::Error::other("the transfer was stopped"));
        }
        self.reader.read(buffer)
    }
}

/// D-27.
fn no_platform(name: &str, wanted: &Platform, index: &Index) -> Error {
    let known = index.manifests.iter().filter_map(|entry| entry.platform.as_ref()).filter(|has| has.os != "unknown");
    let mut present: Vec<String> = known.map(Platform::to_string).collect();
    present.dedup();
    Error::Platform { name: name.to_owned(), wanted: Box::new(wanted.clone()), present }
}
