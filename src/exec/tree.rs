use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::copy;
use crate::image::DiffId;
use crate::rootfs::{Files, RootPath};
use crate::snapshot::TreeFiles;
use crate::store::{Store, TempDir};

/// A layer's files in overlay form: in a temporary directory until the layer has a name, then in the store.
#[derive(Debug)]
pub(super) struct Tree {
    files: Arc<TreeFiles>,
    place: Mutex<Place>,
}

#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Whoever is last to use the directory removes it; none once the store has it.
    temp: Option<Arc<TempDir>>,
    /// Processes that have the directory mounted by its path.
    pins: usize,
    /// The name it is to get once nobody does.
    wanted: Option<(Arc<Store>, DiffId)>,
}

/// Keeps a tree at its path.
#[derive(Debug)]
pub(super) struct Pinned(Arc<Tree>);

impl Tree {
    /// A tree of the store.
    pub(super) fn stored(path: &Path) -> io::Result<Self> {
        Self::at(path.to_owned(), None)
    }

    /// A tree at `path` in `temp`.
    pub(super) fn temporary(path: PathBuf, temp: Arc<TempDir>) -> io::Result<Self> {
        Self::at(path, Some(temp))
    }

    fn at(path: PathBuf, temp: Option<Arc<TempDir>>) -> io::Result<Self> {
        let files = Arc::new(TreeFiles::open(&path)?);
        Ok(Self { files, place: Mutex::new(Place { path, temp, pins: 0, wanted: None }) })
    }

    /// Gives the tree its name in the store, at the latest when nobody has it mounted.
    pub(super) fn adopt(&self, store: &Arc<Store>, diff_id: &DiffId) -> io::Result<()> {
        let mut place = self.lock();
        if place.temp.is_none() {
            return Ok(());
        }
        place.wanted = Some((Arc::clone(store), *diff_id));
        place.move_if_free()
    }

    /// Holds the tree where it is: a mount in a new namespace must find it by its path.
    pub(super) fn pin(self: &Arc<Self>) -> Pinned {
        self.lock().pins += 1;
        Pinned(Arc::clone(self))
    }

    /// The files.
    pub(super) fn files(&self) -> Arc<dyn Files> {
        Arc::clone(&self.files) as Arc<dyn Files>
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn move_if_free(&mut self) -> io::Result<()> {
        if self.pins > 0 {
            return Ok(());
        }
        let Some((store, diff_id)) = self.wanted.take() else { return Ok(()) };
        store.adopt_tree(&diff_id, &self.path)?;
        // Where another build was first, this one stays where it is until nobody uses it.
        if !self.path.exists() {
            self.temp = None;
            if let Some(path) = store.tree(&diff_id) {
                self.path = path;
            }
        }
        Ok(())
    }
}

impl Pinned {
    /// Where the tree is, as long as this lives.
    pub(super) fn path(&self) -> PathBuf {
        self.0.lock().path.clone()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut place = self.0.lock();
        place.pins -= 1;
        // A tree that does not get its name is made again from its blob.
        let _best_effort = place.move_if_free();
    }
}

/// A directory for files that live as long as anything refers to them.
#[derive(Debug)]
pub(super) struct Scratch {
    dir: PathBuf,
    files: Arc<ScratchFiles>,
}

#[derive(Debug)]
struct ScratchFiles {
    files: TreeFiles,
    temp: Arc<TempDir>,
}

impl Scratch {
    /// An empty directory.
    pub(super) fn new(store: &Store) -> io::Result<Self> {
        Self::within(&Arc::new(store.temp_dir()?), "files")
    }

    /// A new directory `name` in `temp`.
    pub(super) fn within(temp: &Arc<TempDir>, name: &str) -> io::Result<Self> {
        let dir = temp.join(name);
        std::fs::create_dir(&dir)?;
        let files = Arc::new(ScratchFiles { files: TreeFiles::open(&dir)?, temp: Arc::clone(temp) });
        Ok(Self { dir, files })
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens files below `dir`, which lies in it, and keeps it.
    pub(super) fn files_below(&self, dir: &Path) -> io::Result<Arc<dyn Files>> {
        Ok(Arc::new(ScratchFiles { files: TreeFiles::open(dir)?, temp: Arc::clone(&self.files.temp) }))
    }

    /// Opens files in it, and keeps it.
    pub(super) fn files(&self) -> Arc<dyn Files> {
        Arc::clone(&self.files) as Arc<dyn Files>
    }
}

/// The same, made when it is needed.
#[derive(Debug)]
pub(super) struct LateScratch<'a> {
    store: &'a Store,
    made: OnceLock<Scratch>,
}

impl<'a> LateScratch<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store, made: OnceLock::new() }
    }
}

impl copy::Scratch for LateScratch<'_> {
    fn place(&self) -> io::Result<(&Path, Arc<dyn Files>)> {
        let made = match self.made.get() {
            Some(made) => made,
            None => {
                let new = Scratch::new(self.store)?;
                self.made.get_or_init(|| new)
            }
        };
        Ok((made.dir(), made.files()))
    }
}

impl Files for ScratchFiles {
    fn open(&self, path: &RootPath) -> io::Result<std::fs::File> {
        self.files.open(path)
    }
}
