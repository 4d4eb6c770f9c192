use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::pieces;
use crate::rootfs::{Content, ContentDigest, File, Inode, Kept, Kind};

/// Bytes read at once.
const BUFFER: usize = 128 << 10;

/// Fills in the digests of those files that have none yet, on up to `threads` threads; other inodes are passed over.
///
/// Each file is opened once. A file with more or fewer bytes than its `size` is an error, since it was written to in the
/// meantime. The first error is given; some files may have their digest then.
pub fn digest_files(files: &[Arc<Inode>], threads: usize) -> io::Result<()> {
    let todo: Vec<&File> = files
        .iter()
        .filter_map(|inode| match &inode.kind {
            Kind::File(file) if file.digest.get().is_none() => Some(file),
            _ => None,
        })
        .collect();
    // A file that all threads read together must not wait for one that has the others.
    let is_large = |file: &&File| file.size >= pieces::LARGE && matches!(file.content, Content::At { .. });
    let (large, todo): (Vec<&File>, Vec<&File>) = todo.into_iter().partition(is_large);
    for file in large {
        let digest = digest_large(file, threads)?;
        file.digest.get_or_init(|| digest);
    }
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let work = || {
        let mut buffer = vec![0; BUFFER];
        while let Some(file) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            match digest(file, &mut buffer) {
                Ok(digest) => {
                    file.digest.get_or_init(|| digest);
                }
                Err(error) => {
                    next.store(todo.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(todo.len()) {
            scope.spawn(work);
        }
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn digest_large(file: &File, threads: usize) -> io::Result<ContentDigest> {
    let opened = match &file.content {
        Content::At { files, path } => files.open(path),
        Content::Inline(_) => Err(io::ErrorKind::Unsupported.into()),
    };
    let found = opened.and_then(|opened| pieces::digest(&opened, file.size, threads));
    found.map_err(|error| unreadable(file, &error))?.ok_or_else(|| changed(file))
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

fn changed(file: &File) -> io::Error {
    let message = format!("{} has not {} bytes: it has changed meanwhile", name(file), file.size);
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
        return Err(changed(file));
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
