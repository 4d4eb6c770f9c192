use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::rootfs::{ContentDigest, Inode, Kind, Time, Xattrs};

/// Begins every index; the digit is the version of the format.
const MAGIC: &[u8; 8] = b"kilnctx3";
/// Length of the table's checksum.
const CHECKSUM: usize = 32;
/// Length of a directory's.
const SHORT: usize = 16;
/// Length of the number that tells where the table is.
const PLACE: usize = 8;
/// An index of at most so many bytes is read at once.
const MOST_READ: u64 = 32 << 20;
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

/// One file of an index: its name comes first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Remembered<'a> {
    /// Name of the file in its directory.
    pub(super) name: &'a [u8],
    pub(super) stamp: Stamp,
    /// The digest that a file with this stamp has, if anyone has needed it.
    pub(super) digest: Option<ContentDigest>,
    pub(super) xattrs: Vec<(&'a [u8], &'a [u8])>,
}

/// What follows the name.
type Rest<'a> = (Stamp, Option<ContentDigest>, Vec<(&'a [u8], &'a [u8])>);

/// What an earlier build has found out. A directory is read when the walk comes to it, so that an index of very many files
/// takes little memory.
///
/// In the file: the magic, the files of each directory, the table of directories, and at the end the table's place and its
/// BLAKE3. Each directory has a checksum in the table.
#[derive(Debug, Default)]
pub(super) struct Index {
    table: Table,
    bytes: Bytes,
}

/// The bytes before the table.
#[derive(Debug)]
enum Bytes {
    Read(Vec<u8>),
    /// Too many to read them all.
    Open(File),
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Read(Vec::new())
    }
}

/// What an index knows of the files of one directory.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    begun: Time,
    bytes: Cow<'a, [u8]>,
    /// Sorted by name.
    files: Vec<Found>,
}

/// What an index knows of a file.
#[derive(Debug)]
pub(super) struct Found {
    /// Where its name is.
    name: Range<usize>,
    stamp: Stamp,
    /// The digest of the content, if anyone has needed it.
    pub(super) digest: Option<ContentDigest>,
    /// Its attributes: asking for them takes longer than asking for the stamp.
    pub(super) xattrs: Xattrs,
}

/// Where the files of each directory are.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Table {
    /// When the walk began that gave the stamps.
    begun: Time,
    /// Files of all.
    count: usize,
    directories: HashMap<Box<[u8]>, Place>,
}

/// Where the files of one directory are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Place {
    at: u64,
    length: usize,
    checksum: [u8; SHORT],
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

    /// That of a regular file which was found as `inode`: its number on disk, and its ctime.
    pub(super) fn of_inode(inode: &Inode, number: u64, ctime: Time) -> Option<Self> {
        let Kind::File(file) = &inode.kind else { return None };
        let mode = rustix::fs::FileType::RegularFile.as_raw_mode() | inode.meta.mode;
        Some(Self { size: file.size, mode, inode: number, mtime: inode.meta.mtime, ctime })
    }

    /// Length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Number of the inode.
    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    /// The time of the last change.
    pub(super) fn changed(&self) -> Time {
        self.ctime
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

impl Index {
    /// Reads an index; none where it is not there, is damaged, or of another version.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        let bytes = if length <= MOST_READ {
            let mut bytes = Vec::new();
            (&file).read_to_end(&mut bytes).ok()?;
            Bytes::Read(bytes)
        } else {
            Bytes::Open(file)
        };
        let length = length.checked_sub((PLACE + CHECKSUM) as u64)?;
        let end = bytes.at(length, PLACE + CHECKSUM)?;
        let (place, checksum) = end.split_at_checked(PLACE)?;
        let at = u64::from_le_bytes(place.try_into().ok()?);
        let table = bytes.at(at, usize::try_from(length.checked_sub(at)?).ok()?)?;
        let is_whole = *bytes.at(0, MAGIC.len())? == *MAGIC && *blake3::hash(&table).as_bytes() == *checksum;
        let table = is_whole.then(|| postcard::from_bytes(&table).ok()).flatten()?;
        drop(end);
        Some(Self { table, bytes })
    }

    /// Number of files.
    pub(super) fn len(&self) -> usize {
        self.table.count
    }

    /// What is known of the files in the directory at `path`.
    pub(super) fn directory(&self, path: &[u8]) -> Known<'_> {
        let known = || {
            let place = self.table.directories.get(path)?;
            let bytes = self.bytes.at(place.at, place.length)?;
            (blake3::hash(&bytes).as_bytes()[..SHORT] == place.checksum).then_some(())?;
            let files = files(&bytes).ok()?;
            Some(Known { begun: self.table.begun, bytes, files })
        };
        known().unwrap_or_default()
    }
}

