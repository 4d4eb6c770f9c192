//! Changes to tar bytes: a function of the changes and the files' bytes, and of nothing else.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};
use tar::EntryType;

use crate::image::{DiffId, Digest};
use crate::rootfs::{Change, Changes, ContentDigest, File, Inode, Kept, Kind, Meta, RootPath};

use super::header::{Entry, pad};

/// Bytes read and hashed at a time.
const CHUNK: usize = 256 << 10;

/// A layer's tar has been written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packed {
    /// Sha256 of the tar.
    pub diff_id: DiffId,
    /// Bytes of the tar.
    pub size: u64,
}

impl Packed {
    /// Of the layer without entries: two zero blocks (DIFF-5).
    pub fn nothing() -> Self {
        const BLOCKS: [u8; 1024] = [0; 1024];
        Self { diff_id: DiffId(Digest::of(&BLOCKS)), size: BLOCKS.len() as u64 }
    }
}

/// Writes the tar of a layer (TAR-1 to TAR-13). Files whose content digest is not known get it on the way.
///
/// A file that has changed its length since it was listed is an error.
pub fn pack(changes: &Changes, out: &mut dyn Write) -> io::Result<Packed> {
    pack_by(changes, out, None)
}

/// The same; the bytes of files are those of `contents`, one after the other.
pub(super) fn pack_by<'a>(
    changes: &'a Changes,
    out: &'a mut dyn Write,
    contents: Option<&'a mut Contents<'a>>,
) -> io::Result<Packed> {
    let (buffer, targets) = (Vec::new(), targets(changes));
    let mut packer = Packer { out, contents, hash: Sha256::new(), size: 0, buffer, filled: 0, targets };
    for change in &changes.0 {
        packer
            .change(change)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot pack {}: {error}", change.path())))?;
    }
    packer.write_all(&[0; 1024])?;
    packer.flush()?;
    Ok(Packed { diff_id: DiffId(Digest::from_bytes(packer.hash.finalize().into())), size: packer.size })
}

/// The metadata of everything that has a further name in `changes`.
fn targets(changes: &Changes) -> HashMap<&RootPath, &Meta> {
    let with_links: HashSet<&RootPath> = changes
        .0
        .iter()
        .filter_map(|change| if let Change::Link { target, .. } = change { Some(target) } else { None })
        .collect();
    let mut targets = HashMap::with_capacity(with_links.len());
    for change in &changes.0 {
        if let Change::Put { path, inode } = change
            && with_links.contains(path)
        {
            targets.insert(path, &inode.meta);
        }
    }
    targets
}

/// Passes over the bytes of a file, and sees that they are those of its digest.
pub(super) type Contents<'a> = dyn FnMut(&File) -> io::Result<()> + 'a;

/// Collects headers and small files, so that hash and output see large pieces.
struct Packer<'a> {
    out: &'a mut dyn Write,
    contents: Option<&'a mut Contents<'a>>,
    hash: Sha256,
    size: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are taken.
    filled: usize,
    /// Metadata by the first name of what has several.
    targets: HashMap<&'a RootPath, &'a Meta>,
}

