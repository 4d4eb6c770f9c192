//! The entries of a layer without the bytes of its files: what the store keeps so that a layer need not be read again.

use std::io;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use crate::rootfs::{Change, Changes, ContentDigest, File, Files, Inode, Kind, Meta, RootPath};

/// Version of the encoding.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct List {
    format: u32,
    entries: Vec<(Box<[u8]>, Entry)>,
}

#[derive(Serialize, Deserialize)]
enum Entry {
    Directory(Meta),
    File { meta: Meta, size: u64, digest: Option<ContentDigest> },
    Symlink(Meta, Box<[u8]>),
    CharDevice(Meta, u32, u32),
    BlockDevice(Meta, u32, u32),
    Fifo(Meta),
    Link(Box<[u8]>),
    Remove,
    Opaque,
}

/// Encodes the entries.
pub fn to_bytes(changes: &Changes) -> Vec<u8> {
    let entry = |change: &Change| match change {
        Change::Directory { meta, .. } => Entry::Directory(meta.clone()),
        Change::Link { target, .. } => Entry::Link(target.as_bytes().into()),
        Change::Remove { .. } => Entry::Remove,
        Change::Opaque { .. } => Entry::Opaque,
        Change::Put { inode, .. } => {
            let meta = inode.meta.clone();
            match &inode.kind {
                Kind::File(file) => Entry::File { meta, size: file.size, digest: file.digest.get().copied() },
                Kind::Symlink(target) => Entry::Symlink(meta, target.clone()),
                Kind::CharDevice(major, minor) => Entry::CharDevice(meta, *major, *minor),
                Kind::BlockDevice(major, minor) => Entry::BlockDevice(meta, *major, *minor),
                Kind::Fifo => Entry::Fifo(meta),
            }
        }
    };
    let entries = changes.0.iter().map(|change| (change.path().as_bytes().into(), entry(change))).collect();
    postcard::to_stdvec(&List { format: FORMAT, entries }).unwrap_or_default()
}

/// Decodes the entries; `files` gives the bytes of files by their path in the layer.
pub fn from_bytes(bytes: &[u8], files: &Arc<dyn Files>) -> io::Result<Changes> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    let list: List = postcard::from_bytes(bytes).map_err(|error| invalid(format!("a layer's list: {error}")))?;
    if list.format != FORMAT {
        return Err(invalid(format!("a layer's list has format {}", list.format)));
    }
    let change = |(path, entry): (Box<[u8]>, Entry)| {
        let path = RootPath::clamped(&path);
        let (meta, kind) = match entry {
            Entry::Directory(meta) => return Change::Directory { path, meta },
            Entry::Link(target) => return Change::Link { path, target: RootPath::clamped(&target) },
            Entry::Remove => return Change::Remove { path },
            Entry::Opaque => return Change::Opaque { path },
            Entry::File { meta, size, digest } => {
                let file = File::at(Arc::clone(files), path.clone(), size);
                let digest = digest.map_or_else(OnceLock::new, OnceLock::from);
                (meta, Kind::File(File { digest, ..file }))
            }
            Entry::Symlink(meta, target) => (meta, Kind::Symlink(target)),
            Entry::CharDevice(meta, major, minor) => (meta, Kind::CharDevice(major, minor)),
            Entry::BlockDevice(meta, major, minor) => (meta, Kind::BlockDevice(major, minor)),
            Entry::Fifo(meta) => (meta, Kind::Fifo),
        };
        Change::Put { path, inode: Arc::new(Inode { meta, kind }) }
    };
    Ok(Changes(list.entries.into_iter().map(change).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct NoFiles;

    impl Files for NoFiles {
        fn open(&self, _: &RootPath) -> io::Result<std::fs::File> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn entries_come_back() {
        let path = |text: &str| RootPath::clamped(text.as_bytes());
        let file = File::inline(&b"text"[..]);
        file.digest().unwrap();
        let put = |kind| Arc::new(Inode { meta: Meta::with_mode(0o600), kind });
        let changes = Changes(vec![
            Change::Opaque { path: path("d") },
            Change::Directory { path: path("d"), meta: Meta::with_mode(0o1777) },
            Change::Put { path: path("d/f"), inode: put(Kind::File(file)) },
            Change::Link { path: path("d/g"), target: path("d/f") },
            Change::Put { path: path("d/s"), inode: put(Kind::Symlink(b"f".as_slice().into())) },
            Change::Put { path: path("n"), inode: put(Kind::CharDevice(1, 3)) },
            Change::Remove { path: path("x") },
        ]);
        let files: Arc<dyn Files> = Arc::new(NoFiles);
        let back = from_bytes(&to_bytes(&changes), &files).unwrap();
        assert_eq!(to_bytes(&back), to_bytes(&changes));
        assert!(from_bytes(b"\x02", &files).is_err());
    }
}
