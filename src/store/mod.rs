//! What kiln keeps between builds: an ordinary OCI image layout, with kiln's own files beside it in `kiln/`.
//!
//! ```text
//! <store>/oci-layout  index.json  blobs/sha256/…     images and layers: any OCI tool can read them
//! <store>/kiln/format                                version of everything below
//! <store>/kiln/trees[-STANDING]/<diff_id>/           layers unpacked in overlay form
//! <store>/kiln/lists/<diff_id>                       their entries without the bytes of files
//! <store>/kiln/wraps/<diff_id>                       descriptor of the blob that holds the layer
//! <store>/kiln/steps/<key>                           step records
//! <store>/kiln/sources/<digest>                      repositories that have a blob
//! <store>/kiln/sound/<digest>                        when a blob was found to be what its name says
//! <store>/kiln/contexts/<id>                         remembered digests of context files
//! <store>/kiln/downloads/<id>                        how a server marked a file, and which blob it is
//! <store>/kiln/checkouts/<id>/                       files of a git commit that was a context
//! <store>/kiln/mounts[-STANDING]/<id>/              cache mounts; `<id>.used` tells when each was last used
//! <store>/kiln/points[-STANDING]/                    mount points, the lowest layer of each step's overlay
//! <store>/kiln/held                                  each byte is a lock
//! <store>/kiln/{tmp,locks}/
//! ```
//!
//! Every file is written aside and renamed, so that a killed build leaves nothing half-written under a final name.
//! Nothing is synced to disk: all of it can be made again.

mod attend;
mod blobs;
mod images;
mod lock;
mod sound;
mod sources;
mod survey;
mod temp;

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use tempfile::NamedTempFile;

use crate::image::{Descriptor, DiffId, Digest, OCI_LAYOUT};
use crate::progress::Cancel;
use crate::sandbox::Standing;

pub use attend::Gate;
pub use blobs::{BlobFiles, BlobSource, BlobWriter};
pub use images::StoredImage;
pub use lock::LockGuard;
pub use survey::{Item, Survey};
pub use temp::TempDir;

/// Version of the files under `kiln/`.
const FORMAT: &str = "1";
/// Bytes that one call reads of a small file.
const SMALL: usize = 4096;

/// A store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A directory or file of it cannot be made or read.
    #[error("cannot use the store at {path}")]
    Io {
        /// The store.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A newer kiln wrote it.
    #[error("the store at {path} has format {found}; this kiln knows format {FORMAT}")]
    Format {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: String,
    },
}

/// A file that is written, and has no name in the store yet.
#[derive(Debug)]
pub struct Draft(NamedTempFile);

impl Draft {
    /// What was written, from its start.
    pub fn open(&self) -> io::Result<fs::File> {
        self.0.reopen()
    }

    fn keep(self, path: &Path) -> io::Result<()> {
        self.0.persist(path).map(drop).map_err(|error| error.error)
    }
}

/// A store. Several processes may use one at once.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    cancel: Option<Cancel>,
    /// Tells files on disk apart that processes of another [`Standing`] have made.
    suffix: &'static str,
    /// Shows others that somebody works in the store ([`Store::attended`]).
    presence: Option<lock::NamedLock>,
    /// Where this process's work in progress lies: while there is any, or, once made, for as long as somebody is at work.
    desk: Mutex<Weak<temp::Desk>>,
    kept_desk: OnceLock<Arc<temp::Desk>>,
    /// Large blobs that this process has written.
    made: Mutex<HashSet<Digest>>,
}

