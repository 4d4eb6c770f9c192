//! One layer of a state: its entries, its tree on disk and its blob, each made when first asked for.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::cache::{LayerRecord, layer_content};
use crate::image::{Compression, Descriptor, DiffId};
use crate::layer;
use crate::rootfs::{Changes, Files, RootPath};
use crate::snapshot;
use crate::store::{BlobSource, Store};

use super::tree::Tree;

/// A layer. Clones are the same layer.
#[derive(Clone)]
pub struct Layer(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    from: Origin,
    changes: OnceLock<Arc<Changes>>,
    tree: Mutex<Option<Arc<Tree>>>,
    record: Mutex<Option<Result<LayerRecord, String>>>,
    recorded: Condvar,
}

enum Origin {
    /// Of a base image: the blob, and who has it.
    Base { blob: Descriptor, source: Option<Arc<dyn BlobSource>> },
    /// Known to the store from an earlier build.
    Recorded,
    /// Made by this build.
    Fresh,
}

/// How a layer's blob is to be compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packing {
    /// The format.
    pub compression: Compression,
    /// Its level; `None` is the format's default.
    pub level: Option<i32>,
    /// Compressing threads.
    pub threads: usize,
}

impl Layer {
    /// A layer of a base image. Its content mark is its diff_id: bases are taken as they are.
    pub(super) fn base(
        store: &Arc<Store>,
        diff_id: DiffId,
        blob: Descriptor,
        source: Option<Arc<dyn BlobSource>>,
    ) -> Self {
        let record = LayerRecord { diff_id, size: 0, content: diff_id.to_string() };
        Self::with(store, Origin::Base { blob, source }, Some(record))
    }

    /// A layer that an earlier build made.
    pub(super) fn recorded(store: &Arc<Store>, record: LayerRecord) -> Self {
        Self::with(store, Origin::Recorded, Some(record))
    }

    /// A new layer. `tree` is given when its files already lie in overlay form in a directory of the store.
    pub(super) fn fresh(store: &Arc<Store>, changes: Changes, tree: Option<Arc<Tree>>) -> Self {
        let layer = Self::with(store, Origin::Fresh, None);
        layer.0.changes.get_or_init(|| Arc::new(changes));
        *lock(&layer.0.tree) = tree;
        layer
    }

    fn with(store: &Arc<Store>, from: Origin, record: Option<LayerRecord>) -> Self {
        Self(Arc::new(Inner {
            store: Arc::clone(store),
            from,
            changes: OnceLock::new(),
            tree: Mutex::new(None),
            record: Mutex::new(record.map(Ok)),
            recorded: Condvar::new(),
        }))
    }

