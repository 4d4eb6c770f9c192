use std::fs;
use std::io::{self, Read};
use std::sync::Arc;

use super::pieces;
use crate::rootfs::{Content, ContentDigest, File, Kept};

/// Bytes read at once.
const BUFFER: usize = 128 << 10;

/// Finds out digests of files, one file after the other.
#[derive(Debug)]
pub struct Digester {
    threads: usize,
    /// Made for the first file that is read.
    buffer: Vec<u8>,
}

impl Digester {
    /// Large files are read by up to `threads` threads.
    pub fn new(threads: usize) -> Self {
        Self { threads, buffer: Vec::new() }
    }

    /// The digest of `file`, which is read now unless it is known.
    ///
    /// # Errors
    /// A file with more or fewer bytes than its `size` has been written to in the meantime.
    pub fn digest(&mut self, file: &File) -> io::Result<ContentDigest> {
        if let Some(known) = file.digest.get() {
            return Ok(*known);
        }
        let (digest, kept) = match &file.content {
            Content::At { files, path } if file.size >= pieces::LARGE => {
                (digest_large(file, files.open(path), self.threads)?, None)
            }
            Content::At { .. } | Content::Inline(_) => {
                self.buffer.resize(BUFFER, 0);
                digest(file, &mut self.buffer)?
            }
        };
        Ok(*file.digest.get_or_keep(digest, kept))
    }
}

fn digest_large(file: &File, opened: io::Result<fs::File>, threads: usize) -> io::Result<ContentDigest> {
    let read = || -> io::Result<_> {
        let opened = opened?;
        let found = pieces::digest(&opened, file.size, threads)?;
        Ok((found, opened.metadata()?.len()))
    };
    let (digest, size) = read().map_err(|error| unreadable(file, &error))?;
    digest.ok_or_else(|| changed(file, size))
}

fn name(file: &File) -> String {
    match &file.content {
        Content::At { path, .. } => path.to_string(),
        Content::Inline(_) => "a file".to_owned(),
    }
}

fn unreadable(file: &File, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read {}: {error}", name(file)))
}

fn changed(file: &File, found: u64) -> io::Error {
    let message = format!("{} has {found} bytes, not {}: it has changed meanwhile", name(file), file.size);
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn digest(file: &File, buffer: &mut [u8]) -> io::Result<(ContentDigest, Option<Arc<Kept>>)> {
    let mut reader = file.content.open().map_err(|error| unreadable(file, &error))?;
    let mut hasher = blake3::Hasher::new();
    let mut kept = None;
    loop {
        match reader.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                // A short read of a regular file that gave all of it has met its end.
                if count < buffer.len() && hasher.count() == file.size {
                    if count as u64 == file.size {
                        kept = Kept::new(&buffer[..count]);
                    }
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(file, &error)),
        }
    }
    if hasher.count() != file.size {
        return Err(changed(file, hasher.count()));
    }
    Ok((ContentDigest(*hasher.finalize().as_bytes()), kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_1_files_of_any_size_get_their_digest_once() {
        let mut digester = Digester::new(2);
        for count in [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER] {
            let bytes = vec![7; count];
            let file = File::inline(bytes.clone());
            let want = ContentDigest(*blake3::hash(&bytes).as_bytes());
            assert_eq!(digester.digest(&file).unwrap(), want);
            assert_eq!(file.digest.get(), Some(&want));
        }
    }

    #[test]
    fn sum_1_a_file_of_another_size_is_an_error() {
        let changed = File { size: 5, ..File::inline(*b"four") };
        let error = Digester::new(1).digest(&changed).unwrap_err();
        assert!(error.to_string().contains("has changed"), "{error}");
    }
}
