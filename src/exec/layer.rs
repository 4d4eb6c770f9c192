//! One layer of a state: its entries, its tree on disk and its blob, each made when first asked for.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::cache::{LayerRecord, layer_content};
use crate::image::{Compression, Descriptor, DiffId};
use crate::layer;
use crate::rootfs::{Change, Changes, Files, Kind, RootPath};
use crate::snapshot;
use crate::store::{BlobSource, Store};

use super::tree::Tree;

/// From so many entries on it pays to list them on a thread of its own.
const MANY: usize = 1000;

/// A layer. Clones are the same layer.
#[derive(Clone)]
pub struct Layer(Arc<Inner>);

struct Inner {
    kept: Arc<Kept>,
    is_fresh: bool,
    changes: OnceLock<Arc<Changes>>,
    implied: OnceLock<Vec<RootPath>>,
    record: Mutex<Option<Result<LayerRecord, (io::ErrorKind, String)>>>,
    recorded: Condvar,
}

/// Where the files of a layer are. The layer's list refers to it, so that whoever holds a part of the list can open files.
struct Kept {
    store: Arc<Store>,
    /// Of a base image: the blob, and who has it.
    base: Option<(Descriptor, Option<Arc<dyn BlobSource>>)>,
    tree: Mutex<Option<Arc<Tree>>>,
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
    /// A layer of a base image. Its content mark is its `diff_id`: bases are taken as they are.
    pub(super) fn base(
        store: &Arc<Store>,
        diff_id: DiffId,
        blob: Descriptor,
        source: Option<Arc<dyn BlobSource>>,
    ) -> Self {
        let record = LayerRecord { diff_id, size: 0, content: diff_id.to_string() };
        Self::with(store, Some((blob, source)), Some(record))
    }

    /// A layer that an earlier build made.
    pub(super) fn recorded(store: &Arc<Store>, record: LayerRecord) -> Self {
        Self::with(store, None, Some(record))
    }

    /// A new layer. `tree` is given when its files already lie in overlay form in a directory of the store.
    pub(super) fn fresh(store: &Arc<Store>, changes: Changes, tree: Option<Arc<Tree>>) -> Self {
        let layer = Self::with(store, None, None);
        layer.0.changes.get_or_init(|| Arc::new(changes));
        *lock(&layer.0.kept.tree) = tree;
        layer
    }

    fn with(
        store: &Arc<Store>,
        base: Option<(Descriptor, Option<Arc<dyn BlobSource>>)>,
        record: Option<LayerRecord>,
    ) -> Self {
        Self(Arc::new(Inner {
            kept: Arc::new(Kept { store: Arc::clone(store), base, tree: Mutex::new(None) }),
            is_fresh: record.is_none(),
            changes: OnceLock::new(),
            implied: OnceLock::new(),
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
                Some(Err((kind, message))) => return Err(io::Error::new(*kind, message.clone())),
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
                self.0.kept.unpack_blob(&diff_id)?;
                self.listed(&diff_id)?.ok_or_else(|| io::Error::other("the layer's list cannot be read"))?
            }
        };
        Ok(Arc::clone(self.0.changes.get_or_init(|| Arc::new(changes))))
    }

    /// Directories of a base's layer that it has something in and does not list: its tree cannot know what they are.
    pub(super) fn implied(&self) -> io::Result<&[RootPath]> {
        if self.0.kept.base.is_none() {
            return Ok(&[]);
        }
        if let Some(known) = self.0.implied.get() {
            return Ok(known);
        }
        let implied = self.changes()?.implied_directories();
        Ok(self.0.implied.get_or_init(|| implied))
    }

    fn listed(&self, diff_id: &DiffId) -> io::Result<Option<Changes>> {
        let Some(bytes) = self.0.kept.store.list(diff_id)? else { return Ok(None) };
        let files: Arc<dyn Files> = Arc::new(TreeOf { kept: Arc::clone(&self.0.kept), diff_id: *diff_id });
        Ok(layer::list::from_bytes(&bytes, &files).ok())
    }

    /// The layer's directory in overlay form, made now unless it is there.
    pub(super) fn tree(&self) -> io::Result<Arc<Tree>> {
        let kept = &self.0.kept;
        if !self.0.is_fresh {
            return kept.tree(&self.record()?.diff_id);
        }
        let mut tree = lock(&kept.tree);
        if let Some(known) = &*tree {
            return Ok(Arc::clone(known));
        }
        let temp = Arc::new(kept.store.temp_dir()?);
        let dir = temp.join("tree");
        std::fs::create_dir(&dir)?;
        snapshot::unpack(&*self.changes()?, &dir)?;
        let made = Arc::new(Tree::temporary(dir, temp)?);
        *tree = Some(Arc::clone(&made));
        Ok(made)
    }
}

impl Kept {
    /// The directory of a layer that has a name.
    fn tree(&self, diff_id: &DiffId) -> io::Result<Arc<Tree>> {
        let mut tree = lock(&self.tree);
        if let Some(known) = &*tree {
            return Ok(Arc::clone(known));
        }
        if self.store.tree(diff_id).is_none() {
            self.unpack_blob(diff_id)?;
        }
        let path = self.store.tree(diff_id).ok_or_else(|| io::Error::other("the layer's tree is gone"))?;
        let made = Arc::new(Tree::stored(&path)?);
        *tree = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Reads the blob once, which gives both list and tree.
    fn unpack_blob(&self, diff_id: &DiffId) -> io::Result<()> {
        let _one_at_a_time = self.store.lock(&format!("unpack-{}", diff_id.0.hex()))?;
        if self.store.tree(diff_id).is_some() && self.store.list(diff_id)?.is_some() {
            return Ok(());
        }
        let blob = self.local_blob(diff_id)?;
        let temp = self.store.temp_dir()?;
        let dir = temp.join("tree");
        std::fs::create_dir(&dir)?;
        let compression = blob.media_type.compression().unwrap_or(Compression::Uncompressed);
        let changes = layer::unpack(self.store.open_blob(&blob.digest)?, compression, diff_id, &dir)?;
        self.store.put_list(diff_id, self.store.draft(|out| layer::list::write(&changes, out))?)?;
        self.store.adopt_tree(diff_id, &dir)
    }

    /// A blob of the layer that lies in the store.
    fn local_blob(&self, diff_id: &DiffId) -> io::Result<Descriptor> {
        if let Some(blob) = self.store.blob_of(diff_id)?
            && self.store.has(&blob.digest)
        {
            return Ok(blob);
        }
        match &self.base {
            Some((blob, source)) => {
                self.store.ensure_blob(blob, source.as_deref())?;
                Ok(blob.clone())
            }
            None => Err(io::Error::other(format!("the store has lost layer {diff_id}"))),
        }
    }
}

impl Layer {
    /// Packs a fresh layer: its `diff_id`, its list, and a blob where `packing` is given, else its tree; then everybody
    /// who waits for [`Layer::record`] goes on. A layer that is no fresh one gets its blob.
    pub(super) fn finish(&self, packing: Option<Packing>) -> io::Result<LayerRecord> {
        if !self.0.is_fresh {
            if let Some(packing) = packing {
                self.blob(packing)?;
            }
            return self.record();
        }
        let result = self.pack(packing);
        *lock(&self.0.record) =
            Some(result.as_ref().map(Clone::clone).map_err(|error| (error.kind(), error.to_string())));
        self.0.recorded.notify_all();
        result
    }