impl Packer<'_> {
    fn change(&mut self, change: &Change) -> io::Result<()> {
        match change {
            Change::Directory { path, meta } if !path.is_root() => {
                let mut name = path.as_bytes().to_vec();
                name.push(b'/');
                self.entry(&name, EntryType::Directory, meta, 0, b"", None)
            }
            // TAR-1: the root directory is not written.
            Change::Directory { .. } => Ok(()),
            Change::Put { path, inode } => self.inode(path.as_bytes(), inode),
            Change::Link { path, target } => {
                // Unpackers apply owner, mode and attributes of a link entry to the file behind all its names.
                let meta = self.targets.get(target).copied().cloned().unwrap_or_default();
                self.entry(path.as_bytes(), EntryType::Link, &meta, 0, target.as_bytes(), None)
            }
            Change::Remove { path } => {
                let (parent, name) = path.split_last().unwrap_or((RootPath::root(), b""));
                self.whiteout(&parent, &[b".wh.", name].concat())
            }
            Change::Opaque { path } => self.whiteout(path, b".wh..wh..opq"),
        }
    }

    /// TAR-11.
    fn whiteout(&mut self, parent: &RootPath, name: &[u8]) -> io::Result<()> {
        self.entry(parent.join(name).as_bytes(), EntryType::Regular, &Meta::default(), 0, b"", None)
    }

    fn inode(&mut self, name: &[u8], inode: &Inode) -> io::Result<()> {
        let meta = &inode.meta;
        match &inode.kind {
            Kind::File(file) => {
                self.entry(name, EntryType::Regular, meta, file.size, b"", None)?;
                self.content(file)
            }
            Kind::Symlink(target) => self.entry(name, EntryType::Symlink, meta, 0, target, None),
            Kind::CharDevice(major, minor) => self.entry(name, EntryType::Char, meta, 0, b"", Some((*major, *minor))),
            Kind::BlockDevice(major, minor) => self.entry(name, EntryType::Block, meta, 0, b"", Some((*major, *minor))),
            Kind::Fifo => self.entry(name, EntryType::Fifo, meta, 0, b"", None),
        }
    }

    fn entry(
        &mut self,
        name: &[u8],
        kind: EntryType,
        meta: &Meta,
        size: u64,
        link: &[u8],
        device: Option<(u32, u32)>,
    ) -> io::Result<()> {
        Entry { name, kind, meta, size, link, device }.write(self)
    }

    fn content(&mut self, file: &File) -> io::Result<()> {
        if self.contents.is_some() {
            self.flush()?;
        }
        if let Some(contents) = &mut self.contents {
            contents(file)?;
            return pad(self, file.size);
        }
        if let Some(bytes) = file.digest.kept().and_then(Kept::take) {
            self.write_all(&bytes)?;
            return pad(self, file.size);
        }
        if file.size == 0 && file.digest.get().is_some() {
            return Ok(());
        }
        let mut reader = file.content.open()?;
        let mut hasher = file.digest.get().is_none().then(blake3::Hasher::new);
        let mut left = file.size;
        while left > 0 {
            if self.filled >= CHUNK {
                self.flush()?;
            }
            let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let room = room(&mut self.buffer, self.filled, want);
            let got = read_full(&mut reader, room)?;
            if let Some(hasher) = &mut hasher {
                hasher.update(&room[..got]);
            }
            self.filled += got;
            left -= got as u64;
            if got < want {
                return Err(changed(file.size, file.size - left));
            }
        }
        if reader.read(&mut [0])? != 0 {
            return Err(changed(file.size, file.size + 1));
        }
        if let Some(hasher) = hasher {
            file.digest.get_or_init(|| ContentDigest(*hasher.finalize().as_bytes()));
        }
        pad(self, file.size)
    }
}

/// So many bytes of the buffer behind those that are taken. It grows as it is needed: most layers are small.
fn room(buffer: &mut Vec<u8>, filled: usize, count: usize) -> &mut [u8] {
    let end = filled + count;
    if buffer.len() < end {
        buffer.resize(end.next_power_of_two(), 0);
    }
    &mut buffer[filled..end]
}