impl Store {
    /// Opens the store in `root`, making it if it is not there, and removes what killed builds have left in it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { path: root.to_owned(), source };
        let root_dir = std::path::absolute(root).map_err(failed)?;
        let suffix = Standing::current().suffix();
        let store = Self {
            root: root_dir,
            suffix,
            cancel: None,
            presence: None,
            desk: Mutex::default(),
            kept_desk: OnceLock::new(),
            made: Mutex::default(),
        };
        match fs::read_to_string(store.kiln("format")) {
            Ok(found) if found.trim() == FORMAT => store.create_files().map_err(failed)?,
            Ok(found) => {
                return Err(StoreError::Format { path: root.to_owned(), found: found.trim().to_owned() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => store.create().map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
        store.sweep().and_then(|()| store.sweep_locks()).map_err(failed)?;
        Ok(store)
    }

    /// The same store, whose locks are waited for no longer than until `cancel` is set.
    #[must_use]
    pub fn stopped_by(self, cancel: &Cancel) -> Self {
        Self { cancel: Some(cancel.clone()), ..self }
    }

    /// Whether there is no room left in it, as good as: then a process that failed in it most likely failed for that.
    pub fn is_full(&self) -> bool {
        const HARDLY_ANY: u64 = 1 << 20;
        let Ok(left) = rustix::fs::statvfs(&self.root) else { return false };
        // A file system without inodes of its own tells of none in all.
        left.f_bavail.saturating_mul(left.f_frsize) < HARDLY_ANY || (left.f_files > 0 && left.f_favail == 0)
    }

    /// Whether so many bytes more can come into it, with some room left for others.
    pub fn has_room(&self, bytes: u64) -> bool {
        let Ok(left) = rustix::fs::statvfs(&self.root) else { return true };
        bytes < left.f_bavail.saturating_mul(left.f_frsize) / 20 * 19
    }

    fn create(&self) -> io::Result<()> {
        fs::create_dir_all(self.root.join("blobs/sha256"))?;
        for dir in ["lists", "wraps", "steps", "contexts", "tmp", "locks"] {
            fs::create_dir_all(self.kiln(dir))?;
        }
        self.create_files()?;
        self.replace(&self.root.join("oci-layout"), OCI_LAYOUT)?;
        if !self.root.join("index.json").exists() {
            self.replace(&self.root.join("index.json"), &crate::image::Index::of(Vec::new()).to_json())?;
        }
        self.replace(&self.kiln("format"), FORMAT.as_bytes())
    }

    fn create_files(&self) -> io::Result<()> {
        // Files of images lie here as they are, set-id programs among them: nobody else may reach those.
        match fs::set_permissions(self.root.join("kiln"), fs::Permissions::from_mode(0o700)) {
            Err(error)
                if !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) =>
            {
                return Err(error);
            }
            _ => {}
        }
        for dir in ["trees", "mounts"] {
            match fs::create_dir(self.files(dir)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// A directory of files whose owners and marks are as this process can have them.
    fn files(&self, name: &str) -> PathBuf {
        self.kiln(&format!("{name}{}", self.suffix))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn kiln(&self, name: &str) -> PathBuf {
        self.root.join("kiln").join(name)
    }

    /// Writes a small file aside and renames it.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.replace_by(path, |out| out.write_all(bytes))
    }

    /// The same of a file that `write` writes.
    fn replace_by(&self, path: &Path, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
        self.draft(write)?.keep(path)
    }

    /// Writes a file that has no name in the store yet: it is gone when the draft is.
    pub fn draft(&self, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<Draft> {
        let mut file = tempfile::Builder::new().prefix("file-").tempfile_in(self.kiln("tmp"))?;
        let mut out = io::BufWriter::new(&mut file);
        write(&mut out)?;
        out.flush()?;
        drop(out);
        Ok(Draft(file))
    }

    fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
        let mut file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Most are small, and a deep image has hundreds: a short read of a regular file has met its end.
        let mut start = [0; SMALL];
        let count = file.read(&mut start)?;
        let mut bytes = start[..count].to_vec();
        if count == SMALL {
            file.read_to_end(&mut bytes)?;
        }
        Ok(Some(bytes))
    }

    /// The record under `key`, which is a plain file name.
    pub fn step(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        Self::read(&self.kiln("steps").join(key))
    }

    /// The first line of the record under `key`, with its end. The record counts as used.
    pub fn step_head(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match fs::File::open(self.kiln("steps").join(key)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        attend::touch_file(&file);
        let mut line = Vec::new();
        io::BufReader::with_capacity(1024, file).read_until(b'\n', &mut line)?;
        Ok(Some(line))
    }

    /// Whether there is a record under `key`.
    pub fn has_step(&self, key: &str) -> bool {
        self.kiln("steps").join(key).exists()
    }

    /// Keeps a record.
    pub fn put_step(&self, key: &str, record: &[u8]) -> io::Result<()> {
        self.replace(&self.kiln("steps").join(key), record)
    }

    /// Keeps a record that `write` writes.
    pub fn write_step(&self, key: &str, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
        self.replace_by(&self.kiln("steps").join(key), write)
    }

    /// The entries of a layer, as `layer::list` wrote them.
    pub fn list(&self, layer: &DiffId) -> io::Result<Option<Vec<u8>>> {
        Self::read(&self.kiln("lists").join(layer.0.hex()))
    }

    /// Whether the entries of a layer are known, and its files are here in one form or the other.
    pub fn holds_layer(&self, layer: &DiffId) -> bool {
        self.kiln("lists").join(layer.0.hex()).exists()
            && (self.tree(layer).is_some()
                || self.blob_of(layer).ok().flatten().is_some_and(|blob| self.has(&blob.digest)))
    }

    /// Marks a layer and its blob as used now, and gives the blob as [`Store::blob_of`] does.
    pub fn use_layer(&self, layer: &DiffId) -> io::Result<Option<Descriptor>> {
        for dir in ["lists", "wraps"] {
            attend::touch(&self.kiln(dir).join(layer.0.hex()));
        }
        let blob = self.blob_of(layer)?;
        if let Some(blob) = &blob {
            self.use_blob(&blob.digest);
        }
        Ok(blob)
    }

    /// Keeps the entries of a layer.
    pub fn put_list(&self, layer: &DiffId, list: Draft) -> io::Result<()> {
        list.keep(&self.kiln("lists").join(layer.0.hex()))
    }

    /// The blob that holds a layer. Whether the blob is in the store is another question.
    pub fn blob_of(&self, layer: &DiffId) -> io::Result<Option<Descriptor>> {
        let bytes = Self::read(&self.kiln("wraps").join(layer.0.hex()))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Remembers which blob holds a layer.
    pub fn set_blob_of(&self, layer: &DiffId, blob: &Descriptor) -> io::Result<()> {
        self.replace(&self.kiln("wraps").join(layer.0.hex()), &serde_json::to_vec(blob)?)
    }

    /// The directory that holds a layer in overlay form.
    pub fn tree(&self, layer: &DiffId) -> Option<PathBuf> {
        let path = self.tree_path(layer);
        path.is_dir().then_some(path)
    }

    /// Where that directory is, if there is one.
    pub fn tree_path(&self, layer: &DiffId) -> PathBuf {
        self.files("trees").join(layer.0.hex())
    }

    /// Takes `dir` as the tree of a layer. Where another build was first, `dir` is dropped: both are equal.
    pub fn adopt_tree(&self, layer: &DiffId, dir: &Path) -> io::Result<()> {
        let place = self.tree_path(layer);
        match fs::rename(dir, &place) {
            Err(_) if place.is_dir() => Ok(()),
            result => result,
        }
    }

    /// The file of remembered digests of a context, which counts as used.
    pub fn context_index(&self, id: &str) -> PathBuf {
        let path = self.kiln("contexts").join(id);
        attend::touch(&path);
        path
    }

    /// What is remembered of a download, which counts as used.
    pub fn download(&self, id: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.kiln("downloads").join(id);
        attend::touch(&path);
        Self::read(&path)
    }

    /// Remembers a download.
    pub fn put_download(&self, id: &str, record: &[u8]) -> io::Result<()> {
        // Stores made by an older kiln have no such directory.
        fs::create_dir_all(self.kiln("downloads"))?;
        self.replace(&self.kiln("downloads").join(id), record)
    }

    /// The directory of a git checkout, if it is here; it counts as used.
    pub fn checkout(&self, id: &str) -> Option<PathBuf> {
        let path = self.kiln("checkouts").join(id);
        path.is_dir().then(|| {
            attend::touch(&path);
            path
        })
    }

    /// Takes `dir` as the checkout `id`, and gives its new path.
    pub fn adopt_checkout(&self, id: &str, dir: &Path) -> io::Result<PathBuf> {
        // Stores made by an older kiln have no such directory.
        fs::create_dir_all(self.kiln("checkouts"))?;
        let place = self.kiln("checkouts").join(id);
        match fs::rename(dir, &place) {
            Err(_) if place.is_dir() => Ok(place),
            result => result.map(|()| place),
        }
    }

    /// Marks a cache mount as used now.
    pub fn use_mount(&self, id: &str) -> io::Result<()> {
        fs::write(self.files("mounts").join(format!("{id}{}", survey::USED)), b"")
    }

    /// Where a directory for the mount points of steps is or may be made.
    pub fn points_dir(&self) -> PathBuf {
        self.files("points")
    }

    /// The directory of a cache mount; it may not be there yet.
    pub fn mount_dir(&self, id: &str) -> PathBuf {
        self.files("mounts").join(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_anew_and_again_and_refuses_a_newer_format() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.put_step("k", b"record").unwrap();
        let again = Store::open(dir.path()).unwrap();
        assert_eq!(again.step("k").unwrap().unwrap(), b"record");
        assert_eq!(again.step("other").unwrap(), None);
        fs::write(dir.path().join("kiln/format"), "9").unwrap();
        let error = Store::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("format 9"), "{error}");
    }
}
