use std::fs::File;
use std::io::{self, Write};

use tar::{EntryType, Header};

use super::blobs::{copy_to_file, copy_to_stream};
use super::place::Place;

/// Bytes of a tar block.
const BLOCK: u64 = 512;
/// What ends a tar.
const END: [u8; 1024] = [0; 1024];

/// A tar of plain files and directories: owner 0, time 0 (ARC-1).
#[derive(Debug)]
pub(super) struct TarFile<'a> {
    place: &'a mut Place,
}

impl<'a> TarFile<'a> {
    pub(super) fn new(place: &'a mut Place) -> Self {
        Self { place }
    }

    /// Bytes of a tar that holds so many directories, and files of these sizes.
    pub(super) fn size_with(directories: usize, files: impl Iterator<Item = u64>) -> u64 {
        let files: u64 = files.map(|size| BLOCK + size.next_multiple_of(BLOCK)).sum();
        directories as u64 * BLOCK + files + END.len() as u64
    }

    /// A directory; `name` ends in a slash.
    pub(super) fn directory(&mut self, name: &str) -> io::Result<()> {
        self.header(name, EntryType::Directory, 0o755, 0)
    }

    /// A small file.
    pub(super) fn bytes(&mut self, name: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.header(name, EntryType::Regular, mode, bytes.len() as u64)?;
        self.place.write_all(bytes)?;
        self.pad(bytes.len() as u64)
    }

    /// The first `size` bytes of `from`.
    pub(super) fn file(&mut self, name: &str, mode: u32, from: &File, size: u64) -> io::Result<()> {
        self.header(name, EntryType::Regular, mode, size)?;
        match self.place.file() {
            Some(to) => copy_to_file(from, to, size)?,
            None => copy_to_stream(from, self.place, size)?,
        }
        self.pad(size)
    }

    /// The two zero blocks.
    pub(super) fn finish(self) -> io::Result<()> {
        self.place.write_all(&END)
    }

    fn header(&mut self, name: &str, kind: EntryType, mode: u32, size: u64) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_path(name)?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        // Above 8 GiB the crate writes the base-256 form, which all readers of today know.
        header.set_size(size);
        header.set_cksum();
        self.place.write_all(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let padding = usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default();
        self.place.write_all(&[0; 512][..padding])
    }
}
