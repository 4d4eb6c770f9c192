//! Registries: what a name means there, and the bytes of manifests and blobs (AUTH, distribution specification).
//!
//! The protocol is the crate `oci-client`'s. This room makes it blocking, bounded in memory and time, and patient: what fails
//! for a reason that may pass is tried again, and a download that breaks off goes on where it stopped. Nothing read here is
//! trusted: whoever asks checks digests and sizes.
//!
//! Credentials go to the registry they are kept for, and to the token server it names; never to a mirror or a redirect.

mod body;
mod client;
mod credentials;
mod error;
mod helper;
mod patience;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use client::{Registry, Resolved};
pub use error::Error;
