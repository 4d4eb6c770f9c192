use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

use crate::rootfs::{ContentDigest, Time, Xattrs};

/// Begins every index; the digit is the version of the format.
const MAGIC: &[u8; 8] = b"kilnctx2";
/// Length of the digest that follows it, of all that comes after.
const CHECKSUM: usize = 32;
/// Kernels stamp files with the time of the last tick, at most this long ago.
const TICK: Duration = Duration::from_millis(20);

/// What tells whether a file was touched: writing to it moves at least its ctime, which no program can put back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    mode: u32,
    inode: u64,
    mtime: Time,
    ctime: Time,
}

/// One file of an index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Remembered<'a> {
    /// Name of the file in its directory.
    pub(super) name: &'a [u8],
    pub(super) stamp: Stamp,
    /// The digest that a file with this stamp has, if anyone has needed it.
    pub(super) digest: Option<[u8; 32]>,
    /// Its attributes: asking for them takes longer than asking for the stamp.
    #[serde(borrow)]
    pub(super) xattrs: Vec<(&'a [u8], &'a [u8])>,
}

/// What an earlier build has found out. A directory is read when the walk comes to it, so that an index of very many files
/// takes no more than its bytes.
#[derive(Debug, Default)]
pub(super) struct Index<'a> {
    begun: Time,
    /// Files of all.
    count: usize,
    directories: HashMap<&'a [u8], &'a [u8]>,
}

/// What an index knows of the files of one directory, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    begun: Time,
    files: Vec<Remembered<'a>>,
}

/// The index as it is in the file, after [`MAGIC`] and the checksum.
#[derive(Serialize, Deserialize)]
struct Body<'a> {
    /// When the walk began that gave the stamps.
    begun: Time,
    count: usize,
    /// Path of a directory, and its files, as [`Known`] has them.
    #[serde(borrow)]
    directories: Vec<(&'a [u8], &'a [u8])>,
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mode: stat.st_mode,
            inode: stat.st_ino,
            mtime: Time { seconds: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or_default() },
            ctime: Time { seconds: stat.st_ctime, nanos: u32::try_from(stat.st_ctime_nsec).unwrap_or_default() },
        }
    }

    /// Length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether a change after `begun` must have led to another stamp.
    fn is_older_than(&self, begun: Time) -> bool {
        // Filesystems without fractions round down: there the whole second of the beginning is in doubt.
        let whole = |time: Time| if time.nanos == 0 { Time { nanos: 999_999_999, ..time } } else { time };
        whole(self.mtime) < begun && whole(self.ctime) < begun
    }
}

/// The time to call the beginning of a walk that begins now.
pub(super) fn now() -> Time {
    let since = (SystemTime::now() - TICK).duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { seconds: i64::try_from(since.as_secs()).unwrap_or_default(), nanos: since.subsec_nanos() }
}

impl Remembered<'_> {
    /// The digest of the content.
    pub(super) fn digest(&self) -> Option<ContentDigest> {
        self.digest.map(ContentDigest)
    }

    /// The attributes.
    pub(super) fn xattrs(&self) -> Xattrs {
        self.xattrs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }
}

impl<'a> Index<'a> {
    /// Reads an index; one that is damaged or of another version is empty.
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let body = bytes.strip_prefix(MAGIC).and_then(|rest| {
            let (checksum, body) = rest.split_at_checked(CHECKSUM)?;
            (blake3::hash(body).as_bytes() == checksum).then_some(body)
        });
        let Some(Ok(body)) = body.map(postcard::from_bytes::<Body<'a>>) else { return Self::default() };
        Self { begun: body.begun, count: body.count, directories: body.directories.into_iter().collect() }
    }

    /// Number of files.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What is known of the files in the directory at `path`.
    pub(super) fn directory(&self, path: &[u8]) -> Known<'a> {
        let bytes = self.directories.get(path).copied().unwrap_or_default();
        Known { begun: self.begun, files: postcard::from_bytes(bytes).unwrap_or_default() }
    }
}

impl<'a> Known<'a> {
    /// What is known of the file `name`, if it is sure to be what it was.
    pub(super) fn get(&self, name: &[u8], stamp: &Stamp) -> Option<&Remembered<'a>> {
        let at = self.files.binary_search_by(|known| known.name.cmp(name)).ok()?;
        self.files.get(at).filter(|known| known.stamp == *stamp && stamp.is_older_than(self.begun))
    }
}

/// Writes an index of a walk that began at `begun`: a reader sees the old one or the new one. `directories` holds the files
/// of each directory by its path.
pub(super) fn write(path: &Path, begun: Time, directories: BTreeMap<&[u8], Vec<Remembered<'_>>>) -> io::Result<()> {
    let count = directories.values().map(Vec::len).sum();
    let mut encoded = Vec::with_capacity(directories.len());
    for (directory, mut files) in directories {
        files.sort_unstable_by_key(|file| file.name);
        encoded.push((directory, postcard::to_stdvec(&files).map_err(io::Error::other)?));
    }
    let directories = encoded.iter().map(|(directory, files)| (*directory, files.as_slice())).collect();
    let body = postcard::to_stdvec(&Body { begun, count, directories }).map_err(io::Error::other)?;
    drop(encoded);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(parent)?;
    file.write_all(MAGIC)?;
    file.write_all(blake3::hash(&body).as_bytes())?;
    file.write_all(&body)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(seconds: i64, nanos: u32) -> Stamp {
        let time = Time { seconds, nanos };
        Stamp { size: 3, mode: 0o100_644, inode: 7, mtime: Time { seconds: 1, nanos: 1 }, ctime: time }
    }

    #[test]
    fn m_22_a_stamp_must_be_equal_and_older_than_the_index() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let begun = Time { seconds: 100, nanos: 500 };
        let rows: [(&[u8], Stamp, bool); 4] = [
            (b"old", stamp(99, 1), true),
            (b"racy", stamp(100, 500), false),
            (b"whole second", stamp(100, 0), false),
            (b"new", stamp(101, 1), false),
        ];
        let xattrs = vec![(&b"user.a"[..], &b"1"[..])];
        let file = |name, stamp| Remembered { name, stamp, digest: Some([5; 32]), xattrs: xattrs.clone() };
        let files = rows.iter().map(|(name, stamp, _)| file(*name, *stamp)).collect();
        write(&path, begun, BTreeMap::from([(&b"d"[..], files)])).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let index = Index::parse(&bytes);
        assert_eq!(index.len(), rows.len());
        assert!(index.directory(b"").files.is_empty());
        let directory = index.directory(b"d");
        for (path, stamp, trusted) in rows {
            let known = directory.get(path, &stamp);
            assert_eq!(known.is_some(), trusted, "{path:?}");
            assert!(
                known.is_none_or(|known| known.digest() == Some(ContentDigest([5; 32])) && known.xattrs().len() == 1)
            );
        }
        let touched = Stamp { inode: 8, ..stamp(99, 1) };
        assert!(directory.get(b"old", &touched).is_none());
    }

    #[test]
    fn sum_a_damaged_index_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let file = Remembered { name: b"f", stamp: stamp(1, 1), digest: Some([1; 32]), xattrs: Vec::new() };
        write(&path, Time { seconds: 100, nanos: 0 }, BTreeMap::from([(&b""[..], vec![file])])).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Index::parse(&damaged).len(), 0, "byte {at}");
            assert_eq!(Index::parse(&bytes[..at]).len(), 0, "{at} bytes");
        }
    }
}
