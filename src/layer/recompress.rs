use std::io::{self, Read, Write};

use crate::image::{Compression, DiffId};

use super::Compressor;
use super::read::Hashing;

/// Writes a layer's tar anew: it stays the same to the byte, and only its compression is another (DIG-3). The stream's sha256
/// must be `diff_id`.
pub fn recompress(
    reader: impl Read + Send,
    from: Compression,
    diff_id: &DiffId,
    to: (Compression, Option<i32>),
    threads: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut tar = Hashing::new(reader, from, u64::MAX)?;
    let mut compressor = Compressor::new(out, to.0, to.1, threads)?;
    io::copy(&mut tar, &mut compressor)?;
    compressor.finish()?;
    tar.check(diff_id)
}

#[cfg(test)]
mod tests {
    use crate::image::Digest;

    use super::*;

    #[test]
    fn dig_3_a_layer_stays_the_same_under_another_compression() {
        let tar: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let diff_id = DiffId(Digest::of(&tar));
        let (mut at, mut before) = (Compression::Uncompressed, tar.clone());
        for to in [Compression::Gzip, Compression::Zstd, Compression::Gzip, Compression::Uncompressed] {
            let mut after = Vec::new();
            recompress(&before[..], at, &diff_id, (to, Some(1)), 2, &mut after).unwrap();
            assert!(to == Compression::Uncompressed || after.len() < tar.len(), "{to:?}");
            (at, before) = (to, after);
        }
        assert!(before == tar);
        let other = DiffId(Digest::of(b"x"));
        let wrong = recompress(&tar[..], at, &other, (at, None), 1, &mut Vec::new()).unwrap_err();
        assert!(wrong.to_string().contains("turns out to be"), "{wrong}");
    }
}