fn changed(expected: u64, found: u64) -> io::Error {
    let message = format!("the file changed while it was read: {expected} bytes expected, {found} or more found");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Reads until `buffer` is full or the end.
fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Write for Packer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filled >= CHUNK {
            self.flush()?;
        }
        let count = bytes.len().min(CHUNK);
        room(&mut self.buffer, self.filled, count).copy_from_slice(&bytes[..count]);
        self.filled += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = &self.buffer[..self.filled];
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes)?;
        self.filled = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::archive::Entries;

    use super::*;

    fn tar_of(changes: Vec<Change>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let packed = pack(&Changes(changes), &mut bytes).unwrap();
        assert_eq!(packed.diff_id.0, Digest::of(&bytes));
        assert_eq!(packed.size, bytes.len() as u64);
        bytes
    }

    fn file(path: &str, text: &str, meta: Meta) -> Change {
        let inode = Arc::new(Inode::new(meta, Kind::File(File::inline(text.as_bytes()))));
        Change::Put { path: RootPath::clamped(path.as_bytes()), inode }
    }

    #[test]
    fn diff_5_nothing_is_two_zero_blocks() {
        let digest = Digest::of(&tar_of(vec![]));
        assert_eq!(pack(&Changes::default(), &mut io::sink()).unwrap(), Packed::nothing());
        assert_eq!(digest.hex(), "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
    }

    #[test]
    fn tar_4_values_that_do_not_fit_are_read_back() {
        let long = format!("d/{}", "é".repeat(80));
        let mut meta = Meta { uid: 3_000_000, gid: 5, ..Meta::with_mode(0o4755) };
        meta.mtime.seconds = -5;
        meta.xattrs.insert(CAPS.into(), b"\x01\0\n".as_slice().into());
        meta.xattrs.insert(b"user.other".as_slice().into(), b"x".as_slice().into());
        let bytes = tar_of(vec![file(&long, "hello", meta)]);
        let mut entries = Entries::new(&bytes[..]);
        let entry = entries.next_entry().unwrap().unwrap();
        assert_eq!(entry.name, long.as_bytes());
        assert_eq!((entry.meta.uid, entry.meta.gid, entry.meta.mode), (3_000_000, 5, 0o4755));
        assert_eq!(entry.meta.mtime.seconds, -5);
        let names: Vec<&[u8]> = entry.meta.xattrs.keys().map(|name| &**name).collect();
        assert_eq!(names, [CAPS], "TAR-7: no other attribute");
        assert_eq!(&*entry.meta.xattrs[CAPS], b"\x01\0\n");
        let mut text = String::new();
        entries.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    const CAPS: &[u8] = b"security.capability";

    #[test]
    fn tar_11_whiteouts_are_empty_files_of_mode_0() {
        let bytes = tar_of(vec![
            Change::Remove { path: RootPath::clamped(b"d/gone") },
            Change::Opaque { path: RootPath::clamped(b"d") },
        ]);
        let mut archive = tar::Archive::new(&bytes[..]);
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                assert_eq!((entry.header().mode().unwrap(), entry.size()), (0, 0));
                String::from_utf8(entry.path_bytes().into_owned()).unwrap()
            })
            .collect();
        assert_eq!(names, ["d/.wh.gone", "d/.wh..wh..opq"]);
    }

    #[test]
    fn tar_8_a_link_has_the_metadata_of_its_file() {
        let meta = Meta { uid: 7, ..Meta::with_mode(0o4755) };
        let path = |text: &str| RootPath::clamped(text.as_bytes());
        let bytes = tar_of(vec![file("a", "text", meta.clone()), Change::Link { path: path("b"), target: path("a") }]);
        let mut entries = Entries::new(&bytes[..]);
        for kind in [EntryType::Regular, EntryType::Link] {
            let entry = entries.next_entry().unwrap().unwrap();
            assert_eq!((entry.kind, entry.meta), (kind, meta.clone()));
        }
    }

    #[test]
    fn a_file_that_shrank_is_an_error_that_names_it() {
        let mut short = File::inline(&b"ab"[..]);
        short.size = 3;
        let inode = Arc::new(Inode::new(Meta::default(), Kind::File(short)));
        let changes = Changes(vec![Change::Put { path: RootPath::clamped(b"dir/f"), inode }]);
        let error = pack(&changes, &mut io::sink()).unwrap_err().to_string();
        assert!(error.contains("dir/f") && error.contains("changed"), "{error}");
    }
}
