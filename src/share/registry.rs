//! A repository as a place: every object is an OCI artifact with a tag of its own, the index that of the cache.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::image::{Descriptor, Digest, Document, ImageConfig, MediaType, Platform, Reference};
use crate::registry::{self, Content, Told};

use super::artifact::{Artifact, Object};
use super::turns::Turns;
use super::{Kind, MAX_OBJECT, ObjectName, Place, ShareError, inline};

/// Characters of the cache's own tag in the tags of its objects: a tag has at most 128.
const LONGEST_TAG: usize = 100;
/// How long who creates an object waits before it looks who has won.
const SETTLE: Duration = Duration::from_millis(200);
const LONGEST_SETTLE: Duration = Duration::from_secs(2);

/// A repository.
pub struct Registry {
    client: Arc<registry::Registry>,
    name: Reference,
    /// Small blobs.
    sent: Turns,
}

impl Registry {
    /// The cache `name`, over a client that has the credentials.
    pub fn new(client: Arc<registry::Registry>, name: Reference) -> Self {
        Self { client, name, sent: Turns::default() }
    }

    fn tag(&self) -> &str {
        self.name.tag().unwrap_or("latest")
    }

    /// The name of an object: the index has that of the cache.
    fn object(&self, name: &ObjectName) -> Result<Reference, ShareError> {
        if name.kind() == Kind::Index {
            return Ok(self.name.clone());
        }
        let tag: String = self.tag().chars().take(LONGEST_TAG).collect();
        let hash = Digest::of(name.to_string().as_bytes()).hex();
        let text = format!("{}:{tag}-{}", self.name.place(), &hash[..24]);
        text.parse().map_err(|error: crate::image::ReferenceError| ShareError::Failed(Box::new(error)))
    }

    fn blob(&self, blob: &Descriptor) -> Result<Vec<u8>, ShareError> {
        let mut bytes = Vec::new();
        let reader = self.client.blob(&self.name, blob).map_err(failed)?;
        reader.take(MAX_OBJECT + 1).read_to_end(&mut bytes).map_err(|error| ShareError::Failed(Box::new(error)))?;
        if Digest::of(&bytes) == blob.digest {
            return Ok(bytes);
        }
        Err(ShareError::Damaged { what: blob.digest.to_string(), reason: "it has another digest".to_owned() })
    }

    fn push_small(&self, bytes: &[u8]) -> Result<(), ShareError> {
        let blob = Descriptor::of(MediaType::Other(String::new()), bytes);
        let send = || {
            if self.has_blob(&blob)? {
                return Ok(());
            }
            let nobody: Told = Arc::new(|_| {});
            self.push_blob(&blob, &bytes.to_vec(), &nobody)
        };
        self.sent.once(&blob.digest, send).map(drop)
    }

    fn put(&self, name: &Reference, artifact: &Artifact<'_>) -> Result<(), ShareError> {
        for blob in artifact.own_blobs() {
            self.push_small(blob)?;
        }
        let bytes = artifact.manifest();
        let manifest = Descriptor::of(Artifact::media_type(), &bytes);
        self.client.push_manifest(name, &manifest, &bytes).map_err(failed)
    }

