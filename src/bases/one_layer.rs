//! Images that kiln itself makes to build upon: one layer, nothing in them that depends on the clock.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::archive::{Entries, decompress, sniff};
use crate::image::{
    Compression, Descriptor, DiffId, Digest, History, ImageConfig, Manifest, MediaType, Platform, Reference, RunConfig,
    Wire,
};
use crate::layer::Compressor;
use crate::store::Store;

use super::Error;
use super::documents::Picked;

/// Makes an image of the root filesystem in `archive`, a tar that may be compressed, and names it `name` in the
/// store. Returns its manifest's descriptor.
///
/// The image depends on the bytes of the tar alone, not on how it was compressed. The tar is read once, as a stream.
/// What is no tar, or is cut off, is an error, and nothing is named.
pub fn import(
    store: &Store,
    archive: impl Read + Send,
    name: &Reference,
    platform: &Platform,
) -> Result<Descriptor, Error> {
    let (layer, diff_id) = import_layer(store, archive).map_err(Error::Import)?;
    store.set_blob_of(&diff_id, &layer).map_err(Error::Store)?;
    let picked = one_layer(&layer, diff_id, RunConfig::default(), platform, "kiln import")?;
    picked.keep(store)?;
    store.tag(name, &picked.descriptor).map_err(Error::Store)?;
    Ok(picked.descriptor)
}

fn import_layer(store: &Store, archive: impl Read + Send) -> io::Result<(Descriptor, DiffId)> {
    let (format, reader) = sniff(archive)?;
    let mut blob = store.new_blob()?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut compressor = Compressor::new(&mut blob, Compression::Gzip, None, threads)?;
    let copied = Copied { reader: decompress(reader, format)?, copy: &mut compressor, hash: Sha256::new(), length: 0 };
    let mut entries = Entries::new(copied);
    while entries.next_entry()?.is_some() {}
    let mut copied = entries.into_inner();
    // What stands after the end mark belongs to the stream that the diff id is of.
    io::copy(&mut copied, &mut io::sink())?;
    if copied.length == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the archive is empty"));
    }
    let diff_id = DiffId(Digest::from_bytes(copied.hash.finalize().into()));
    compressor.finish()?;
    let (digest, size) = blob.commit(None)?;
    Ok((Descriptor::new(MediaType::Layer(Wire::Oci, Compression::Gzip), digest, size), diff_id))
}

/// The manifest and config of an image of one layer.
pub(super) fn one_layer(
    layer: &Descriptor,
    diff_id: DiffId,
    run: RunConfig,
    platform: &Platform,
    created_by: &str,
) -> Result<Picked, Error> {
    let mut config = ImageConfig { config: run, ..ImageConfig::default() };
    config.set_platform(platform);
    config.rootfs.diff_ids.push(diff_id);
    config.history.push(History { created_by: created_by.to_owned(), ..History::default() });
    let config = config.to_json();
    let manifest = Manifest {
        wire: Wire::Oci,
        config: Descriptor::of(MediaType::Config(Wire::Oci), &config),
        layers: vec![layer.clone()],
        annotations: BTreeMap::new(),
    };
    Picked::new(created_by, manifest.to_json(), manifest, config)
}

/// Passes on what is read, and hashes it.
struct Copied<R, W> {
    reader: R,
    copy: W,
    hash: Sha256,
    length: u64,
}

impl<R: Read, W: Write> Read for Copied<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.copy.write_all(&buffer[..count])?;
        self.length += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rootfs() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(3);
        builder.append_data(&mut header, "bin/sh", &b"abc"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn import_gives_one_image_for_plain_and_compressed_archives() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (name, platform) = ("mine:1".parse().unwrap(), "linux/arm64".parse().unwrap());
        let plain = rootfs();
        let first = import(&store, &plain[..], &name, &platform).unwrap();
        let packed = zstd::encode_all(&plain[..], 1).unwrap();
        assert_eq!(import(&store, &packed[..], &name, &platform).unwrap(), first);
        assert_eq!(store.resolve(&name).unwrap().unwrap(), first);
        let image = store.image(&first, &platform).unwrap().unwrap();
        assert_eq!(image.config.rootfs.diff_ids, [DiffId(Digest::of(&plain))]);
        assert_eq!(image.config.platform(), platform);
        assert!(store.has(&image.manifest.layers[0].digest));
    }

    #[test]
    fn import_refuses_what_is_no_tar() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let name: Reference = "mine".parse().unwrap();
        for bad in [&b""[..], &[b'x'; 600], &rootfs()[..514]] {
            assert!(import(&store, bad, &name, &Platform::host()).is_err());
            assert!(store.resolve(&name).unwrap().is_none());
        }
    }
}
