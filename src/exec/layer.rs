//! One layer of a state: its entries, its tree on disk and its blob, each made when first asked for.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use crate::cache::{LayerRecord, layer_content};
use crate::image::{Compression, Descriptor, DiffId, MediaType, Wire};
use crate::layer;
use crate::rootfs::{Changes, RootPath};
use crate::share::Hit;
use crate::snapshot;
use crate::store::{BlobSource, Store};

use super::kept::{Kept, Origin, lock};
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
        Self::with(store, Origin::Base(Box::new(blob), source), Some(record))
    }

    /// A layer that another machine made, and that is fetched when it is needed.
    pub(super) fn shared(store: &Arc<Store>, hit: Hit) -> Self {
        let record = hit.record().layer.clone();
        Self::with(store, Origin::Shared(hit), Some(record))
    }

    /// A layer that an earlier build made.
    pub(super) fn recorded(store: &Arc<Store>, record: LayerRecord) -> Self {
        Self::with(store, Origin::Own, Some(record))
    }

    /// A new layer. `tree` is given when its files already lie in overlay form in a directory of the store.
    pub(super) fn fresh(store: &Arc<Store>, changes: Changes, tree: Option<Arc<Tree>>) -> Self {
        let layer = Self::with(store, Origin::Own, None);
        layer.0.changes.get_or_init(|| Arc::new(changes));
        *lock(&layer.0.kept.tree) = tree;
        layer
    }

    fn with(store: &Arc<Store>, origin: Origin, record: Option<LayerRecord>) -> Self {
        Self(Arc::new(Inner {
            kept: Arc::new(Kept { store: Arc::clone(store), origin, tree: Mutex::new(None) }),
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
        if !matches!(self.0.kept.origin, Origin::Base(..)) {
            return Ok(&[]);
        }
        if let Some(known) = self.0.implied.get() {
            return Ok(known);
        }
        let implied = self.changes()?.implied_directories();
        Ok(self.0.implied.get_or_init(|| implied))
    }

    fn listed(&self, diff_id: &DiffId) -> io::Result<Option<Changes>> {
        let kept = &self.0.kept;
        match kept.store.list(diff_id)? {
            Some(bytes) => Ok(layer::list::from_bytes(&bytes, &kept.files(diff_id)).ok()),
            None => Ok(kept.told_entries(diff_id)),
        }
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
        if changes.0.is_empty() {
            // No mount needs its tree. It goes now, while another step runs, and not with all others when the build ends.
            drop(lock(&self.0.kept.tree).take());
            if let Some(known) = self.known_empty(packing)? {
                return Ok(known);
            }
        }
        let list = || store.draft(|out| layer::list::write(&changes, out));
        let tell = || Ok::<_, io::Error>((list()?, layer_content(&changes)?));
        let ((diff_id, size), (list, content)) = if changes.0.len() > MANY && changes.are_digested() {
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

    /// The layer without entries, which many steps give, if the store has all of it.
    fn known_empty(&self, packing: Option<Packing>) -> io::Result<Option<LayerRecord>> {
        let packed = layer::Packed::nothing();
        let store = &self.0.kept.store;
        let blob = store.use_layer(&packed.diff_id)?;
        let is_whole = store.holds_layer(&packed.diff_id)
            && packing.is_none_or(|packing| blob.is_some_and(|blob| self.is_packed(&blob, packing)));
        let content = layer_content(&Changes::default())?;
        Ok(is_whole.then_some(LayerRecord { diff_id: packed.diff_id, size: packed.size, content }))
    }

    /// Whether a blob is in the store, and compressed as it should be.
    fn is_packed(&self, blob: &Descriptor, packing: Packing) -> bool {
        blob.media_type == packing.media_type() && self.0.kept.store.has(&blob.digest)
    }

    fn pack_files(&self, changes: &Changes, packing: Option<Packing>) -> io::Result<(DiffId, u64)> {
        let packed = match packing {
            Some(packing) => self.pack_blob(changes, packing)?.0,
            None => {
                // Nobody exports this layer: its files are kept as they are.
                self.tree()?;
                layer::pack(changes, &mut io::sink())?
            }
        };
        Ok((packed.diff_id, packed.size))
    }

    fn pack_blob(&self, changes: &Changes, packing: Packing) -> io::Result<(layer::Packed, Descriptor)> {
        let store = &self.0.kept.store;
        let mut blob = store.new_blob()?;
        let packed = layer::pack_blob(changes, packing.compression, packing.level, packing.threads, &mut blob)?;
        let (digest, size) = blob.commit(None)?;
        let descriptor = Descriptor::new(packing.media_type(), digest, size);
        store.set_blob_of(&packed.diff_id, &descriptor)?;
        Ok((packed, descriptor))
    }

    /// The layer's blob, which a registry may still have alone: for outputs that need no more than its name.
    pub fn descriptor(&self, packing: Packing) -> io::Result<Descriptor> {
        let kept = &self.0.kept;
        match &kept.origin {
            Origin::Base(blob, Some(source)) if source.is_lasting() => Ok((**blob).clone()),
            Origin::Shared(hit) if hit.blob().media_type == packing.media_type() && hit.repository().is_some() => {
                if let Some(repository) = hit.repository() {
                    kept.store.put_source(&hit.blob().digest, &repository)?;
                }
                Ok(hit.blob().clone())
            }
            _ => self.blob(packing),
        }
    }

    /// The layer's blob in the store, made now unless it is there. A base's blob is passed on as it is.
    pub fn blob(&self, packing: Packing) -> io::Result<Descriptor> {
        let (diff_id, kept) = (self.record()?.diff_id, &self.0.kept);
        match &kept.origin {
            Origin::Base(..) => return kept.local_blob(&diff_id),
            Origin::Shared(hit) if hit.blob().media_type == packing.media_type() => return kept.local_blob(&diff_id),
            Origin::Shared(_) | Origin::Own => {}
        }
        if let Some(blob) = kept.store.blob_of(&diff_id)?.filter(|blob| self.is_packed(blob, packing)) {
            return Ok(blob);
        }
        let (packed, blob) = self.pack_blob(&*self.changes()?, packing)?;
        if packed.diff_id == diff_id {
            return Ok(blob);
        }
        let other =
            io::Error::new(io::ErrorKind::InvalidData, format!("layer {diff_id} has become {}", packed.diff_id));
        kept.or_lose(&blob, Err(other))
    }

    /// A blob of the layer in the store, whatever its compression; made now unless there is one.
    pub(super) fn any_blob(&self, packing: Packing) -> io::Result<Descriptor> {
        let (diff_id, kept) = (self.record()?.diff_id, &self.0.kept);
        if let Some(blob) = kept.store.blob_of(&diff_id)?.filter(|blob| kept.store.has(&blob.digest)) {
            return Ok(blob);
        }
        match &kept.origin {
            Origin::Base(..) | Origin::Shared(_) => kept.local_blob(&diff_id),
            Origin::Own => self.blob(packing),
        }
    }
}

impl Packing {
    fn media_type(self) -> MediaType {
        MediaType::Layer(Wire::Oci, self.compression)
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Layer").field(&lock(&self.0.record)).finish()
    }
}
