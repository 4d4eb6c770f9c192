use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::image::{Descriptor, Digest};
use crate::rootfs::{Files, RootPath};

use super::Store;

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// Where blobs can be had that the store does not hold: a registry, another layout, an archive.
pub trait BlobSource: Send + Sync {
    /// Opens the blob's bytes. The reader is not trusted: digest and size are checked while reading.
    fn fetch(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>>;

    /// Whether the store knows where it is ([`Store::sources`]), so that the blob can be had after the build as well.
    fn is_lasting(&self) -> bool {
        false
    }
}

/// Opens blobs by the digits of their digest, for files whose bytes they are.
#[derive(Debug)]
pub struct BlobFiles(Arc<Store>);

impl Files for BlobFiles {
    fn open(&self, path: &RootPath) -> io::Result<File> {
        File::open(self.0.root.join("blobs/sha256").join(path.as_path()))
    }
}

impl BlobFiles {
    /// The blob as a file of `size` bytes.
    pub fn file(store: &Arc<Store>, blob: &Digest, size: u64) -> crate::rootfs::File {
        let files = Arc::new(Self(Arc::clone(store)));
        crate::rootfs::File::at(files, RootPath::clamped(blob.hex().as_bytes()), size)
    }
}

/// Takes the bytes of a new blob.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    file: NamedTempFile,
    hash: Sha256,
    size: u64,
}

impl Store {
    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob is here.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// Marks a blob as used now.
    pub(super) fn use_blob(&self, digest: &Digest) {
        let path = self.blob_path(digest);
        let size = fs::metadata(&path).map_or(0, |meta| meta.len());
        let was_sound = self.is_sound(digest, size);
        super::attend::touch(&path);
        if was_sound {
            self.mark(digest);
        }
    }

    /// Bytes of a blob, if it is here.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.blob_path(digest)).ok().map(|meta| meta.len())
    }

    /// All blobs with their sizes, in the order of their digests. Files that have no digest for a name are passed over.
    pub fn blobs(&self) -> io::Result<Vec<(Digest, u64)>> {
        let mut blobs = Vec::new();
        for entry in fs::read_dir(self.root.join("blobs/sha256"))? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok();
            let Some(digest) = name.and_then(|name| Digest::from_hex(&name).ok()) else { continue };
            match entry.metadata() {
                Ok(meta) => blobs.push((digest, meta.len())),
                // Another process has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        blobs.sort_unstable();
        Ok(blobs)
    }

    /// Opens a blob. Its bytes have been checked when it was written.
    pub fn open_blob(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.blob_path(digest))
            .map_err(|error| io::Error::new(error.kind(), format!("blob {digest} in the store: {error}")))
    }

    /// Reads a small blob, such as a manifest, and checks its digest: a damaged one is removed.
    pub fn read_blob(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_blob(digest)?.read_to_end(&mut bytes)?;
        if Digest::of(&bytes) != *digest {
            fs::remove_file(self.blob_path(digest))?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("blob {digest} in the store was damaged")));
        }
        Ok(bytes)
    }

    /// Begins a new blob.
    pub fn new_blob(&self) -> io::Result<BlobWriter<'_>> {
        let file = tempfile::Builder::new().prefix("blob-").tempfile_in(self.kiln("tmp"))?;
        Ok(BlobWriter { store: self, file, hash: Sha256::new(), size: 0 })
    }

    /// Reads all of a blob, and gives its true digest and size.
    pub fn hash_blob(&self, digest: &Digest) -> io::Result<(Digest, u64)> {
        let mut hash = Hashed { hash: Sha256::new(), size: 0 };
        io::copy(&mut BufReader::with_capacity(BUFFER, self.open_blob(digest)?), &mut hash)?;
        Ok((Digest::from_bytes(hash.hash.finalize().into()), hash.size))
    }

    /// Keeps a small blob.
    pub fn put_blob(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        if self.has(&digest) {
            self.use_blob(&digest);
        } else {
            let mut blob = self.new_blob()?;
            blob.write_all(bytes)?;
            blob.commit(Some(&digest))?;
        }
        Ok(digest)
    }

    /// Drops a blob that has turned out damaged.
    pub fn drop_blob(&self, digest: &Digest) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
        let _gone = fs::remove_file(self.blob_path(digest));
    }

    /// Sees that the blob is here, fetching it from `source` if it is not. Bytes that do not match the
    /// descriptor's digest and size are refused (APPLY-6).
    pub fn ensure_blob(&self, blob: &Descriptor, source: Option<&dyn BlobSource>) -> io::Result<()> {
        if self.has(&blob.digest) {
            self.use_blob(&blob.digest);
            return Ok(());
        }
        let Some(source) = source else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("blob {} is not in the store", blob.digest)));
        };
        let _one_at_a_time = self.lock(&format!("blob-{}", blob.digest.hex()))?;
        if self.has(&blob.digest) {
            return Ok(());
        }
        let mut writer = self.new_blob()?;
        // One byte more than promised is enough to see that a body is too long.
        let reader = source.fetch(blob)?.take(blob.size.saturating_add(1));
        let copied = io::copy(&mut BufReader::with_capacity(BUFFER, reader), &mut writer)?;
        if copied != blob.size {
            let more = if copied > blob.size { "more" } else { "fewer" };
            let message = format!("blob {} has {more} bytes than the {} its manifest promises", blob.digest, blob.size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        writer.commit(Some(&blob.digest)).map(drop)
    }
}

/// Takes bytes into a hash, and counts them.
struct Hashed {
    hash: Sha256,
    size: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter<'_> {
    /// Gives the blob its name. With `expected`, another digest is an error and the blob is dropped.
    pub fn commit(self, expected: Option<&Digest>) -> io::Result<(Digest, u64)> {
        let digest = Digest::from_bytes(self.hash.finalize().into());
        if let Some(expected) = expected
            && digest != *expected
        {
            let message = format!("expected a blob of digest {expected}, got {digest}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        self.file.persist(self.store.blob_path(&digest)).map_err(|error| error.error)?;
        self.store.has_made(digest, self.size);
        Ok((digest, self.size))
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use crate::image::MediaType;

    use super::*;

    struct Fixed(&'static [u8]);

    impl BlobSource for Fixed {
        fn fetch(&self, _: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(self.0))
        }
    }

    #[test]
    fn apply_6_a_source_that_lies_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let blob = Descriptor::of(MediaType::Other("x".into()), b"good");
        for lie in [&b"evil"[..], b"goo", b"good and more"] {
            assert!(store.ensure_blob(&blob, Some(&Fixed(lie))).is_err());
            assert!(!store.has(&blob.digest));
        }
        store.ensure_blob(&blob, Some(&Fixed(b"good"))).unwrap();
        assert_eq!(store.read_blob(&blob.digest).unwrap(), b"good");
        fs::write(store.blob_path(&blob.digest), "bad").unwrap();
        assert!(store.read_blob(&blob.digest).is_err());
        assert!(!store.has(&blob.digest), "a damaged blob is dropped");
    }
}
