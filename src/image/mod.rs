//! The vocabulary of images: digests, descriptors, references, platforms, configs and manifests.
//!
//! Pure: nothing here reads or writes a file or a socket. `oci-spec` types appear only where bytes are
//! parsed or printed; every other room passes the types of this one.

mod config;
mod digest;
mod layout;
mod manifest;
mod platform;
mod reference;
mod referrer;

pub use config::{CreatedTime, Healthcheck, History, ImageConfig, RunConfig};
pub use digest::{ChainId, DiffId, Digest, DigestError};
pub use layout::{IMAGE_NAME, OCI_LAYOUT, REF_NAME, rfc_3339, seconds_of};
pub use manifest::{Compression, Descriptor, Document, Index, Manifest, ManifestError, MediaType, Wire, platforms_of};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
pub use referrer::Referrer;

/// `PATH` of an image that sets none (FROM-12, FROM-16).
pub const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
