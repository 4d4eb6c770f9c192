//! Registries: what a name means there, and the bytes of manifests and blobs, both ways (AUTH, distribution specification).
//!
//! This room speaks the protocol over `reqwest`, blocking, bounded in memory and time, and patient: what fails for a reason
//! that may pass is tried again, and a transfer that breaks off goes on where it stopped. Nothing read here is trusted:
//! whoever asks checks digests and sizes.
//!
//! Credentials go to the registry they are kept for, and to the token server it names; never to a mirror, to another host
//! that it names for an upload, or along a redirect.

mod access;
mod challenge;
mod client;
mod connection;
mod content;
mod credentials;
mod discover;
mod download;
mod error;
mod fault;
mod helper;
mod login;
mod manage;
mod patience;
mod token;
mod upload;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use access::{Access, HostAccess};
pub use client::{Registry, Resolved};
pub use content::{Content, Counted, Told};
pub use discover::Page;
pub use error::{Doing, Error};
pub use fault::Fault;
pub use login::{Kept, log_in, log_out};
pub use upload::Sent;
