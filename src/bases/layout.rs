//! OCI image layouts, as directories and as tars.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::image::{Descriptor, Digest, Document, IMAGE_NAME, Index, MediaType, Platform, REF_NAME, Reference, Wire};
use crate::store::{BlobSource, Store};

use super::Error;
use super::context::Selection;
use super::documents::{Documents, Picked, no_platform, pick, read_limited};
use super::tar_index::TarIndex;

/// A layout opened for reading. Its blobs are read when they are asked for.
#[derive(Debug)]
pub(super) struct Layout {
    path: PathBuf,
    files: LayoutFiles,
}

#[derive(Debug)]
enum LayoutFiles {
    Directory,
    Tar(Arc<TarIndex>),
}

impl Layout {
    /// Opens the layout at `path`, a directory or a tar file.
    pub(super) fn open(path: &Path, store: &Store) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let files = if std::fs::metadata(path).map_err(failed)?.is_dir() {
            LayoutFiles::Directory
        } else {
            LayoutFiles::Tar(Arc::new(TarIndex::open(path, store).map_err(failed)?))
        };
        Ok(Self { path: path.to_owned(), files })
    }

    /// The image that `selection` means, for `platform`. `name` is what errors call it.
    pub(super) fn image(&self, selection: &Selection, platform: &Platform, name: &str) -> Result<Picked, Error> {
        let index = self.index()?;
        if let Some(digest) = &selection.digest {
            let entry = index.manifests.iter().find(|entry| entry.digest == *digest);
            let top = match entry {
                Some(entry) => entry.clone(),
                // It may stand in an index further down, or in none.
                None => self.unlisted(digest, &index)?,
            };
            return pick(self, &top, platform, name);
        }
        let named = self.named(&index, selection.tag.as_deref())?;
        let candidates = Index::of(named);
        let top = match &candidates.manifests[..] {
            [sole] => sole,
            many => candidates.select(platform).ok_or_else(|| no_platform(name, platform, many))?,
        };
        pick(self, top, platform, name)
    }

    /// Its `index.json`.
    pub(super) fn index(&self) -> Result<Index, Error> {
        let damaged = |reason: String| Error::Damaged { place: self.place(), reason };
        let bytes = self.open_file("index.json").and_then(|(reader, _)| read_limited(reader));
        let bytes = bytes.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => damaged("it has no index.json, so it is no OCI layout".to_owned()),
            _ => Error::Read { path: self.path.join("index.json"), source },
        })?;
        match Document::from_json(&bytes) {
            Ok(Document::Index(index)) => Ok(index),
            Ok(Document::Manifest(_)) => Err(damaged("index.json is a manifest, not an index".to_owned())),
            Err(error) => Err(damaged(format!("index.json: {error}"))),
        }
    }

    /// The entries that a tag means: by default `latest`, or else whatever there is, if only one name is there (ARC-7).
    fn named(&self, index: &Index, tag: Option<&str>) -> Result<Vec<Descriptor>, Error> {
        let entries = &index.manifests;
        let wanted = tag.unwrap_or("latest");
        let found: Vec<_> = entries.iter().filter(|entry| has_name(entry, wanted)).cloned().collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let mut names: Vec<String> =
            entries.iter().filter_map(|entry| entry.annotations.get(REF_NAME).cloned()).collect();
        names.dedup();
        let one_name = names.is_empty() || entries.len() == 1;
        if tag.is_none() && one_name && !entries.is_empty() {
            return Ok(entries.clone());
        }
        Err(Error::Absent { place: self.place(), wanted: wanted.to_owned(), present: names })
    }

    fn unlisted(&self, digest: &Digest, index: &Index) -> Result<Descriptor, Error> {
        let (_, size) = self.open_file(&blob_name(digest)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::Absent {
                place: self.place(),
                wanted: digest.to_string(),
                present: index.manifests.iter().map(|entry| entry.digest.to_string()).collect(),
            },
            _ => Error::Read { path: self.path.clone(), source },
        })?;
        Ok(Descriptor::new(MediaType::Manifest(Wire::Oci), *digest, size))
    }

    /// Whether there is such a file in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.open_file(name).is_ok()
    }

    /// Opens a file of the layout, and tells its length.
    fn open_file(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        match &self.files {
            LayoutFiles::Directory => {
                let path = self.path.join(name);
                let meta = std::fs::metadata(&path)?;
                if !meta.is_file() {
                    // Opening a pipe would wait for ever.
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
                }
                Ok((Box::new(io::BufReader::with_capacity(256 << 10, File::open(path)?)), meta.len()))
            }
            LayoutFiles::Tar(index) => index.member(name).ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }
}

/// Whether an entry bears `wanted`: as its tag, as its whole name, or as the tag of its whole name.
fn has_name(entry: &Descriptor, wanted: &str) -> bool {
    let names = [REF_NAME, IMAGE_NAME].into_iter().filter_map(|key| entry.annotations.get(key));
    names.into_iter().any(|name| {
        let reference = |text: &str| text.parse::<Reference>().ok();
        name == wanted
            || reference(name).is_some_and(|has| {
                let tagged = name.contains(':') && has.tag() == Some(wanted);
                tagged || (wanted.contains(['/', ':']) && reference(wanted).is_some_and(|wanted| wanted == has))
            })
    })
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

impl Documents for Layout {
    fn read(&self, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        self.fetch(blob)
            .and_then(read_limited)
            .map_err(|error| Error::Damaged { place: self.place(), reason: error.to_string() })
    }

    fn place(&self) -> String {
        format!("oci-layout://{}", self.path.display())
    }
}

impl BlobSource for Layout {
    fn fetch(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let opened = self.open_file(&blob_name(&blob.digest));
        let named = |error: io::Error| {
            let reason = match error.kind() {
                io::ErrorKind::NotFound => "it is missing".to_owned(),
                _ => error.to_string(),
            };
            io::Error::new(error.kind(), format!("blob {} of {}: {reason}", blob.digest, self.path.display()))
        };
        opened.map(|(reader, _)| reader).map_err(named)
    }
}
