use std::fs::{File, OpenOptions};
use std::io;

use rustix::fs::{FlockOperation, flock};

use super::Store;

/// Holds a lock until dropped. The kernel drops it when the process dies.
#[derive(Debug)]
pub struct LockGuard {
    _file: File,
}

impl Store {
    /// Takes the lock `name`, a plain file name, waiting for whoever holds it.
    pub fn lock(&self, name: &str) -> io::Result<LockGuard> {
        let path = self.kiln("locks").join(name);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            // The file may have been removed by the one before: then somebody else may hold a newer file.
            if same_file(&file, &path)? {
                return Ok(LockGuard { _file: file });
            }
        }
    }
}

impl Store {
    /// Takes the lock `name` if nobody holds it.
    pub fn try_lock(&self, name: &str) -> io::Result<Option<LockGuard>> {
        let path = self.kiln("locks").join(name);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if same_file(&file, &path)? => Ok(Some(LockGuard { _file: file })),
            Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn same_file(file: &File, path: &std::path::Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl LockGuard {
    /// Gives the lock back and removes its file: for locks of which there would be one for each step.
    pub fn remove(self, store: &Store, name: &str) {
        let _gone = std::fs::remove_file(store.kiln("locks").join(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_a_lock_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let held = store.lock("a").unwrap();
        let other = OpenOptions::new().write(true).open(dir.path().join("kiln/locks/a")).unwrap();
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err());
        drop(held);
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_ok());
    }
}
