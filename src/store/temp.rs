use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::Store;

/// The lock by which a directory's owner shows that it lives.
const OWNER: &str = "owner";

/// Where one process makes its directories for work in progress. It goes when dropped; should the process be killed, the next
/// one to open the store removes it.
#[derive(Debug)]
pub(super) struct Desk {
    path: PathBuf,
    _owner: File,
    used: AtomicUsize,
}

/// A directory for work in progress, in the store's filesystem. It goes when dropped, or as what a killed process leaves.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    _desk: Arc<Desk>,
}

impl Store {
    /// Makes an empty directory for work in progress.
    pub fn temp_dir(&self) -> io::Result<TempDir> {
        let desk = self.desk()?;
        let path = desk.path.join(desk.used.fetch_add(1, Ordering::Relaxed).to_string());
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(TempDir { path, _desk: desk })
    }

    fn desk(&self) -> io::Result<Arc<Desk>> {
        let mut known = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = known.upgrade() {
            return Ok(desk);
        }
        let desk = Arc::new(self.new_desk()?);
        *known = Arc::downgrade(&desk);
        if self.presence.is_some() {
            // Whoever is at work needs it again and again.
            self.kept_desk.get_or_init(|| Arc::clone(&desk));
        }
        Ok(desk)
    }

    fn new_desk(&self) -> io::Result<Desk> {
        loop {
            let path = tempfile::Builder::new().prefix("work-").tempdir_in(self.kiln("tmp"))?.keep();
            // Between the two calls a sweeper may take the directory for a dead one's.
            let Ok(owner) = File::create(path.join(OWNER)) else { continue };
            flock(&owner, FlockOperation::LockExclusive)?;
            if path.join(OWNER).exists() {
                return Ok(Desk { path, _owner: owner, used: AtomicUsize::new(0) });
            }
        }
    }

    /// Removes what dead builds have left in `tmp`.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.kiln("tmp"))? {
            let entry = entry?;
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                // A small file that was being written; its writer needs it for less than this.
                if is_older(&path, Duration::from_secs(3600)) {
                    let _gone = fs::remove_file(path);
                }
                continue;
            }
            let dead = match File::open(path.join(OWNER)) {
                Ok(owner) => flock(&owner, FlockOperation::NonBlockingLockExclusive).is_ok(),
                Err(_) => is_older(&path, Duration::from_secs(60)),
            };
            if dead {
                remove_tree(&path);
            }
        }
        Ok(())
    }
}

/// Whether something was last touched longer ago than `age`, or so far in the future: then the clock was set back since.
fn is_older(path: &Path, age: Duration) -> bool {
    let Ok(modified) = fs::metadata(path).and_then(|meta| meta.modified()) else { return false };
    modified.elapsed().unwrap_or_else(|future| future.duration()) > age
}

/// Removes a directory with everything in it, as far as that is allowed.
fn remove_tree(path: &Path) {
    if fs::remove_dir_all(path).is_err() {
        // A step may have made directories that their owner cannot empty.
        for entry in walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok) {
            if entry.file_type().is_dir() {
                let _best_effort = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700));
            }
        }
        let _gone = fs::remove_dir_all(path);
    }
}

impl TempDir {
    /// A path in it that nobody has used yet.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        remove_tree(&self.path);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        remove_tree(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dead_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let living = store.temp_dir().unwrap();
        let dead = dir.path().join("kiln/tmp/work-dead");
        fs::create_dir_all(dead.join("upper")).unwrap();
        fs::write(dead.join(OWNER), "").unwrap();
        // Made before the clock was set back, by a build that was killed at once.
        let future = dir.path().join("kiln/tmp/file-future");
        let time = std::time::SystemTime::now() + Duration::from_secs(1 << 20);
        File::create(&future).unwrap().set_modified(time).unwrap();
        Store::open(dir.path()).unwrap();
        assert!(living.path().exists() && !dead.exists() && !future.exists());
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(dir.path().join("kiln/tmp")).unwrap().count(), 0);
    }
}
