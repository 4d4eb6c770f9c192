//! kiln turns a Dockerfile into an OCI image, without a daemon and without root.

pub mod cache;
pub mod image;
pub mod rootfs;
