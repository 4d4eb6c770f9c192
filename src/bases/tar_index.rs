//! A tar file as a set of named files that are read where they lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tar::EntryType;

use crate::archive::{Entries, decompress, sniff};
use crate::rootfs::RootPath;
use crate::store::{Store, TempDir};

/// Links from member to member.
const MAX_LINKS: usize = 8;

/// Where the members of a tar file are.
#[derive(Debug)]
pub(super) struct TarIndex {
    file: File,
    members: BTreeMap<RootPath, Member>,
    /// Holds the plain bytes of an archive that was compressed.
    _unpacked: Option<TempDir>,
}

#[derive(Clone, Debug)]
enum Member {
    File { offset: u64, size: u64 },
    Link(RootPath),
}

impl TarIndex {
    /// Reads the headers of the archive at `path`. A compressed one is first unpacked into the store's directory for work in
    /// progress, since its members must be read in any order.
    pub(super) fn open(path: &Path, store: &Store) -> io::Result<Self> {
        let compressed = File::open(path)?;
        if !compressed.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a directory nor a file"));
        }
        let (format, reader) = sniff(&compressed)?;
        if format == crate::archive::Format::Plain {
            drop(reader);
            return Self::index(compressed, None);
        }
        let dir = store.temp_dir()?;
        let mut plain = File::create_new(dir.join("plain.tar"))?;
        io::copy(&mut decompress(reader, format)?, &mut plain)?;
        plain.flush()?;
        Self::index(File::open(dir.join("plain.tar"))?, Some(dir))
    }

    fn index(file: File, unpacked: Option<TempDir>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut members = BTreeMap::new();
        let mut at = 0;
        loop {
            // A reader anew for each entry: nothing reads through the content of large members.
            let mut section = Section { file: &file, at, end: length };
            let Some(entry) = Entries::new(&mut section).next_entry()? else { break };
            let offset = section.at;
            let end = offset.checked_add(entry.size).filter(|end| *end <= length);
            let end = end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"))?;
            at = end.next_multiple_of(512);
            // Names and links that lead out of the archive are nobody's: unknown extra files are allowed (ARC-8).
            let Ok(name) = RootPath::strict(&entry.name) else { continue };
            let member = match entry.kind {
                EntryType::Regular | EntryType::Continuous => Ok(Member::File { offset, size: entry.size }),
                EntryType::Link => RootPath::strict(&entry.link).map(Member::Link),
                EntryType::Symlink => {
                    let parent = name.split_last().map_or_else(RootPath::root, |(parent, _)| parent);
                    RootPath::strict(&[parent.as_bytes(), b"/", &entry.link].concat()).map(Member::Link)
                }
                _ => continue,
            };
            if let Ok(member) = member {
                members.insert(name, member);
            }
        }
        Ok(Self { file, members, _unpacked: unpacked })
    }

    /// Opens a member for reading, and tells its length in bytes. `None`: there is no such file.
    pub(super) fn member(self: &Arc<Self>, name: &str) -> Option<(Box<dyn Read + Send>, u64)> {
        let mut name = RootPath::clamped(name.as_bytes());
        for _ in 0..MAX_LINKS {
            match self.members.get(&name)? {
                Member::File { offset, size } => {
                    let bytes = Bytes { index: Arc::clone(self), at: *offset, end: offset + size };
                    return Some((Box::new(io::BufReader::with_capacity(256 << 10, bytes)), *size));
                }
                Member::Link(target) => name = target.clone(),
            }
        }
        None
    }
}

/// A stretch of a file, read without moving the file's own position.
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A member's bytes; keeps the archive open.
struct Bytes {
    index: Arc<TarIndex>,
    at: u64,
    end: u64,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut section = Section { file: &self.index.file, at: self.at, end: self.end };
        let count = section.read(buffer)?;
        self.at = section.at;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(dir: &Path) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(5);
        builder.append_data(&mut header, "./a/one", &b"first"[..]).unwrap();
        header.set_size(6);
        builder.append_data(&mut header, "two".repeat(50), &b"second"[..]).unwrap();
        header.set_size(0);
        header.set_entry_type(EntryType::Symlink);
        builder.append_link(&mut header, "b/soft", "../a/one").unwrap();
        header.set_entry_type(EntryType::Link);
        builder.append_link(&mut header, "b/hard", "a/one").unwrap();
        let bytes = builder.into_inner().unwrap();
        std::fs::write(dir.join("x.tar"), &bytes).unwrap();
        bytes
    }

    #[test]
    fn arc_2_members_are_read_where_they_lie_through_links_and_compression() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let bytes = archive(dir.path());
        std::fs::write(dir.path().join("x.tar.zst"), zstd::encode_all(&bytes[..], 1).unwrap()).unwrap();
        for file in ["x.tar", "x.tar.zst"] {
            let index = Arc::new(TarIndex::open(&dir.path().join(file), &store).unwrap());
            for (name, want) in
                [("a/one", "first"), (&"two".repeat(50), "second"), ("b/soft", "first"), ("b/hard", "first")]
            {
                let (mut reader, size) = index.member(name).unwrap();
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                assert_eq!((text.as_str(), size), (want, want.len() as u64), "{file} {name}");
            }
            assert!(index.member("none").is_none());
        }
    }

    #[test]
    fn a_cut_off_archive_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let bytes = archive(dir.path());
        for length in [100, 514, 1100] {
            std::fs::write(dir.path().join("x.tar"), &bytes[..length]).unwrap();
            assert!(TarIndex::open(&dir.path().join("x.tar"), &store).is_err(), "{length}");
        }
    }
}
