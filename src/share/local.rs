//! A directory as a place: an OCI image layout, with the objects in `kiln/` beside its blobs (CX-4).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use crate::image::{Descriptor, Digest, Document, Index, OCI_LAYOUT, REF_NAME};
use crate::registry::{Content, Counted, Told};

use super::artifact::Artifact;
use super::{Kind, MAX_OBJECT, ObjectName, Place, ShareError};

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// A directory. Machines may share it over a network file system: every file gets its name once it is whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Local {
    /// The directory; it need not be there yet.
    pub dir: PathBuf,
    /// Which of the caches in it: by tag.
    pub tag: String,
    /// For reading alone: the manifest of a cache, whatever the tag names by now.
    pub digest: Option<Digest>,
    /// Blobs that no manifest names are removed when the index is written.
    pub reset: bool,
}

impl Local {
    fn object(&self, name: &ObjectName) -> PathBuf {
        let tag = ObjectName::new(Kind::Index, &self.tag);
        self.dir.join("kiln").join(tag.id()).join(name.kind().directory()).join(name.id())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    /// Writes a file aside, and gives it its name: in the place of another one, or only where there is none.
    fn put(&self, path: &Path, replace: bool, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<bool> {
        let dir = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        write(file.as_file_mut())?;
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        if replace {
            return file.persist(path).map(|_| true).map_err(|error| error.error);
        }
        match fs::hard_link(file.path(), path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn put_blob(&self, bytes: &[u8]) -> io::Result<()> {
        let path = self.blob(&Digest::of(bytes));
        if path.exists() { Ok(()) } else { self.put(&path, true, |file| file.write_all(bytes)).map(drop) }
    }

    /// Makes the directory a layout that names the cache.
    fn publish(&self, bytes: &[u8], keeps: &[Descriptor]) -> io::Result<()> {
        let artifact = Artifact::with_blob(bytes, keeps);
        for blob in artifact.own_blobs() {
            self.put_blob(blob)?;
        }
        let manifest = artifact.manifest();
        self.put_blob(&manifest)?;
        self.put(&self.dir.join("oci-layout"), true, |file| file.write_all(OCI_LAYOUT))?;
        let mut index = self.index()?.unwrap_or_else(|| Index::of(Vec::new()));
        index.manifests.retain(|entry| entry.annotations.get(REF_NAME) != Some(&self.tag));
        let mut entry = Descriptor::of(Artifact::media_type(), &manifest);
        entry.annotations.insert(REF_NAME.to_owned(), self.tag.clone());
        index.manifests.push(entry);
        self.put(&self.dir.join("index.json"), true, |file| file.write_all(&index.to_json()))?;
        if self.reset { self.sweep(&index) } else { Ok(()) }
    }

    fn index(&self) -> io::Result<Option<Index>> {
        let Some(bytes) = read(&self.dir.join("index.json"))? else { return Ok(None) };
        Ok(match Document::from_json(&bytes) {
            Ok(Document::Index(index)) => Some(index),
            _ => None,
        })
    }

    /// Removes the blobs that no manifest names.
    fn sweep(&self, index: &Index) -> io::Result<()> {
        let mut kept = BTreeSet::new();
        let mut names: Vec<Descriptor> = index.manifests.clone();
        while let Some(name) = names.pop() {
            if !kept.insert(name.digest.hex()) || name.size > MAX_OBJECT {
                continue;
            }
            let document = read(&self.blob(&name.digest))?.and_then(|bytes| Document::from_json(&bytes).ok());
            match document {
                Some(Document::Index(index)) => names.extend(index.manifests),
                Some(Document::Manifest(manifest)) => {
                    kept.insert(manifest.config.digest.hex());
                    kept.extend(manifest.layers.iter().map(|layer| layer.digest.hex()));
                }
                None => {}
            }
        }
        for entry in fs::read_dir(self.dir.join("blobs/sha256"))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if Digest::from_hex(&name).is_ok() && !kept.contains(&name) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The index that a manifest of a given digest names.
    fn pinned(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let Some(manifest) = read(&self.blob(digest))? else { return Ok(None) };
        match Artifact::object_in(&manifest) {
            Some(super::artifact::Object::Here(bytes)) => Ok(Some(bytes)),
            Some(super::artifact::Object::Blob(blob)) => read(&self.blob(&blob.digest)),
            Some(super::artifact::Object::Gone) | None => Ok(None),
        }
    }
}

impl Place for Local {
    fn name(&self) -> String {
        let tag = if self.tag == "latest" { String::new() } else { format!(":{}", self.tag) };
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        format!("{}{tag}{digest}", self.dir.display())
    }

    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        if let (Kind::Index, Some(digest)) = (name.kind(), &self.digest) {
            return self.pinned(digest).map_err(failed);
        }
        read(&self.object(name)).map_err(|error| match error.kind() {
            io::ErrorKind::FileTooLarge => ShareError::TooLarge { name: name.clone() },
            _ => failed(error),
        })
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], keeps: &[Descriptor]) -> Result<(), ShareError> {
        self.put(&self.object(name), true, |file| file.write_all(bytes)).map_err(failed)?;
        if name.kind() == Kind::Index { self.publish(bytes, keeps).map_err(failed) } else { Ok(()) }
    }

    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, ShareError> {
        self.put(&self.object(name), false, |file| file.write_all(bytes)).map_err(failed)
    }

    fn remove(&self, name: &ObjectName) -> Result<(), ShareError> {
        match fs::remove_file(self.object(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    fn has_blob(&self, blob: &Descriptor) -> Result<bool, ShareError> {
        match fs::metadata(self.blob(&blob.digest)) {
            Ok(meta) => Ok(meta.len() == blob.size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, ShareError> {
        Ok(Box::new(File::open(self.blob(&blob.digest)).map_err(failed)?))
    }

    fn push_blob(&self, blob: &Descriptor, content: &dyn Content, told: &Told) -> Result<(), ShareError> {
        let copy = |file: &mut File| {
            let reader = Counted::new(content.open(0)?, told);
            io::copy(&mut BufReader::with_capacity(BUFFER, reader), file).map(drop)
        };
        self.put(&self.blob(&blob.digest), true, copy).map(drop).map_err(failed)
    }
}

/// A file that may not be there, and that is no larger than an object.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_OBJECT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_OBJECT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(Some(bytes)) }
}

fn failed(error: io::Error) -> ShareError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ShareError::Denied(Box::new(error)),
        _ => ShareError::Failed(Box::new(error)),
    }
}
