//! Where base images come from: the store, OCI layouts, Docker archives, registries, and this machine (`host:`).

use std::fmt;
use std::sync::Arc;

use crate::image::{Descriptor, DiffId, Digest, ImageConfig};
use crate::store::BlobSource;

/// A base image as far as it is known without its layers.
#[derive(Clone)]
pub struct BaseImage {
    /// How the Dockerfile names it.
    pub name: String,
    /// Digest of its manifest, or of its config where it came without one.
    pub digest: Digest,
    /// Its config.
    pub config: ImageConfig,
    /// Its layers, lowest first.
    pub layers: Vec<(DiffId, Descriptor)>,
    /// Who has the layers that the store does not hold.
    pub source: Option<Arc<dyn BlobSource>>,
}

impl fmt::Debug for BaseImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseImage").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
}
