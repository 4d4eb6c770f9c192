//! Where base images come from: the store, OCI layouts, Docker archives, registries, and this machine (`host:`).
//!
//! A base is known by its manifest and config, which are checked and kept in the store at once. Its layers stay where they are
//! until something wants them: [`BaseImage::source`] opens them, and the store checks them as it takes them in.

mod contents;
mod context;
mod docker_archive;
mod documents;
mod error;
mod host;
mod layout;
mod one_layer;
mod pulled;
mod resolver;
mod tar_index;

#[cfg(test)]
mod kit;
#[cfg(test)]
mod registry_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::image::{Descriptor, DiffId, Digest, ImageConfig};
use crate::store::BlobSource;

pub use contents::{Contained, contained, contents};
pub use error::Error;
pub use one_layer::import;
pub use resolver::{ContextFiles, Locks, Pull, Resolver, Settings};

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
