//! Layers as tar streams: packing changes, compressing, and reading layers of others (layers.md, TAR and APPLY).

mod compare;
mod compress;
mod deflate;
mod gzip;
mod header;
pub mod list;
mod pack;
mod read;
mod recompress;

pub use compress::Compressor;
pub use pack::{Packed, pack};
pub use read::{check, unpack};
pub use recompress::recompress;

use std::io::{self, Write};

use crate::image::Compression;
use crate::rootfs::Changes;

/// Packs a layer and compresses it into `out`.
pub fn pack_blob(
    changes: &Changes,
    compression: Compression,
    level: Option<i32>,
    threads: usize,
    out: &mut dyn Write,
) -> io::Result<Packed> {
    let mut compressor = Compressor::new(out, compression, level, threads)?;
    let packed = pack(changes, &mut compressor)?;
    compressor.finish()?;
    Ok(packed)
}
