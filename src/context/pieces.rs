//! The digest of one large file, on several threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use super::in_order;
use crate::rootfs::ContentDigest;

/// Bytes of a subtree of the hash: a power of two, as its leaves are.
const PIECE: u64 = 8 << 20;
/// Files from this size on are worth the threads.
pub(super) const LARGE: u64 = 4 * PIECE;
/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// The digest of a file of `size` bytes, at least [`LARGE`]; none if it has more or fewer.
pub(super) fn digest(file: &File, size: u64, threads: usize) -> io::Result<Option<ContentDigest>> {
    let mut values = Vec::new();
    let starts = (0..size.div_ceil(PIECE)).map(|number| number * PIECE);
    let value = |start| piece(file, start, PIECE.min(size - start));
    match in_order(starts, threads, value, &mut |value| values.push(value)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        digested => digested?,
    }
    if file.read_at(&mut [0], size)? != 0 {
        return Ok(None);
    }
    let (left, right) = halves(&values, size);
    Ok(Some(ContentDigest(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes())))
}

/// The value of one subtree.
fn piece(file: &File, start: u64, size: u64) -> io::Result<ChainingValue> {
    let mut buffer = vec![0; BUFFER];
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(start);
    let (mut at, end) = (start, start + size);
    while at < end {
        let most = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer[..most], at)?;
        hasher.update(&buffer[..most]);
        at += most as u64;
    }
    Ok(hasher.finalize_non_root())
}

/// The values of the two subtrees of `size` bytes, which are more than one piece.
fn halves(values: &[ChainingValue], size: u64) -> (ChainingValue, ChainingValue) {
    let left = left_subtree_len(size);
    let (first, second) = values.split_at(usize::try_from(left / PIECE).unwrap_or(usize::MAX));
    (merged(first, left), merged(second, size - left))
}

fn merged(values: &[ChainingValue], size: u64) -> ChainingValue {
    if let [only] = values {
        return *only;
    }
    let (left, right) = halves(values, size);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn sum_1_pieces_make_the_digest_of_the_whole() {
        let piece = usize::try_from(PIECE).unwrap();
        for length in [4 * piece, 4 * piece + 1, 5 * piece - 1, 7 * piece, 8 * piece + 1025] {
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251 * (n >> 20)).to_le_bytes()[0]).collect();
            let want = ContentDigest(*blake3::hash(&bytes).as_bytes());
            for threads in [1, 3] {
                let found = digest(&file(&bytes), length as u64, threads).unwrap();
                assert_eq!(found, Some(want), "{length} on {threads}");
            }
        }
    }

    #[test]
    fn sum_1_a_file_of_another_size_has_none() {
        let file = file(&vec![1; usize::try_from(LARGE).unwrap() + 7]);
        assert_eq!(digest(&file, LARGE, 2).unwrap(), None);
        assert_eq!(digest(&file, LARGE + 8, 2).unwrap(), None);
        assert!(digest(&file, LARGE + 7, 2).unwrap().is_some());
    }
}
