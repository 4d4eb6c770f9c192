use std::io;

use crate::image::DiffId;
use crate::rootfs::{Change, Changes, Kind, Meta};

/// Marks a layer by all that is in it but times.
pub fn layer_content(changes: &Changes) -> io::Result<String> {
    let mut hash = Fields(blake3::Hasher::new());
    for change in &changes.0 {
        hash.field(change.path().as_bytes());
        match change {
            Change::Directory { meta, .. } => hash.field(b"directory").meta(meta),
            Change::Link { target, .. } => hash.field(b"link").field(target.as_bytes()),
            Change::Remove { .. } => hash.field(b"remove"),
            Change::Opaque { .. } => hash.field(b"opaque"),
            Change::Put { inode, .. } => {
                hash.meta(&inode.meta);
                match &inode.kind {
                    Kind::File(file) => hash.field(b"file").field(&file.digest()?.0),
                    Kind::Symlink(target) => hash.field(b"symlink").field(target),
                    Kind::Fifo => hash.field(b"fifo"),
                    Kind::CharDevice(major, minor) => hash.field(b"char").numbers(&[*major, *minor]),
                    Kind::BlockDevice(major, minor) => hash.field(b"block").numbers(&[*major, *minor]),
                }
            }
        };
    }
    Ok(hash.0.finalize().to_hex().to_string())
}

/// Marks a stack of layers: the content mark below, and one more layer.
pub fn stack_content(below: &str, layer: &str) -> String {
    let mut hash = Fields(blake3::Hasher::new());
    hash.field(below.as_bytes()).field(layer.as_bytes());
    hash.0.finalize().to_hex().to_string()
}

/// The content mark of a base, whose layers are taken as they are.
pub fn base_content(layers: &[DiffId]) -> String {
    layers.iter().fold(String::new(), |below, layer| stack_content(&below, &layer.to_string()))
}

/// Every field is preceded by its length, so that no two lists of fields run together.
struct Fields(blake3::Hasher);

impl Fields {
    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        self
    }

    fn numbers(&mut self, numbers: &[u32]) -> &mut Self {
        for number in numbers {
            self.0.update(&number.to_le_bytes());
        }
        self
    }

    fn meta(&mut self, meta: &Meta) -> &mut Self {
        self.numbers(&[meta.mode, meta.uid, meta.gid]);
        for (name, value) in meta.xattrs.iter() {
            self.field(name).field(value);
        }
        self.field(b"")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::rootfs::{File, Inode, RootPath, Time};

    use super::*;

    fn one(text: &str, seconds: i64, mode: u32) -> String {
        let meta = Meta { mtime: Time { seconds, nanos: 0 }, ..Meta::with_mode(mode) };
        let inode = Arc::new(Inode::new(meta, Kind::File(File::inline(text.as_bytes()))));
        layer_content(&Changes(vec![Change::Put { path: RootPath::clamped(b"f"), inode }])).unwrap()
    }

    #[test]
    fn times_do_not_count_but_content_and_mode_do() {
        assert_eq!(one("a", 1, 0o644), one("a", 2, 0o644));
        assert_ne!(one("a", 1, 0o644), one("b", 1, 0o644));
        assert_ne!(one("a", 1, 0o644), one("a", 1, 0o600));
    }
}