    /// Lets those go who wait for a layer that will never be packed.
    pub(super) fn abandon(&self) {
        let mut record = lock(&self.0.record);
        if record.is_none() {
            *record = Some(Err((io::ErrorKind::Other, "the build has stopped".to_owned())));
            self.0.recorded.notify_all();
        }
    }

    fn pack(&self, packing: Option<Packing>) -> io::Result<LayerRecord> {
        let store = &self.0.kept.store;
        let changes = self.changes()?;
        let list = || store.draft(|out| layer::list::write(&changes, out));
        let tell = || Ok::<_, io::Error>((list()?, layer_content(&changes)?));
        let ((diff_id, size), (list, content)) = if changes.0.len() > MANY && is_digested(&changes) {
            std::thread::scope(|scope| {
                let told = scope.spawn(tell);
                let packed = self.pack_files(&changes, packing);
                let told = told.join().unwrap_or_else(|_| Err(io::Error::other("a layer could not be listed")));
                Ok::<_, io::Error>((packed?, told?))
            })?
        } else {
            // Packing digests what is not digested yet.
            (self.pack_files(&changes, packing)?, tell()?)
        };
        store.put_list(&diff_id, list)?;
        if let Some(tree) = &*lock(&self.0.kept.tree) {
            tree.adopt(store, &diff_id)?;
        }
        Ok(LayerRecord { diff_id, size, content })
    }

    fn pack_files(&self, changes: &Changes, packing: Option<Packing>) -> io::Result<(DiffId, u64)> {
        let packed = match packing {
            Some(packing) => self.pack_blob(changes, packing)?,
            None => {
                // Nobody exports this layer: its files are kept as they are.
                self.tree()?;
                layer::pack(changes, &mut io::sink())?
            }
        };
        Ok((packed.diff_id, packed.size))
    }

    fn pack_blob(&self, changes: &Changes, packing: Packing) -> io::Result<layer::Packed> {
        let mut blob = self.0.kept.store.new_blob()?;
        let packed = layer::pack_blob(changes, packing.compression, packing.level, packing.threads, &mut blob)?;
        let (digest, size) = blob.commit(None)?;
        let descriptor = Descriptor::new(packing.media_type(), digest, size);
        self.0.kept.store.set_blob_of(&packed.diff_id, &descriptor)?;
        Ok(packed)
    }

    /// The layer's blob, which a base's registry may still have alone: for outputs that need no more than its name.
    pub fn descriptor(&self, packing: Packing) -> io::Result<Descriptor> {
        match &self.0.kept.base {
            Some((blob, Some(source))) if source.is_lasting() => Ok(blob.clone()),
            _ => self.blob(packing),
        }
    }

    /// The layer's blob in the store, made now unless it is there. A base's blob is passed on as it is.
    pub fn blob(&self, packing: Packing) -> io::Result<Descriptor> {
        let diff_id = self.record()?.diff_id;
        if self.0.kept.base.is_some() {
            return self.0.kept.local_blob(&diff_id);
        }
        if let Some(blob) = self.0.kept.store.blob_of(&diff_id)?
            && blob.media_type == packing.media_type()
            && self.0.kept.store.has(&blob.digest)
        {
            return Ok(blob);
        }
        self.pack_blob(&*self.changes()?, packing)?;
        self.0.kept.store.blob_of(&diff_id)?.ok_or_else(|| io::Error::other("the layer's blob was not written"))
    }
}

/// Whether the digests of all files are known.
fn is_digested(changes: &Changes) -> bool {
    changes.0.iter().all(|change| match change {
        Change::Put { inode, .. } => match &inode.kind {
            Kind::File(file) => file.size == 0 || file.digest.get().is_some(),
            _ => true,
        },
        _ => true,
    })
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