    /// Who the layer is: waits until it has been packed.
    pub fn record(&self) -> io::Result<LayerRecord> {
        let mut record = lock(&self.0.record);
        loop {
            match &*record {
                Some(Ok(known)) => return Ok(known.clone()),
                Some(Err(message)) => return Err(io::Error::other(message.clone())),
                None => record = self.0.recorded.wait(record).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// What the layer holds. A base's may have to be downloaded first.
    pub fn changes(&self) -> io::Result<Arc<Changes>> {
        if let Some(known) = self.0.changes.get() {
            return Ok(Arc::clone(known));
        }
        let diff_id = self.record()?.diff_id;
        let changes = match self.listed(&diff_id)? {
            Some(changes) => changes,
            None => {
                self.unpack_blob(&diff_id)?;
                self.listed(&diff_id)?.ok_or_else(|| io::Error::other("the layer's list cannot be read"))?
            }
        };
        Ok(Arc::clone(self.0.changes.get_or_init(|| Arc::new(changes))))
    }

    fn listed(&self, diff_id: &DiffId) -> io::Result<Option<Changes>> {
        let Some(bytes) = self.0.store.list(diff_id)? else { return Ok(None) };
        let files: Arc<dyn Files> = Arc::new(TreeOf(Arc::downgrade(&self.0)));
        Ok(layer::list::from_bytes(&bytes, &files).ok())
    }

    /// The layer's directory in overlay form, made now unless it is there.
    pub(super) fn tree(&self) -> io::Result<Arc<Tree>> {
        let mut tree = lock(&self.0.tree);
        if let Some(known) = &*tree {
            return Ok(Arc::clone(known));
        }
        let made = if let Origin::Fresh = self.0.from {
            let temp = Arc::new(self.0.store.temp_dir()?);
            let dir = temp.join("tree");
            std::fs::create_dir(&dir)?;
            snapshot::unpack(&*self.changes()?, &dir)?;
            Tree::temporary(dir, temp)?
        } else {
            let diff_id = self.record()?.diff_id;
            if self.0.store.tree(&diff_id).is_none() {
                self.unpack_blob(&diff_id)?;
            }
            let path = self.0.store.tree(&diff_id).ok_or_else(|| io::Error::other("the layer's tree is gone"))?;
            Tree::stored(&path)?
        };
        let made = Arc::new(made);
        *tree = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Reads the blob once, which gives both list and tree.
    fn unpack_blob(&self, diff_id: &DiffId) -> io::Result<()> {
        let _one_at_a_time = self.0.store.lock(&format!("unpack-{}", diff_id.0.hex()))?;
        if self.0.store.tree(diff_id).is_some() && self.0.store.list(diff_id)?.is_some() {
            return Ok(());
        }
        let blob = self.local_blob(diff_id)?;
        let temp = self.0.store.temp_dir()?;
        let dir = temp.join("tree");
        std::fs::create_dir(&dir)?;
        let compression = blob.media_type.compression().unwrap_or(Compression::Uncompressed);
        let changes = layer::unpack(self.0.store.open_blob(&blob.digest)?, compression, diff_id, &dir)?;
        self.0.store.put_list(diff_id, &layer::list::to_bytes(&changes))?;
        self.0.store.adopt_tree(diff_id, &dir)
    }

    /// A blob of the layer that lies in the store.
    fn local_blob(&self, diff_id: &DiffId) -> io::Result<Descriptor> {
        if let Some(blob) = self.0.store.blob_of(diff_id)?
            && self.0.store.has(&blob.digest)
        {
            return Ok(blob);
        }
        match &self.0.from {
            Origin::Base { blob, source } => {
                self.0.store.ensure_blob(blob, source.as_deref())?;
                Ok(blob.clone())
            }
            Origin::Recorded | Origin::Fresh => Err(io::Error::other(format!("the store has lost layer {diff_id}"))),
        }
    }
}

impl Layer {
    /// Packs a fresh layer: its diff_id, its list, and a blob where `packing` is given, else its tree; then everybody
    /// who waits for [`Layer::record`] goes on. A layer that is no fresh one gets its blob.
    pub(super) fn finish(&self, packing: Option<Packing>) -> io::Result<LayerRecord> {
        if !matches!(self.0.from, Origin::Fresh) {
            if let Some(packing) = packing {
                self.blob(packing)?;
            }
            return self.record();
        }
        let result = self.pack(packing);
        *lock(&self.0.record) = Some(result.as_ref().map(Clone::clone).map_err(ToString::to_string));
        self.0.recorded.notify_all();
        result
    }

    /// Lets those go who wait for a layer that will never be packed.
    pub(super) fn abandon(&self) {
        let mut record = lock(&self.0.record);
        if record.is_none() {
            *record = Some(Err("the build has stopped".to_owned()));
            self.0.recorded.notify_all();
        }
    }

    fn pack(&self, packing: Option<Packing>) -> io::Result<LayerRecord> {
        let store = &self.0.store;
        let changes = self.changes()?;
        let (diff_id, size) = match packing {
            Some(packing) => {
                let packed = self.pack_blob(&changes, packing)?;
                (packed.diff_id, packed.size)
            }
            None => {
                // Nobody exports this layer: its files are kept as they are.
                self.tree()?;
                let packed = layer::pack(&changes, &mut io::sink())?;
                (packed.diff_id, packed.size)
            }
        };
        store.put_list(&diff_id, &layer::list::to_bytes(&changes))?;
        if let Some(tree) = &*lock(&self.0.tree) {
            tree.adopt(store, &diff_id)?;
        }
        Ok(LayerRecord { diff_id, size, content: layer_content(&changes)? })
    }

    fn pack_blob(&self, changes: &Changes, packing: Packing) -> io::Result<layer::Packed> {
        let mut blob = self.0.store.new_blob()?;
        let packed = layer::pack_blob(changes, packing.compression, packing.level, packing.threads, &mut blob)?;
        let (digest, size) = blob.commit(None)?;
        let descriptor = Descriptor::new(packing.media_type(), digest, size);
        self.0.store.set_blob_of(&packed.diff_id, &descriptor)?;
        Ok(packed)
    }

    /// The layer's blob in the store, made now unless it is there. A base's blob is passed on as it is.
    pub fn blob(&self, packing: Packing) -> io::Result<Descriptor> {
        let diff_id = self.record()?.diff_id;
        if let Origin::Base { .. } = self.0.from {
            return self.local_blob(&diff_id);
        }
        if let Some(blob) = self.0.store.blob_of(&diff_id)?
            && blob.media_type == packing.media_type()
            && self.0.store.has(&blob.digest)
        {
            return Ok(blob);
        }
        self.pack_blob(&*self.changes()?, packing)?;
        self.0.store.blob_of(&diff_id)?.ok_or_else(|| io::Error::other("the layer's blob was not written"))
    }
}

impl Packing {
    fn media_type(self) -> crate::image::MediaType {
        crate::image::MediaType::Layer(crate::image::Wire::Oci, self.compression)
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layer").field(&lock(&self.0.record)).finish()
    }
}

/// The files of a layer that is read from its list: they are unpacked when the first is opened.
struct TreeOf(Weak<Inner>);

impl Files for TreeOf {
    fn open(&self, path: &RootPath) -> io::Result<std::fs::File> {
        let inner = self.0.upgrade().ok_or_else(|| io::Error::other("the layer is no longer in use"))?;
        Layer(inner).tree()?.files().open(path)
    }
}

impl fmt::Debug for TreeOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TreeOf")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
