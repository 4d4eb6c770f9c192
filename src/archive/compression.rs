use std::io::{self, BufReader, Cursor, Read};

/// How an archive is compressed, as its first bytes tell (ADD-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Not, or in a way that kiln does not know.
    Plain,
    /// RFC 1952.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// RFC 8878.
    Zstd,
}

impl Format {
    /// What the first bytes tell; six are enough.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// Looks at the first bytes of `reader`, and gives a reader of all its bytes.
pub fn sniff<'a>(mut reader: impl Read + Send + 'a) -> io::Result<(Format, Box<dyn Read + Send + 'a>)> {
    let mut start = Vec::with_capacity(6);
    reader.by_ref().take(6).read_to_end(&mut start)?;
    Ok((Format::of(&start), Box::new(Cursor::new(start).chain(reader))))
}

/// A reader of the plain bytes.
pub fn decompress<'a>(reader: impl Read + Send + 'a, format: Format) -> io::Result<Box<dyn Read + Send + 'a>> {
    let buffered = BufReader::with_capacity(256 << 10, reader);
    Ok(match format {
        Format::Plain => Box::new(buffered),
        Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)),
        Format::Xz => Box::new(lzma_rust2::XzReader::new(buffered, true)),
        Format::Zstd => Box::new(zstd::Decoder::with_buffer(buffered)?),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn add_3_formats_are_told_by_their_first_bytes() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"text").unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(b"text").unwrap();
        for (bytes, format) in [
            (gzip.finish().unwrap(), Format::Gzip),
            (bzip2.finish().unwrap(), Format::Bzip2),
            (zstd::encode_all(&b"text"[..], 1).unwrap(), Format::Zstd),
            (b"text".to_vec(), Format::Plain),
            (b"".to_vec(), Format::Plain),
        ] {
            let (found, reader) = sniff(&bytes[..]).unwrap();
            assert_eq!(found, format);
            let mut text = Vec::new();
            decompress(reader, found).unwrap().read_to_end(&mut text).unwrap();
            assert_eq!(text, if bytes.is_empty() { &b""[..] } else { b"text" });
        }
    }
}
