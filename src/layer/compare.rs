//! Whether a layer has the entries that a list tells of: its stream is held against what the list would be packed to.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use crate::rootfs::{Changes, ContentDigest, File};

use super::pack::pack_by;

/// Bytes read at a time.
const BUFFER: usize = 64 << 10;

/// Reads `stream`, and tells whether it is what `changes` are packed to: header by header, and each file by its digest. It may
/// be read in part only.
pub(super) fn is_packed_from(changes: &Changes, stream: &mut dyn Read) -> bool {
    let stream = RefCell::new(stream);
    let mut contents = |file: &File| pass_over(file, &mut **stream.borrow_mut());
    pack_by(changes, &mut Same(&stream), Some(&mut contents)).is_ok()
}

/// Takes bytes that must be the next ones of a stream.
struct Same<'a, 's>(&'a RefCell<&'s mut dyn Read>);

impl Write for Same<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut found = vec![0; bytes.len()];
        self.0.borrow_mut().read_exact(&mut found)?;
        if found == bytes { Ok(bytes.len()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pass_over(file: &File, stream: &mut dyn Read) -> io::Result<()> {
    let (mut hash, mut left, mut buffer) = (blake3::Hasher::new(), file.size, vec![0; BUFFER]);
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
        stream.read_exact(&mut buffer[..want])?;
        hash.update(&buffer[..want]);
        left -= want as u64;
    }
    let found = ContentDigest(*hash.finalize().as_bytes());
    if file.digest.get() == Some(&found) { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::rootfs::{Change, Inode, Kind, Meta, RootPath};

    use super::super::{list, pack};
    use super::*;

    fn changes(text: &str, mode: u32) -> Changes {
        let path = |text: &str| RootPath::clamped(text.as_bytes());
        let file = File::inline(text.as_bytes());
        file.digest().unwrap();
        let inode = |kind| Arc::new(Inode::new(Meta::with_mode(mode), kind));
        Changes(vec![
            Change::Directory { path: path("d"), meta: Box::new(Meta::with_mode(0o755)) },
            Change::Put { path: path("d/f"), inode: inode(Kind::File(file)) },
            Change::Put { path: path("d/s"), inode: inode(Kind::Symlink(b"f".as_slice().into())) },
            Change::Remove { path: path("x") },
        ])
    }

    #[test]
    fn a_list_is_told_from_every_other() {
        let mut tar = Vec::new();
        pack(&changes("text", 0o644), &mut tar).unwrap();
        let files: Arc<dyn crate::rootfs::Files> = Arc::new(Nowhere);
        let mut list = Vec::new();
        list::write(&changes("text", 0o644), &mut list).unwrap();
        let listed = list::from_bytes(&list, &files).unwrap();
        assert!(is_packed_from(&listed, &mut &tar[..]));
        assert!(!is_packed_from(&listed, &mut &tar[..tar.len() - 1]));
        let mut fewer = changes("text", 0o644);
        fewer.0.pop();
        for (row, other) in [("bytes", changes("taxt", 0o644)), ("mode", changes("text", 0o600)), ("entries", fewer)] {
            assert!(!is_packed_from(&other, &mut &tar[..]), "{row}");
        }
    }

    #[derive(Debug)]
    struct Nowhere;

    impl crate::rootfs::Files for Nowhere {
        fn open(&self, _: &RootPath) -> io::Result<std::fs::File> {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}
