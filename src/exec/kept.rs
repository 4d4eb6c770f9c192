//! Where the files of a layer are: a tree, or a blob here or elsewhere, from which the tree is made.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::layer_content;
use crate::image::{Compression, Descriptor, DiffId};
use crate::layer;
use crate::rootfs::{Changes, Files, RootPath};
use crate::share::Hit;
use crate::store::{BlobSource, Store};

use super::tree::Tree;

/// Who made a layer.
pub(super) enum Origin {
    /// This kiln, in this build or an earlier one.
    Own,
    /// Whoever made a base image: the blob, and who has it.
    Base(Box<Descriptor>, Option<Arc<dyn BlobSource>>),
    /// Another machine: the shared cache has it.
    Shared(Hit),
}

/// Where the files of a layer are. The layer's list refers to it, so that whoever holds a part of the list can open files.
pub(super) struct Kept {
    pub(super) store: Arc<Store>,
    pub(super) origin: Origin,
    pub(super) tree: Mutex<Option<Arc<Tree>>>,
}

impl Kept {
    /// The directory of a layer that has a name.
    pub(super) fn tree(&self, diff_id: &DiffId) -> io::Result<Arc<Tree>> {
        let mut tree = lock(&self.tree);
        if let Some(known) = &*tree {
            return Ok(Arc::clone(known));
        }
        let path = self.store.tree_path(diff_id);
        let made = match Tree::stored(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.unpack_blob(diff_id)?;
                Tree::stored(&path)
            }
            made => made,
        };
        let made = Arc::new(made?);
        *tree = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Reads the blob once, which gives both list and tree.
    pub(super) fn unpack_blob(&self, diff_id: &DiffId) -> io::Result<()> {
        let _one_at_a_time = self.store.lock(&format!("unpack-{}", diff_id.0.hex()))?;
        if self.store.tree(diff_id).is_some() && self.store.list(diff_id)?.is_some() {
            return Ok(());
        }
        let blob = self.fetched(diff_id)?;
        let temp = self.store.temp_dir()?;
        let dir = temp.join("tree");
        std::fs::create_dir(&dir)?;
        let compression = blob.media_type.compression().unwrap_or(Compression::Uncompressed);
        let most = match &self.origin {
            Origin::Shared(hit) => hit.record().layer.size,
            Origin::Own | Origin::Base(..) => u64::MAX,
        };
        let unpacked = layer::unpack(self.store.open_blob(&blob.digest)?, compression, diff_id, most, &dir);
        let changes = unpacked.and_then(|changes| {
            self.is_as_told(&changes)?;
            Ok(changes)
        });
        let changes = self.or_lose(&blob, changes)?;
        if let Origin::Shared(_) = &self.origin {
            self.store.set_blob_of(diff_id, &blob)?;
        }
        self.store.put_list(diff_id, self.store.draft(|out| layer::list::write(&changes, out))?)?;
        self.store.adopt_tree(diff_id, &dir)
    }

    /// A blob of the layer that lies in the store and is known to hold it.
    pub(super) fn local_blob(self: &Arc<Self>, diff_id: &DiffId) -> io::Result<Descriptor> {
        let blob = self.fetched(diff_id)?;
        if let Origin::Shared(hit) = &self.origin
            && self.store.blob_of(diff_id)?.is_none_or(|known| known.digest != blob.digest)
        {
            let compression = blob.media_type.compression().unwrap_or(Compression::Uncompressed);
            let bytes = self.store.open_blob(&blob.digest)?;
            let told = if self.store.list(diff_id)?.is_none() { self.told_entries(diff_id) } else { None };
            let checked = layer::check(bytes, compression, diff_id, hit.record().layer.size, told.as_ref());
            let is_told = self.or_lose(&blob, checked)?;
            self.store.set_blob_of(diff_id, &blob)?;
            if let Some(told) = told.filter(|_| is_told) {
                // With both a later build needs no shared cache.
                self.store.put_list(diff_id, self.store.draft(|out| layer::list::write(&told, out))?)?;
            }
        }
        Ok(blob)
    }

    /// A blob that lies in the store. What is in it may be something else than the layer.
    fn fetched(&self, diff_id: &DiffId) -> io::Result<Descriptor> {
        if let Some(blob) = self.store.blob_of(diff_id)?
            && self.store.has(&blob.digest)
        {
            return Ok(blob);
        }
        match &self.origin {
            Origin::Base(blob, source) => {
                self.store.ensure_blob(blob, source.as_deref())?;
                Ok((**blob).clone())
            }
            Origin::Shared(hit) => {
                let blob = hit.blob();
                let needed = blob.size.saturating_add(hit.record().layer.size);
                let fetched = if self.store.has(&blob.digest) || self.store.has_room(needed) {
                    self.store.ensure_blob(blob, Some(hit))
                } else {
                    Err(io::Error::new(io::ErrorKind::StorageFull, format!("there is no room for {needed} bytes")))
                };
                fetched.inspect_err(|error| hit.lose(error))?;
                Ok(blob.clone())
            }
            Origin::Own => Err(io::Error::other(format!("the store has lost layer {diff_id}"))),
        }
    }

    /// A layer that is not what was promised is lost, and its blob with it.
    pub(super) fn or_lose<T>(&self, blob: &Descriptor, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            if let Origin::Shared(hit) = &self.origin {
                self.store.drop_blob(&blob.digest);
                hit.lose(error);
            }
        })
    }

    /// Opens the files of the layer, which are unpacked when the first is.
    pub(super) fn files(self: &Arc<Self>, diff_id: &DiffId) -> Arc<dyn Files> {
        Arc::new(TreeOf { kept: Arc::clone(self), diff_id: *diff_id })
    }

    /// The entries of a layer as the shared cache tells them. Nothing of it gets into the store before the layer itself has been
    /// read: then it is known to be true.
    pub(super) fn told_entries(self: &Arc<Self>, diff_id: &DiffId) -> Option<Changes> {
        let Origin::Shared(hit) = &self.origin else { return None };
        let changes = layer::list::from_bytes(&hit.list()?, &self.files(diff_id)).ok()?;
        // To digest a file would be to fetch the layer.
        (changes.are_digested() && self.is_as_told(&changes).is_ok()).then_some(changes)
    }

    /// Whether the layer has the content that the shared cache promises.
    fn is_as_told(&self, changes: &Changes) -> io::Result<()> {
        match &self.origin {
            Origin::Shared(hit) if layer_content(changes)? != hit.record().layer.content => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "its files are not those that were promised"))
            }
            _ => Ok(()),
        }
    }
}

/// The files of a layer that is read from its list: they are unpacked when the first is opened.
struct TreeOf {
    kept: Arc<Kept>,
    diff_id: DiffId,
}

impl Files for TreeOf {
    fn open(&self, path: &RootPath) -> io::Result<std::fs::File> {
        self.kept.tree(&self.diff_id)?.files().open(path)
    }
}

impl fmt::Debug for TreeOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TreeOf").field(&self.diff_id).finish()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
