use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::image::DiffId;
use crate::rootfs::{Files, RootPath};
use crate::snapshot::TreeFiles;
use crate::store::{Store, TempDir};

/// A layer's files in overlay form: in a temporary directory until the layer has a name, then in the store.
#[derive(Debug)]
pub(super) struct Tree {
    files: Arc<TreeFiles>,
    home: Mutex<Option<Home>>,
}

#[derive(Debug)]
struct Home {
    path: PathBuf,
    /// Whoever is last to use the directory removes it.
    _temp: Arc<TempDir>,
}

impl Tree {
    /// A tree of the store.
    pub(super) fn stored(path: &Path) -> io::Result<Self> {
        Ok(Self { files: Arc::new(TreeFiles::open(path)?), home: Mutex::new(None) })
    }

    /// A tree at `path` in `temp`.
    pub(super) fn temporary(path: PathBuf, temp: Arc<TempDir>) -> io::Result<Self> {
        let files = Arc::new(TreeFiles::open(&path)?);
        Ok(Self { files, home: Mutex::new(Some(Home { path, _temp: temp })) })
    }

    /// Gives the tree its name in the store. Where another build was first, this one stays where it is until nobody uses it.
    pub(super) fn adopt(&self, store: &Store, diff_id: &DiffId) -> io::Result<()> {
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = &*home {
            store.adopt_tree(diff_id, &place.path)?;
            if !place.path.exists() {
                *home = None;
            }
        }
        Ok(())
    }

    /// A path that survives [`Tree::adopt`].
    pub(super) fn path(&self) -> PathBuf {
        self.files.path()
    }

    /// The files.
    pub(super) fn files(&self) -> Arc<dyn Files> {
        Arc::clone(&self.files) as Arc<dyn Files>
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
    _temp: Arc<TempDir>,
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
        let files = Arc::new(ScratchFiles { files: TreeFiles::open(&dir)?, _temp: Arc::clone(temp) });
        Ok(Self { dir, files })
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens files in it, and keeps it.
    pub(super) fn files(&self) -> Arc<dyn Files> {
        Arc::clone(&self.files) as Arc<dyn Files>
    }
}

impl Files for ScratchFiles {
    fn open(&self, path: &RootPath) -> io::Result<std::fs::File> {
        self.files.open(path)
    }
}
