use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::image::{Descriptor, Digest, Reference};
use crate::progress::{Cancel, Outcome};
use crate::registry::{Content, Sent, Told};
use crate::store::Store;

use super::parallel::each;
use super::{Error, Stoppable, Transfer, Tree};

impl Transfer {
    /// Sends an image of the store to the registries of `names`, under each of them. Blobs that a registry has are not sent;
    /// those that it has in another repository are mounted; a blob that the store does not hold is fetched only if it has to
    /// be sent.
    pub fn push(&self, top: &Descriptor, names: &[Reference]) -> Result<(), Error> {
        let shown = names.first().map(ToString::to_string).unwrap_or_default();
        let tree = self.tree(&shown, top)?;
        for name in names {
            self.send(&tree, name)?;
        }
        Ok(())
    }

    /// Sends a tree to the registry of `name`, and gives it that name there.
    pub fn send(&self, tree: &Tree, name: &Reference) -> Result<(), Error> {
        each(&tree.blobs, &self.cancel, |blob| self.push_blob(name, blob))?;
        let Some(((top, bytes), below)) = tree.documents.split_last() else { return Ok(()) };
        for (document, bytes) in below {
            self.registry.push_manifest(&name.with_digest(&document.digest), document, bytes)?;
        }
        let task = self.tasks.start(format!("push {name}"));
        self.registry.push_manifest(name, top, bytes)?;
        task.note(format!("{} {}", top.digest, top.size));
        let repository = name.place();
        for digest in tree.digests() {
            self.store.put_source(digest, &repository).map_err(Error::Store)?;
        }
        task.ends(Outcome::Done);
        Ok(())
    }

    fn push_blob(&self, name: &Reference, blob: &Descriptor) -> Result<(), Error> {
        let hex = blob.digest.hex();
        let task = Arc::new(self.tasks.start(format!("push {} {}", name.place(), &hex[..12])));
        let sources = self.store.sources(&blob.digest).map_err(Error::Store)?;
        let prefix = format!("{}/", name.registry());
        let here: Vec<String> =
            sources.iter().filter_map(|place| place.strip_prefix(&prefix).map(str::to_owned)).collect();
        match self.registry.has_or_mounts(name, blob, &here)? {
            Some(Sent::Mounted) => {
                task.note("mounted from another repository".to_owned());
                task.ends(Outcome::Done);
                return Ok(());
            }
            Some(_) => {
                task.ends(Outcome::Cached);
                return Ok(());
            }
            None => {}
        }
        self.ensure(blob)?;
        let content = StoredBlob::new(&self.store, blob.digest, &self.cancel);
        let (teller, total) = (Arc::clone(&task), blob.size);
        let told: Told = Arc::new(move |done| teller.moved(done, total));
        self.registry.push_blob(name, blob, &content, &told).map_err(|error| self.explained(error.into()))?;
        task.ends(Outcome::Done);
        Ok(())
    }

    /// What fails after the user has stopped it fails because of that.
    pub(super) fn explained(&self, error: Error) -> Error {
        if self.cancel.is_set() { Error::Cancelled } else { error }
    }
}

/// A blob of the store that is sent. What was damaged on disk is refused by the registry, which checks the digest.
pub struct StoredBlob {
    store: Arc<Store>,
    digest: Digest,
    cancel: Cancel,
}

impl StoredBlob {
    /// The blob of that digest. Reading it fails once `cancel` is set.
    pub fn new(store: &Arc<Store>, digest: Digest, cancel: &Cancel) -> Self {
        Self { store: Arc::clone(store), digest, cancel: cancel.clone() }
    }
}

impl Content for StoredBlob {
    fn open(&self, start: u64) -> io::Result<Box<dyn Read + Send>> {
        let mut file = self.store.open_blob(&self.digest)?;
        file.seek(SeekFrom::Start(start))?;
        Ok(Box::new(Stoppable { reader: file, cancel: self.cancel.clone() }))
    }
}
