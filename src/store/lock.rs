use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::progress::Cancel;

use super::Store;

/// The first and the longest pause between two looks at a lock that somebody else holds.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Holds a lock until dropped. The kernel drops it when the process dies.
#[derive(Debug)]
pub struct LockGuard {
    _held: Held,
}

/// How a lock is held.
#[derive(Debug)]
enum Held {
    /// As a place in the one file of all locks: to take it and to give it back makes and removes nothing.
    Place { _file: File },
    /// As a file of its own, where a system knows no such locks.
    Named { _lock: NamedLock },
}

/// A lock with a file of its own, which goes with it.
#[derive(Debug)]
pub(super) struct NamedLock {
    _file: File,
    path: PathBuf,
}

impl Store {
    /// Takes the lock `name`, a plain file name, waiting for whoever holds it.
    ///
    /// # Errors
    /// `Interrupted` when the build is stopped meanwhile ([`Store::stopped_by`]).
    pub fn lock(&self, name: &str) -> io::Result<LockGuard> {
        self.wait_for(|| self.try_lock(name))
    }

    /// Takes the lock `name` if nobody holds it.
    pub fn try_lock(&self, name: &str) -> io::Result<Option<LockGuard>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.kiln("held"))?;
        let held = match fcntl(&file, FcntlArg::F_OFD_SETLK(&place_of(name))) {
            Ok(_) => Some(Held::Place { _file: file }),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => None,
            Err(nix::errno::Errno::EINVAL) => {
                take(&self.kiln("locks").join(name), true)?.map(|lock| Held::Named { _lock: lock })
            }
            Err(errno) => return Err(errno.into()),
        };
        Ok(held.map(|held| LockGuard { _held: held }))
    }

    /// Takes the lock `name` as a file that others can see, waiting for whoever holds it.
    pub(super) fn named_lock(&self, name: &str) -> io::Result<NamedLock> {
        self.wait_for(|| take(&self.kiln("locks").join(name), true))
    }

    fn wait_for<T>(&self, take: impl Fn() -> io::Result<Option<T>>) -> io::Result<T> {
        let mut pause = PAUSES.0;
        loop {
            if let Some(guard) = take()? {
                return Ok(guard);
            }
            match &self.cancel {
                Some(cancel) if is_set_within(cancel, pause)? => return Err(io::ErrorKind::Interrupted.into()),
                Some(_) => {}
                None => std::thread::sleep(pause),
            }
            pause = PAUSES.1.min(pause * 2);
        }
    }

    /// Removes the lock files of builds that were killed.
    pub(super) fn sweep_locks(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(self.kiln("locks"))? {
            // The file goes with the guard.
            let _held_by_nobody = take(&entry?.path(), false);
        }
        Ok(())
    }
}

/// The byte that stands for a name. Two names for one byte would only wait for each other; of so many that does not happen.
fn place_of(name: &str) -> libc::flock {
    let hash = blake3::hash(name.as_bytes());
    let number = hash.as_bytes().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let short = |number| libc::c_short::try_from(number).unwrap_or_default();
    libc::flock {
        l_type: short(libc::F_WRLCK),
        l_whence: short(libc::SEEK_SET),
        l_start: libc::off_t::try_from(number >> (66 - libc::off_t::BITS)).unwrap_or_default(),
        l_len: 1,
        l_pid: 0,
    }
}

pub(super) fn take(path: &Path, make: bool) -> io::Result<Option<NamedLock>> {
    loop {
        let file = OpenOptions::new().create(make).truncate(false).write(true).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // The file may have been removed by the one before: then somebody else may hold a newer file.
            Ok(()) if same_file(&file, path)? => return Ok(Some(NamedLock { _file: file, path: path.to_owned() })),
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_set_within(cancel: &Cancel, time: Duration) -> io::Result<bool> {
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    match poll(&mut [PollFd::from_borrowed_fd(cancel.fd(), PollFlags::IN)], Some(&time)) {
        Ok(_) | Err(Errno::INTR) => Ok(cancel.is_set()),
        Err(error) => Err(error.into()),
    }
}

fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for NamedLock {
    fn drop(&mut self) {
        // Only while the lock is held: whoever waits for this file then sees that it is gone.
        let _gone = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_a_lock_at_a_time_and_no_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let held = store.lock("a").unwrap();
        assert!(store.try_lock("a").unwrap().is_none());
        assert!(store.try_lock("b").unwrap().is_some());
        drop(held);
        assert!(store.try_lock("a").unwrap().is_some());
        assert_eq!(std::fs::read_dir(dir.path().join("kiln/locks")).unwrap().count(), 0);
        let named = store.named_lock("a").unwrap();
        assert!(take(&named.path, true).unwrap().is_none());
        drop(named);
        assert_eq!(std::fs::read_dir(dir.path().join("kiln/locks")).unwrap().count(), 0);
    }

    #[test]
    fn many_take_one_lock_in_turn() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let held = store.lock("a").unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(held);
                    }
                });
            }
        });
    }

    #[test]
    fn waiting_ends_when_the_build_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let cancel = Cancel::new().unwrap();
        let store = Store::open(dir.path()).unwrap().stopped_by(&cancel);
        let _held = store.lock("a").unwrap();
        let waiting = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| store.lock("a").map(drop));
            std::thread::sleep(Duration::from_millis(20));
            cancel.set();
            waiting.join().unwrap()
        });
        assert_eq!(waiting.unwrap_err().kind(), io::ErrorKind::Interrupted);
    }

    #[test]
    fn locks_of_the_dead_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let _living = store.named_lock("living").unwrap();
        std::fs::write(dir.path().join("kiln/locks/dead"), "").unwrap();
        Store::open(dir.path()).unwrap();
        let left = std::fs::read_dir(dir.path().join("kiln/locks")).unwrap();
        assert_eq!(left.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>(), ["living"]);
    }
}
