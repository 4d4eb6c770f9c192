use std::io::{self, Read};

use crate::image::{Descriptor, Document, Index, Platform, Reference, platforms_of};
use crate::progress::Outcome;
use crate::store::BlobSource;

use super::parallel::each;
use super::tree::is_document;
use super::{Error, Stoppable, Transfer, Tree};

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
        let (top, wanted) = self.look_up(name, extent)?;
        self.complete(&wanted)?;
        self.store.tag(name, &top).map_err(Error::Store)?;
        Ok(top)
    }

    /// What `name` means in its registry, and the part of it that is asked for. Its documents are in the store afterwards, and
    /// it is known where the blobs can be had.
    pub fn look_up(&self, name: &Reference, extent: &Extent) -> Result<(Descriptor, Tree), Error> {
        let task = self.tasks.start(format!("resolve {name}"));
        let top = self.resolve(name)?;
        self.store.put_source(&top.digest, &name.place()).map_err(Error::Store)?;
        task.ends(Outcome::Done);
        drop(task);
        let wanted = self.wanted(&name.to_string(), &top, extent)?;
        for digest in wanted.digests() {
            self.store.put_source(digest, &name.place()).map_err(Error::Store)?;
        }
        Ok((top, wanted))
    }

    /// What `name` means in its registry; the store has that document afterwards.
    fn resolve(&self, name: &Reference) -> Result<Descriptor, Error> {
        if name.digest().is_none()
            && let Some(known) = self.store.resolve(name).map_err(Error::Store)?
            && self.store.has(&known.digest)
            && self.registry.still_means(name, &known.digest)
        {
            return Ok(known);
        }
        let resolved = self.registry.resolve(name)?;
        let top = resolved.descriptor;
        if let Some(expected) = name.digest()
            && expected != top.digest
        {
            return Err(Error::Damaged { name: name.to_string(), expected, found: top.digest });
        }
        self.store.put_blob(&resolved.bytes).map_err(Error::Store)?;
        Ok(top)
    }

    /// The part of an image that is asked for; `name` is what errors call it. Its documents are in the store afterwards.
    pub fn wanted(&self, name: &str, top: &Descriptor, extent: &Extent) -> Result<Tree, Error> {
        let Extent::Platform(platform) = extent else { return self.tree(name, top) };
        let above = self.store.sources(&top.digest).map_err(Error::Store)?;
        let mut at = top.clone();
        loop {
            let bytes = self.document(name, &at, &above)?;
            let document = Document::from_json(&bytes)
                .map_err(|error| Error::NotAnImage { name: name.to_owned(), reason: error.to_string() })?;
            match document {
                Document::Manifest(_) => return self.tree(name, &at),
                Document::Index(index) => {
                    let chosen = index.select(platform).filter(|chosen| is_document(chosen));
                    at = chosen.cloned().ok_or_else(|| no_platform(name, platform, &index))?;
                }
            }
        }
    }

    /// Sees that all blobs of a tree are in the store.
    pub fn complete(&self, tree: &Tree) -> Result<(), Error> {
        each(&tree.blobs, &self.cancel, |blob| self.ensure(blob))
    }

    /// Sees that a blob is in the store, from any repository that is known to have it.
    pub(super) fn ensure(&self, blob: &Descriptor) -> Result<(), Error> {
        if self.store.has(&blob.digest) {
            return self.store.ensure_blob(blob, None).map_err(Error::Store);
        }
        let sources = self.store.sources(&blob.digest).map_err(Error::Store)?;
        let mut failed = Error::Missing { digest: blob.digest };
        for source in sources {
            let Ok(name) = source.parse::<Reference>() else { continue };
            let fetch = || self.store.ensure_blob(blob, Some(&Remote { transfer: self, name: &name }));
            // What a line has damaged may come whole the next time.
            let fetched = fetch().or_else(|error| match error.kind() {
                io::ErrorKind::InvalidData => fetch(),
                _ => Err(error),
            });
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
        let task = self.transfer.tasks.start(format!("pull {} {}", self.name.place(), &hex[..12]));
        let reader = self.transfer.registry.blob(self.name, blob)?;
        let cancel = self.transfer.cancel.clone();
        Ok(task.watch(Box::new(Stoppable { reader, cancel }), blob.size))
    }
}

/// D-27.
fn no_platform(name: &str, wanted: &Platform, index: &Index) -> Error {
    let present = platforms_of(&index.manifests);
    Error::Platform { name: name.to_owned(), wanted: Box::new(wanted.clone()), present }
}
