//! Blobs out of the store, fast and checked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread;

use crate::image::Descriptor;
use crate::store::Store;

use super::Bundle;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// The blobs of images, each once, sorted by digest.
pub(super) fn blobs_of(bundles: &[Bundle]) -> Vec<Descriptor> {
    let mut blobs: Vec<Descriptor> = bundles.iter().flat_map(|bundle| &bundle.blobs).cloned().collect();
    blobs.sort_by_key(|blob| blob.digest);
    blobs.dedup_by_key(|blob| blob.digest);
    blobs
}

/// Runs `copy` while another thread reads all `blobs` and checks their digests and sizes (ARC-8). A damaged blob is
/// dropped from the store, so that the next build makes it again.
pub(super) fn while_checking<E: From<io::Error>>(
    store: &Store,
    blobs: &[Descriptor],
    copy: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let check = scope.spawn(|| blobs.iter().try_for_each(|blob| check_blob(store, blob)));
        let copied = copy();
        // Damage comes first: it is what makes a copy fail.
        check.join().unwrap_or_else(|_| Err(io::Error::other("the check of the blobs broke off")))?;
        copied
    })
}

fn check_blob(store: &Store, blob: &Descriptor) -> io::Result<()> {
    if store.is_sound(&blob.digest, blob.size) {
        return Ok(());
    }
    if store.hash_blob(&blob.digest)? == (blob.digest, blob.size) {
        store.mark_sound(&blob.digest, blob.size);
        return Ok(());
    }
    store.drop_blob(&blob.digest);
    let message = format!("blob {} in the store was damaged and has been dropped; build again", blob.digest);
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// Copies exactly `size` bytes of `from` into the file `to`, in the kernel where it can.
pub(super) fn copy_to_file(from: &File, to: &File, size: u64) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(from, None, to, None, most) {
            Ok(0) => return Err(cut_off()),
            Ok(count) => left -= count as u64,
            Err(rustix::io::Errno::INTR) => {}
            // Another filesystem, or a kernel or sandbox that does not know the call: both files stand where they stood.
            Err(_) => return copy_to_stream(from, &mut { to }, left),
        }
    }
    Ok(())
}

/// Copies exactly `size` bytes of `from`.
pub(super) fn copy_to_stream(mut from: &File, to: &mut dyn Write, size: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK))];
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(CHUNK).min(buffer.len());
        match from.read(&mut buffer[..most]) {
            Ok(0) => return Err(cut_off()),
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                left -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "a blob in the store is shorter than its manifest says")
}
