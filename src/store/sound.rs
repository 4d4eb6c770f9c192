//! Blobs that have been read whole and found to be what their names say: for as long as nobody can have touched them, they need
//! not be read again.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use crate::image::Digest;

use super::Store;

/// Smaller blobs are read sooner than a mark.
const LARGE: u64 = 1 << 20;
/// Kernels stamp files with the time of the last tick: a file that was changed so lately may change again without a trace.
const TICK: Duration = Duration::from_millis(20);

impl Store {
    /// Whether the blob was made by this process, or was found sound before by a process of this boot and has not been touched
    /// since. What a machine that lost its power has kept of a file nobody knows: so a boot ends all trust.
    pub fn is_sound(&self, blob: &Digest, size: u64) -> bool {
        if size < LARGE {
            return false;
        }
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(blob) {
            return fs::metadata(self.blob_path(blob)).is_ok_and(|meta| meta.len() == size);
        }
        let Ok((now, _)) = self.stamp(blob) else { return false };
        matches!(Self::read(&self.sound_path(blob)), Ok(Some(mark)) if mark == now.as_bytes())
    }

    /// Remembers that the blob is sound, if it is worth it.
    pub fn mark_sound(&self, blob: &Digest, size: u64) {
        let Ok((_, changed)) = self.stamp(blob) else { return };
        if size >= LARGE && SystemTime::now().duration_since(changed).is_ok_and(|age| age > TICK) {
            self.mark(blob);
        }
    }

    /// The same of a blob whose time kiln itself has just changed.
    pub(super) fn mark(&self, blob: &Digest) {
        let Ok((stamp, _)) = self.stamp(blob) else { return };
        // Without a mark the blob is read again, that is all.
        let _best_effort = fs::create_dir_all(self.kiln("sound"))
            .and_then(|()| self.replace(&self.sound_path(blob), stamp.as_bytes()));
    }

    /// Remembers that this process has just written the blob, and digested what it wrote.
    pub(super) fn has_made(&self, blob: Digest, size: u64) {
        if size >= LARGE {
            self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(blob);
        }
    }

    fn sound_path(&self, blob: &Digest) -> PathBuf {
        self.kiln("sound").join(blob.hex())
    }

    /// What changes when anybody touches the blob, or the machine starts anew; and when it last did.
    fn stamp(&self, blob: &Digest) -> io::Result<(String, SystemTime)> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let meta = fs::metadata(self.blob_path(blob))?;
        let (seconds, nanos) = (meta.ctime(), meta.ctime_nsec());
        let stamp = format!("{} {} {} {} {seconds} {nanos}\n", boot.trim(), meta.dev(), meta.ino(), meta.len());
        let since = Duration::new(u64::try_from(seconds).unwrap_or_default(), u32::try_from(nanos).unwrap_or_default());
        Ok((stamp, SystemTime::UNIX_EPOCH + since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arc_8_a_blob_is_trusted_until_somebody_touches_it() {
        let dir = tempfile::tempdir().unwrap();
        let size = LARGE + 1;
        let bytes = vec![b'x'; usize::try_from(size).unwrap()];
        let blob = Store::open(dir.path()).unwrap().put_blob(&bytes).unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert!(!store.is_sound(&blob, size), "another process has made it");
        std::thread::sleep(TICK * 3);
        store.mark_sound(&blob, size);
        assert!(store.is_sound(&blob, size));
        let path = store.blob_path(&blob);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, vec![b'y'; bytes.len()]).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
        assert!(!store.is_sound(&blob, size), "same size, same time, other bytes");
        store.mark_sound(&blob, size);
        assert!(!store.is_sound(&blob, size), "it may change within the same tick");
    }

    #[test]
    fn small_blobs_are_read_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let blob = store.put_blob(b"small").unwrap();
        std::thread::sleep(TICK * 2);
        store.mark_sound(&blob, 5);
        assert!(!store.is_sound(&blob, 5) && !store.kiln("sound").exists());
    }
}