impl Bytes {
    /// A part of them.
    fn at(&self, at: u64, length: usize) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Read(bytes) => {
                let rest = bytes.get(usize::try_from(at).ok()?..)?;
                rest.get(..length).map(Cow::Borrowed)
            }
            Self::Open(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, at).ok()?;
                Some(Cow::Owned(bytes))
            }
        }
    }
}

/// The files of one directory.
fn files(bytes: &[u8]) -> postcard::Result<Vec<Found>> {
    let (count, mut rest) = postcard::take_from_bytes::<u64>(bytes)?;
    let mut files = Vec::new();
    for _ in 0..count {
        let (name, after) = postcard::take_from_bytes::<&[u8]>(rest)?;
        let end = bytes.len() - after.len();
        let ((stamp, digest, xattrs), after): (Rest<'_>, _) = postcard::take_from_bytes(after)?;
        let xattrs = xattrs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        files.push(Found { name: end - name.len()..end, stamp, digest, xattrs });
        rest = after;
    }
    Ok(files)
}

impl Known<'_> {
    /// What is known of the file `name`, if it is sure to be what it was.
    pub(super) fn get(&self, name: &[u8], stamp: &Stamp) -> Option<&Found> {
        let at = self.files.binary_search_by(|known| self.bytes[known.name.clone()].cmp(name)).ok()?;
        self.files.get(at).filter(|known| known.stamp == *stamp && stamp.is_older_than(self.begun))
    }
}

/// An index on its way: a reader sees the old one or the new one.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    path: &'a Path,
    out: BufWriter<NamedTempFile>,
    at: u64,
    table: Table,
}

impl<'a> Draft<'a> {
    /// Begins the index of a walk that began at `begun`.
    pub(super) fn new(path: &'a Path, begun: Time) -> io::Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut out = BufWriter::new(NamedTempFile::new_in(parent)?);
        out.write_all(MAGIC)?;
        Ok(Self { path, out, at: MAGIC.len() as u64, table: Table { begun, ..Table::default() } })
    }

    /// Adds the files of one directory, in any order.
    pub(super) fn directory(&mut self, path: &[u8], mut files: Vec<Remembered<'_>>) -> io::Result<()> {
        files.sort_unstable_by_key(|file| file.name);
        let mut bytes = postcard::to_stdvec(&(files.len() as u64)).map_err(io::Error::other)?;
        for file in &files {
            bytes = postcard::to_extend(file, bytes).map_err(io::Error::other)?;
        }
        self.out.write_all(&bytes)?;
        let mut checksum = [0; SHORT];
        checksum.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..SHORT]);
        self.table.directories.insert(path.into(), Place { at: self.at, length: bytes.len(), checksum });
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Puts the index of `count` files in its place.
    pub(super) fn finish(mut self, count: usize) -> io::Result<()> {
        self.table.count = count;
        let table = postcard::to_stdvec(&self.table).map_err(io::Error::other)?;
        self.out.write_all(&table)?;
        self.out.write_all(&self.at.to_le_bytes())?;
        self.out.write_all(blake3::hash(&table).as_bytes())?;
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.persist(self.path)?;
        Ok(())
    }
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
        let file =
            |name, stamp| Remembered { name, stamp, digest: Some(ContentDigest([5; 32])), xattrs: xattrs.clone() };
        let mut draft = Draft::new(&path, begun).unwrap();
        draft.directory(b"d", rows.iter().map(|(name, stamp, _)| file(*name, *stamp)).collect()).unwrap();
        draft.finish(rows.len()).unwrap();
        let index = Index::open(&path).unwrap();
        assert_eq!(index.len(), rows.len());
        assert!(index.directory(b"").files.is_empty());
        let directory = index.directory(b"d");
        for (path, stamp, trusted) in rows {
            let known = directory.get(path, &stamp);
            assert_eq!(known.is_some(), trusted, "{path:?}");
            assert!(known.is_none_or(|known| known.digest == Some(ContentDigest([5; 32])) && known.xattrs.len() == 1));
        }
        let touched = Stamp { inode: 8, ..stamp(99, 1) };
        assert!(directory.get(b"old", &touched).is_none());
    }

    #[test]
    fn sum_a_damaged_index_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let file =
            Remembered { name: b"f", stamp: stamp(1, 1), digest: Some(ContentDigest([1; 32])), xattrs: Vec::new() };
        let mut draft = Draft::new(&path, Time { seconds: 100, nanos: 0 }).unwrap();
        draft.directory(b"", vec![file]).unwrap();
        draft.finish(1).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let files = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Index::open(&path).map_or(0, |index| index.directory(b"").files.len())
        };
        assert_eq!(files(&bytes), 1);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(files(&damaged), 0, "byte {at}");
            assert_eq!(files(&bytes[..at]), 0, "{at} bytes");
        }
        let sparse = std::fs::File::options().write(true).open(&path).unwrap();
        sparse.set_len(MOST_READ + 1).unwrap();
        assert!(Index::open(&path).is_none());
    }
}
