use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, flock, futimens, utimensat};

use super::lock::{NamedLock, take};
use super::{Store, TempDir};

/// Held while things are taken away. Whoever begins to work in the store meanwhile waits.
const GATE: &str = "gate";
/// Names of the locks of those who work in the store begin so.
const AT_WORK: &str = "at-work-";

/// The store while nobody can begin to work in it.
#[derive(Debug)]
pub struct Gate<'a> {
    store: &'a Store,
    _guard: NamedLock,
    oldest: Option<SystemTime>,
}

impl Store {
    /// The same store, in which others see that somebody works until it is dropped: what is used from now on is not taken away.
    pub fn attended(mut self) -> io::Result<Self> {
        let locks = self.kiln("locks");
        let presence = loop {
            let path = tempfile::Builder::new().prefix(AT_WORK).tempfile_in(&locks)?.into_temp_path().keep()?;
            // Between the two calls a sweeper may take the file for a dead one's.
            match take(&path, false) {
                Ok(Some(guard)) => break guard,
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        };
        // In this order: whoever closes the gate looks for those at work afterwards, and one of the two sees the other.
        if locks.join(GATE).exists() {
            drop(self.named_lock(GATE)?);
        }
        self.presence = Some(presence);
        Ok(self)
    }

    /// Closes the gate. What those at work have used since they began must stay: see [`Gate::spares`].
    pub fn close_gate(&self) -> io::Result<Gate<'_>> {
        let guard = self.named_lock(GATE)?;
        let mut oldest: Option<SystemTime> = None;
        for entry in fs::read_dir(self.kiln("locks"))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(AT_WORK))
                && let Some(began) = began(&path)
            {
                oldest = Some(oldest.map_or(began, |oldest| oldest.min(began)));
            }
        }
        Ok(Gate { store: self, _guard: guard, oldest })
    }
}

/// Marks a file or directory as used now. One that cannot be marked grows old too soon, which costs time later, not now.
pub(super) fn touch(path: &Path) {
    let _best_effort = utimensat(CWD, path, &NOW, AtFlags::empty());
}

/// The same for an open file.
pub(super) fn touch_file(file: &File) {
    let _best_effort = futimens(file, &NOW);
}

const NOW: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
};

/// When whoever holds the lock began; `None` of a dead one's.
fn began(path: &Path) -> Option<SystemTime> {
    let file = File::open(path).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => None,
        Err(_) => file.metadata().ok()?.modified().ok(),
    }
}

impl Gate<'_> {
    /// Whether anybody works in the store.
    pub fn is_in_use(&self) -> bool {
        self.oldest.is_some()
    }

    /// Whether something last used or changed at `time` may be in use.
    pub fn spares(&self, time: SystemTime) -> bool {
        // The kernel's time for files goes in ticks.
        const TICK: Duration = Duration::from_millis(20);
        self.oldest.is_some_and(|oldest| time + TICK >= oldest)
    }

    /// Takes files and directories out of the store, and gives those that could not be. They are gone from their places at once,
    /// and from the disk when the returned directory is dropped, for which the gate need not be closed.
    pub fn take_away<'p>(&self, paths: impl IntoIterator<Item = &'p PathBuf>) -> io::Result<(TempDir, Vec<PathBuf>)> {
        let temp = self.store.temp_dir()?;
        let mut left = Vec::new();
        for (number, path) in paths.into_iter().enumerate() {
            match fs::rename(path, temp.join(&number.to_string())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => left.push(path.clone()),
                _ => {}
            }
        }
        Ok((temp, left))
    }
}

/// The later one of a file's times of change.
pub(super) fn changed(meta: &fs::Metadata) -> SystemTime {
    let seconds = u64::try_from(meta.ctime()).unwrap_or_default();
    let nanos = u32::try_from(meta.ctime_nsec()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    meta.modified().map_or(changed, |modified| modified.max(changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_while_somebody_works_is_spared() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        assert!(!store.close_gate().unwrap().spares(SystemTime::now()));
        let at_work = Store::open(dir.path()).unwrap().attended().unwrap();
        let gate = store.close_gate().unwrap();
        assert!(gate.is_in_use() && gate.spares(SystemTime::now()) && !gate.spares(long_ago));
        drop(gate);
        drop(at_work);
        let gate = store.close_gate().unwrap();
        assert!(!gate.is_in_use() && !gate.spares(SystemTime::now()));
        store.put_step("k", b"record").unwrap();
        let path = dir.path().join("kiln/steps/k");
        let (gone, left) = gate.take_away([&path, &dir.path().join("none")]).unwrap();
        assert!(!path.exists() && left.is_empty());
        assert!(gone.path().join("0").exists());
        let away = gone.path().to_owned();
        drop(gone);
        assert!(!away.exists());
    }

    #[test]
    fn who_begins_while_the_gate_is_closed_waits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let gate = store.close_gate().unwrap();
        std::thread::scope(|scope| {
            let beginner = scope.spawn(|| Store::open(dir.path()).unwrap().attended().map(drop));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!beginner.is_finished());
            drop(gate);
            beginner.join().unwrap().unwrap();
        });
    }
}
