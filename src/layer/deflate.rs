//! One block of bytes to one gzip member: by libdeflate, or without a C compiler by flate2.

use std::io;
#[cfg(not(feature = "libdeflate"))]
use std::io::Write as _;

/// Level of gzip unless asked otherwise: the fastest whose output stays within a twentieth of what `gzip -6` writes.
pub(super) const DEFAULT_GZIP_LEVEL: u32 = 4;
/// The greatest level, as of the `gzip` program.
const MAX_LEVEL: u32 = 9;

/// Fixed header (RFC 1952, section 2.3): deflate, no flags, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Bytes of checksum and length.
const TRAILER: usize = 8;

/// Compresses blocks one by one. The bytes of a member depend on the block, the level and the library alone.
pub(super) struct Deflate {
    #[cfg(feature = "libdeflate")]
    compressor: libdeflater::Compressor,
    /// Room for the longest member so far.
    #[cfg(feature = "libdeflate")]
    room: Vec<u8>,
    #[cfg(not(feature = "libdeflate"))]
    level: flate2::Compression,
}

#[cfg(feature = "libdeflate")]
impl Deflate {
    /// At `level`, or the greatest there is.
    pub(super) fn new(level: u32) -> Self {
        let level =
            i32::try_from(level.min(MAX_LEVEL)).ok().and_then(|level| libdeflater::CompressionLvl::new(level).ok());
        Self { compressor: libdeflater::Compressor::new(level.unwrap_or_default()), room: Vec::new() }
    }

    /// A whole member that holds `block`.
    pub(super) fn member(&mut self, block: &[u8]) -> io::Result<Vec<u8>> {
        let most = self.compressor.deflate_compress_bound(block.len());
        if self.room.len() < most {
            self.room.resize(most, 0);
        }
        let length = self.compressor.deflate_compress(block, &mut self.room).map_err(io::Error::other)?;
        let mut member = Vec::with_capacity(HEADER.len() + length + TRAILER);
        member.extend_from_slice(&HEADER);
        member.extend_from_slice(&self.room[..length]);
        Ok(with_trailer(member, block, libdeflater::crc32(block)))
    }
}

#[cfg(not(feature = "libdeflate"))]
impl Deflate {
    /// At `level`, or the greatest there is.
    pub(super) fn new(level: u32) -> Self {
        Self { level: flate2::Compression::new(level.min(MAX_LEVEL)) }
    }

    /// A whole member that holds `block`.
    pub(super) fn member(&mut self, block: &[u8]) -> io::Result<Vec<u8>> {
        let mut member = Vec::with_capacity(block.len() / 2 + 1024);
        member.extend_from_slice(&HEADER);
        let mut encoder = flate2::write::DeflateEncoder::new(member, self.level);
        encoder.write_all(block)?;
        let mut crc = flate2::Crc::new();
        crc.update(block);
        Ok(with_trailer(encoder.finish()?, block, crc.sum()))
    }
}

/// Checksum and length (RFC 1952, section 2.3.1).
fn with_trailer(mut member: Vec<u8>, block: &[u8], crc: u32) -> Vec<u8> {
    member.extend_from_slice(&crc.to_le_bytes());
    member.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_le_bytes());
    member
}
