//! The entries of a layer without the bytes of its files: what the store keeps so that a layer need not be read again.

use std::io::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::rootfs::{Change, Changes, ContentDigest, Digested, File, Files, Inode, Kind, Meta, RootPath};

/// Version of the encoding.
const FORMAT: u32 = 1;

/// One entry, after its path.
#[derive(Serialize)]
enum Written<'a> {
    Directory(&'a Meta),
    File { meta: &'a Meta, size: u64, digest: Option<ContentDigest> },
    Symlink(&'a Meta, &'a [u8]),
    CharDevice(&'a Meta, u32, u32),
    BlockDevice(&'a Meta, u32, u32),
    Fifo(&'a Meta),
    Link(&'a [u8]),
    Remove,
    Opaque,
}

/// The same when it is read.
#[derive(Deserialize)]
enum Entry<'a> {
    Directory(Meta),
    File { meta: Meta, size: u64, digest: Option<ContentDigest> },
    Symlink(Meta, &'a [u8]),
    CharDevice(Meta, u32, u32),
    BlockDevice(Meta, u32, u32),
    Fifo(Meta),
    Link(&'a [u8]),
    Remove,
    Opaque,
}

/// Writes the entries, one by one: there may be a million.
pub fn write(changes: &Changes, out: &mut dyn Write) -> io::Result<()> {
    let mut put = |value: &dyn Fn(&mut dyn Write) -> postcard::Result<()>| value(&mut *out).map_err(io::Error::other);
    put(&|out| postcard::to_io(&(FORMAT, changes.0.len() as u64), out).map(drop))?;
    for change in &changes.0 {
        let entry = match change {
            Change::Directory { meta, .. } => Written::Directory(meta),
            Change::Link { target, .. } => Written::Link(target.as_bytes()),
            Change::Remove { .. } => Written::Remove,
            Change::Opaque { .. } => Written::Opaque,
            Change::Put { inode, .. } => {
                let meta = &inode.meta;
                match &inode.kind {
                    Kind::File(file) => Written::File { meta, size: file.size, digest: file.digest.get().copied() },
                    Kind::Symlink(target) => Written::Symlink(meta, target),
                    Kind::CharDevice(major, minor) => Written::CharDevice(meta, *major, *minor),
                    Kind::BlockDevice(major, minor) => Written::BlockDevice(meta, *major, *minor),
                    Kind::Fifo => Written::Fifo(meta),
                }
            }
        };
        put(&|out| postcard::to_io(&(change.path().as_bytes(), &entry), out).map(drop))?;
    }
    Ok(())
}

/// Decodes the entries; `files` gives the bytes of files by their path in the layer.
pub fn from_bytes(bytes: &[u8], files: &Arc<dyn Files>) -> io::Result<Changes> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    let damaged = |error: postcard::Error| invalid(format!("a layer's list: {error}"));
    let ((format, count), mut rest) = postcard::take_from_bytes::<(u32, u64)>(bytes).map_err(damaged)?;
    if format != FORMAT {
        return Err(invalid(format!("a layer's list has format {format}")));
    }
    let mut changes = Vec::new();
    for _ in 0..count {
        let ((path, entry), after) = postcard::take_from_bytes::<(&[u8], Entry<'_>)>(rest).map_err(damaged)?;
        rest = after;
        changes.push(change(RootPath::clamped(path), entry, files));
    }
    Ok(Changes(changes))
}

fn change(path: RootPath, entry: Entry<'_>, files: &Arc<dyn Files>) -> Change {
    let (meta, kind) = match entry {
        Entry::Directory(meta) => return Change::Directory { path, meta: meta.into() },
        Entry::Link(target) => return Change::Link { path, target: RootPath::clamped(target) },
        Entry::Remove => return Change::Remove { path },
        Entry::Opaque => return Change::Opaque { path },
        Entry::File { meta, size, digest } => {
            let file = File::at(Arc::clone(files), path.clone(), size);
            let digest = digest.map_or_else(Digested::default, Digested::from);
            (meta, Kind::File(File { digest, ..file }))
        }
        Entry::Symlink(meta, target) => (meta, Kind::Symlink(target.into())),
        Entry::CharDevice(meta, major, minor) => (meta, Kind::CharDevice(major, minor)),
        Entry::BlockDevice(meta, major, minor) => (meta, Kind::BlockDevice(major, minor)),
        Entry::Fifo(meta) => (meta, Kind::Fifo),
    };
    Change::Put { path, inode: Arc::new(Inode::new(meta, kind)) }
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
        let put = |kind| Arc::new(Inode::new(Meta::with_mode(0o600), kind));
        let changes = Changes(vec![
            Change::Opaque { path: path("d") },
            Change::Directory { path: path("d"), meta: Meta::with_mode(0o1777).into() },
            Change::Put { path: path("d/f"), inode: put(Kind::File(file)) },
            Change::Link { path: path("d/g"), target: path("d/f") },
            Change::Put { path: path("d/s"), inode: put(Kind::Symlink(b"f".as_slice().into())) },
            Change::Put { path: path("n"), inode: put(Kind::CharDevice(1, 3)) },
            Change::Remove { path: path("x") },
        ]);
        let files: Arc<dyn Files> = Arc::new(NoFiles);
        let bytes = |changes: &Changes| {
            let mut bytes = Vec::new();
            write(changes, &mut bytes).unwrap();
            bytes
        };
        let back = from_bytes(&bytes(&changes), &files).unwrap();
        assert_eq!(bytes(&back), bytes(&changes));
        assert!(from_bytes(&bytes(&changes)[..20], &files).is_err(), "cut off");
        assert!(from_bytes(b"\x02", &files).is_err());
    }
}
