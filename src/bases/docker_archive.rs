//! Archives that `docker save` and its like write: `manifest.json` with layers as files (ARC-2).

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::archive::Format;
use crate::image::{Compression, Descriptor, DiffId, Digest, ImageConfig, Manifest, MediaType, Reference, Wire};
use crate::store::{BlobSource, Store};

use super::Error;
use super::contents::Contained;
use super::context::Selection;
use super::documents::{Picked, read_limited};
use super::tar_index::TarIndex;

/// An archive opened for reading.
#[derive(Debug)]
pub(super) struct DockerArchive {
    path: PathBuf,
    index: Arc<TarIndex>,
}

/// The layers of one image of an archive, by the digest of their blobs.
#[derive(Debug)]
pub(super) struct ArchivedLayers {
    index: Arc<TarIndex>,
    names: HashMap<Digest, String>,
}

/// One element of `manifest.json`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl DockerArchive {
    /// Opens the archive at `path`.
    pub(super) fn open(path: &Path, store: &Store) -> Result<Self, Error> {
        let index = TarIndex::open(path, store).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), index: Arc::new(index) })
    }

    /// The image that `selection` means, with a manifest made for it, and who has its layers.
    pub(super) fn image(&self, selection: &Selection, name: &str) -> Result<(Picked, ArchivedLayers), Error> {
        self.read_image(self.choose(selection)?, name)
    }

    /// All images, with manifests that are made for them and kept in the store.
    pub(super) fn all(&self, store: &Store) -> Result<Vec<Contained>, Error> {
        let mut all = Vec::new();
        for saved in self.saved()? {
            let tags = saved.repo_tags.clone().unwrap_or_default();
            let (picked, layers) = self.read_image(saved, &self.place())?;
            picked.keep(store)?;
            all.push(Contained {
                top: picked.descriptor,
                names: tags.iter().filter_map(|tag| tag.parse().ok()).collect(),
                tag: None,
                source: Arc::new(layers),
            });
        }
        Ok(all)
    }

    fn read_image(&self, saved: Saved, name: &str) -> Result<(Picked, ArchivedLayers), Error> {
        let config = self.read(&saved.config)?;
        self.check_config(&saved.config, &config)?;
        let parsed =
            ImageConfig::from_json(&config).map_err(|error| self.damaged(format!("{}: {error}", saved.config)))?;
        let files = saved.layers.unwrap_or_default();
        let ids = &parsed.rootfs.diff_ids;
        if files.len() != ids.len() {
            return Err(self.damaged(format!("it has {} layers, its config {}", files.len(), ids.len())));
        }
        let mut names = HashMap::new();
        let mut layers = Vec::new();
        for (file, id) in files.into_iter().zip(ids) {
            let layer = self.layer(&file, id)?;
            names.insert(layer.digest, file);
            layers.push(layer);
        }
        let manifest = Manifest {
            wire: Wire::Oci,
            config: Descriptor::of(MediaType::Config(Wire::Oci), &config),
            layers,
            annotations: BTreeMap::new(),
        };
        let picked = Picked::new(name, manifest.to_json(), manifest, config)?;
        Ok((picked, ArchivedLayers { index: Arc::clone(&self.index), names }))
    }

    fn saved(&self) -> Result<Vec<Saved>, Error> {
        let bytes = match self.read("manifest.json") {
            Ok(bytes) => bytes,
            Err(_) if self.index.member("repositories").is_some() => {
                let reason = "it has no manifest.json: such archives were written before Docker 1.10".to_owned();
                return Err(Error::NotAnImage { name: self.place(), reason });
            }
            Err(error) => return Err(error),
        };
        serde_json::from_slice(&bytes).map_err(|error| self.damaged(format!("manifest.json: {error}")))
    }

    fn choose(&self, selection: &Selection) -> Result<Saved, Error> {
        let mut images = self.saved()?;
        let tags = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
        let matches = |saved: &Saved| match (&selection.digest, &selection.tag) {
            (Some(digest), _) => saved.config.contains(&digest.hex()),
            (None, Some(wanted)) => tags(saved).iter().any(|has| names_same(has, wanted)),
            (None, None) => tags(saved).iter().any(|has| has.ends_with(":latest")),
        };
        let chosen = match images.iter().position(matches) {
            Some(at) => Some(at),
            None if images.len() == 1 && selection.tag.is_none() && selection.digest.is_none() => Some(0),
            None => None,
        };
        let Some(at) = chosen else {
            let wanted = selection.digest.map(|digest| digest.to_string()).or_else(|| selection.tag.clone());
            let wanted = wanted.unwrap_or_else(|| "latest".to_owned());
            return Err(Error::Absent { place: self.place(), wanted, present: images.iter().flat_map(tags).collect() });
        };
        Ok(images.swap_remove(at))
    }

    /// A config named by its digest must have it: it is the image id.
    fn check_config(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".json");
        let (Ok(promised), found) = (Digest::from_hex(stem), Digest::of(bytes)) else { return Ok(()) };
        if promised == found {
            return Ok(());
        }
        Err(self.damaged(format!("expected a config of digest {promised}, got {found}")))
    }

    fn layer(&self, file: &str, id: &DiffId) -> Result<Descriptor, Error> {
        let missing = || self.damaged(format!("layer {file} is missing"));
        let failed = |source| Error::Read { path: self.path.clone(), source };
        let (reader, size) = self.index.member(file).ok_or_else(missing)?;
        let (format, reader) = crate::archive::sniff(reader).map_err(failed)?;
        let compression = match format {
            Format::Plain => Compression::Uncompressed,
            Format::Gzip => Compression::Gzip,
            Format::Zstd => Compression::Zstd,
            Format::Bzip2 | Format::Xz => return Err(self.damaged(format!("layer {file} is no tar, gzip or zstd"))),
        };
        let named = file.strip_prefix("blobs/sha256/").and_then(|hex| Digest::from_hex(hex).ok());
        let digest = match (compression, named) {
            (_, Some(digest)) => digest,
            (Compression::Uncompressed, None) => id.0,
            (_, None) => digest_of(reader).map_err(failed)?,
        };
        Ok(Descriptor::new(MediaType::Layer(Wire::Oci, compression), digest, size))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (reader, _) = self.index.member(name).ok_or_else(|| self.damaged(format!("{name} is missing")))?;
        read_limited(reader).map_err(|source| Error::Read { path: self.path.clone(), source })
    }

    fn damaged(&self, reason: String) -> Error {
        Error::Damaged { place: self.place(), reason }
    }

    fn place(&self) -> String {
        format!("docker-archive://{}", self.path.display())
    }
}

/// Whether a name of `RepoTags` is what was asked for: the whole name, or the tag alone.
fn names_same(has: &str, wanted: &str) -> bool {
    let (Ok(name), parsed) = (has.parse::<Reference>(), wanted.parse::<Reference>()) else { return has == wanted };
    name.tag() == Some(wanted) || parsed.is_ok_and(|parsed| parsed == name)
}

fn digest_of(mut reader: impl Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            count => hash.update(&buffer[..count]),
        }
    }
}

impl BlobSource for ArchivedLayers {
    fn fetch(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let member = self.names.get(&blob.digest).and_then(|name| self.index.member(name));
        let missing =
            || io::Error::new(io::ErrorKind::NotFound, format!("layer {} is not in the archive", blob.digest));
        member.map(|(reader, _)| reader).ok_or_else(missing)
    }
}
