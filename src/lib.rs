//! kiln turns a Dockerfile into an OCI image without a daemon and without root.

pub mod cache;
pub mod dockerfile;
pub mod image;
pub mod plan;
pub mod progress;
pub mod rootfs;
