use std::fs;
use std::io::{self, Read};
use std::sync::Arc;

use super::{pieces, threads};
use crate::rootfs::{Content, ContentDigest, File, Inode, Kept, Kind};

/// Bytes read at once.
const BUFFER: usize = 128 << 10;

/// Fills in the digests of those files that have none yet, on up to `threads` threads; other inodes are passed over.
///
/// Each file is opened once. A file with more or fewer bytes than its `size` is an error, since it was written to in the
/// meantime. The first error is given; some files may have their digest then.
pub fn digest_files(files: &[Arc<Inode>], threads: usize) -> io::Result<()> {
    let todo = files.iter().filter_map(|inode| match &inode.kind {
        Kind::File(file) if file.digest.get().is_none() => Some(file),
        _ => None,
    });
    // A file that all threads read together must not wait for one that has the others.
    let mut small = Vec::new();
    for file in todo {
        match &file.content {
            Content::At { files, path } if file.size >= pieces::LARGE => {
                let digest = digest_large(file, files.open(path), threads)?;
                file.digest.get_or_init(|| digest);
            }
            Content::At { .. } | Content::Inline(_) => small.push(file),
        }
    }
    threads::each(small.len(), threads, BUFFER, |number, buffer| {
        let digest = digest(small[number], buffer)?;
        small[number].digest.get_or_init(|| digest);
        Ok(())
    })
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

fn digest(file: &File, buffer: &mut [u8]) -> io::Result<ContentDigest> {
    let mut reader = file.content.open().map_err(|error| unreadable(file, &error))?;
    let mut hasher = blake3::Hasher::new();
    loop {
        match reader.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                // A short read of a regular file that gave all of it has met its end.
                if count < buffer.len() && hasher.count() == file.size {
                    if count as u64 == file.size
                        && let Some(kept) = Kept::new(&buffer[..count])
                    {
                        file.kept.get_or_init(|| kept);
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
    Ok(ContentDigest(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Meta;

    fn file(file: File) -> Arc<Inode> {
        Arc::new(Inode::new(Meta::with_mode(0o644), Kind::File(file)))
    }

    #[test]
    fn sum_1_many_files_on_some_threads_get_the_digest_of_each() {
        let files: Vec<_> = (0..100u8).map(|n| file(File::inline(vec![n; usize::from(n) * 3000]))).collect();
        digest_files(&files, 4).unwrap();
        for (n, inode) in (0..100u8).zip(&files) {
            let Kind::File(file) = &inode.kind else { continue };
            let want = blake3::hash(&vec![n; usize::from(n) * 3000]);
            assert_eq!(file.digest.get(), Some(&ContentDigest(*want.as_bytes())));
        }
    }

    #[test]
    fn sum_1_a_file_of_another_size_is_an_error() {
        let changed = File { size: 5, ..File::inline(*b"four") };
        let error = digest_files(&[file(File::inline(*b"x")), file(changed)], 2).unwrap_err();
        assert!(error.to_string().contains("has changed"), "{error}");
    }
}