    /// Nobody's image is overwritten with a cache, whatever records it holds.
    fn refuse_foreign(&self, name: &Reference) -> Result<(), ShareError> {
        match self.client.resolve(name) {
            Ok(found) if Artifact::object_in(&found.bytes).is_none() => {
                Err(ShareError::Foreign { what: "there is something else than a cache under its name".to_owned() })
            }
            Ok(_) | Err(registry::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// What stands under the cache's name, where that is no cache: the records in an image, if there are any.
    fn foreign(&self, manifest: &[u8]) -> Result<Option<Vec<u8>>, ShareError> {
        let something =
            || ShareError::Foreign { what: "there is something else than a cache under its name".to_owned() };
        let manifest = match Document::from_json(manifest).map_err(|_| something())? {
            Document::Manifest(manifest) => manifest,
            Document::Index(index) => {
                let image = index.select(&Platform::host()).ok_or_else(something)?;
                let bytes = self.client.manifest(&self.name, &image.digest).map_err(failed)?;
                match Document::from_json(&bytes) {
                    Ok(Document::Manifest(manifest)) => manifest,
                    _ => return Err(something()),
                }
            }
        };
        if !matches!(manifest.config.media_type, MediaType::Config(_)) {
            return Err(something());
        }
        let config = self.blob(&manifest.config)?;
        let config = ImageConfig::from_json(&config).map_err(|_| something())?;
        inline::index_of(&config, &manifest.layers)?.map(|index| index.to_object()).transpose()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.name).finish()
    }
}

impl Place for Registry {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        let found = match self.client.resolve(&self.object(name)?) {
            Ok(found) => found,
            Err(registry::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if self.name.digest().is_some_and(|wanted| wanted != found.descriptor.digest && name.kind() == Kind::Index) {
            return Err(ShareError::Damaged {
                what: self.name.to_string(),
                reason: "it has another digest".to_owned(),
            });
        }
        match Artifact::object_in(&found.bytes) {
            Some(Object::Here(bytes)) => Ok(Some(bytes)),
            Some(Object::Blob(blob)) if blob.size > MAX_OBJECT => Err(ShareError::TooLarge { name: name.clone() }),
            Some(Object::Blob(blob)) => self.blob(&blob).map(Some),
            None if name.kind() == Kind::Index => self.foreign(&found.bytes),
            Some(Object::Gone) | None => Ok(None),
        }
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], keeps: &[Descriptor]) -> Result<(), ShareError> {
        let object = self.object(name)?;
        if name.kind() == Kind::Index {
            self.refuse_foreign(&object)?;
        }
        self.put(&object, &Artifact::new(bytes, keeps))
    }

    /// Registries know no conditional write: whoever is in there a moment later has it. The moment is longer than others may
    /// need between their look and their write, where they are about as slow as this one.
    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, ShareError> {
        let (object, artifact) = (self.object(name)?, Artifact::new(bytes, &[]));
        for blob in artifact.own_blobs() {
            self.push_small(blob)?;
        }
        let began = Instant::now();
        if self.read(name)?.is_some() {
            return Ok(false);
        }
        self.put(&object, &artifact)?;
        let settle = SETTLE.max(began.elapsed() * 4).min(LONGEST_SETTLE);
        // Twice: whoever was slower than that and comes between the looks has it.
        for pause in [settle, settle / 2] {
            std::thread::sleep(pause);
            if self.read(name)?.as_deref() != Some(bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Few registries delete tags: the object is overwritten with a manifest that holds none.
    fn remove(&self, name: &ObjectName) -> Result<(), ShareError> {
        self.put(&self.object(name)?, &Artifact::gone())
    }

    fn has_blob(&self, blob: &Descriptor) -> Result<bool, ShareError> {
        self.client.has_or_mounts(&self.name, blob, &[]).map(|found| found.is_some()).map_err(failed)
    }

    fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, ShareError> {
        self.client.blob(&self.name, blob).map_err(failed)
    }

    fn push_blob(&self, blob: &Descriptor, content: &dyn Content, told: &Told) -> Result<(), ShareError> {
        self.client.push_blob(&self.name, blob, content, told).map_err(failed)
    }

    fn repository(&self) -> Option<String> {
        Some(self.name.place())
    }
}

fn failed(error: registry::Error) -> ShareError {
    use registry::Error;
    match error {
        Error::Unreachable { .. } | Error::Offline { .. } => ShareError::Unreachable(Box::new(error)),
        Error::Denied { .. } | Error::Untrusted { .. } | Error::Credentials { .. } | Error::Certificates { .. } => {
            ShareError::Denied(Box::new(error))
        }
        _ => ShareError::Failed(Box::new(error)),
    }
}
