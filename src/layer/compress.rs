//! Compression of layer tars. The bytes depend on the input and the level, never on the number of threads.

use std::io::{self, Write};

use crate::image::Compression;

use super::deflate::DEFAULT_GZIP_LEVEL;
use super::gzip::Gzip;

/// Level of zstd unless asked otherwise: that of the `zstd` program.
const DEFAULT_ZSTD_LEVEL: i32 = 3;

/// Takes plain bytes, writes compressed ones. [`Compressor::finish`] must be called.
pub struct Compressor<'a>(Format<'a>);

enum Format<'a> {
    Plain(&'a mut dyn Write),
    Gzip(Box<Gzip<'a>>),
    Zstd(Box<zstd::Encoder<'static, &'a mut dyn Write>>),
}

impl<'a> Compressor<'a> {
    /// Compresses into `out` at `level`, or the format's default, on up to `threads` threads.
    pub fn new(
        out: &'a mut dyn Write,
        compression: Compression,
        level: Option<i32>,
        threads: usize,
    ) -> io::Result<Self> {
        Ok(Self(match compression {
            Compression::Uncompressed => Format::Plain(out),
            Compression::Gzip => {
                let level = level.map_or(DEFAULT_GZIP_LEVEL, |level| u32::try_from(level).unwrap_or_default());
                Format::Gzip(Box::new(Gzip::new(out, level, threads)))
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(out, level.unwrap_or(DEFAULT_ZSTD_LEVEL))?;
                // One worker, too, cuts the input where several do; none would give other bytes.
                encoder.multithread(u32::try_from(threads.max(1)).unwrap_or(1))?;
                Format::Zstd(Box::new(encoder))
            }
        }))
    }

    /// Writes what is left.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Format::Plain(out) => out.flush(),
            Format::Gzip(gzip) => gzip.finish(),
            Format::Zstd(encoder) => encoder.finish().map(drop),
        }
    }
}

impl Write for Compressor<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Format::Plain(out) => out.write(bytes),
            Format::Gzip(gzip) => gzip.write(bytes),
            Format::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::gzip::BLOCK;
    use super::*;

    fn compressed(bytes: &[u8], compression: Compression, threads: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut compressor = Compressor::new(&mut out, compression, None, threads).unwrap();
        compressor.write_all(bytes).unwrap();
        compressor.finish().unwrap();
        out
    }

    /// Text-like bytes that do not repeat exactly.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let words: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"etaoin shrdlu"[(state >> 24) as usize % 13]
        })
        .take(length)
        .collect();
        words
    }

    #[test]
    fn gzip_is_read_back_and_does_not_depend_on_threads() {
        for length in [0, 1, 1000, BLOCK, BLOCK + 1, 3 * BLOCK + 77] {
            let bytes = sample(length);
            let one = compressed(&bytes, Compression::Gzip, 1);
            assert_eq!(one, compressed(&bytes, Compression::Gzip, 4), "{length}");
            let mut back = Vec::new();
            flate2::read::MultiGzDecoder::new(&one[..]).read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{length}");
        }
    }

    #[test]
    fn gzip_levels_are_those_of_the_program_and_all_are_read_back() {
        let bytes = sample(BLOCK / 4);
        let mut lengths = Vec::new();
        for level in [0, 1, 9, 100, -1] {
            let mut out = Vec::new();
            let mut compressor = Compressor::new(&mut out, Compression::Gzip, Some(level), 1).unwrap();
            compressor.write_all(&bytes).unwrap();
            compressor.finish().unwrap();
            let mut back = Vec::new();
            flate2::read::MultiGzDecoder::new(&out[..]).read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{level}");
            lengths.push(out.len());
        }
        assert!(lengths[0] > bytes.len() && lengths[1] < bytes.len() && lengths[2] < lengths[1], "{lengths:?}");
        assert_eq!((lengths[3], lengths[4]), (lengths[2], lengths[0]));
    }

    #[test]
    fn zstd_and_plain_are_read_back_and_do_not_depend_on_threads() {
        let bytes = sample(5 << 20);
        assert!(compressed(&bytes, Compression::Uncompressed, 1) == bytes);
        let one = compressed(&bytes, Compression::Zstd, 1);
        assert!(one == compressed(&bytes, Compression::Zstd, 3));
        assert!(zstd::decode_all(&one[..]).unwrap() == bytes);
    }
}
