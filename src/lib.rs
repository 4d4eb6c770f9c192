//! kiln turns a Dockerfile into an OCI image without a daemon.

pub mod archive;
pub mod bases;
pub mod build;
pub mod cache;
pub mod cli;
pub mod context;
pub mod copy;
pub mod dockerfile;
pub mod download;
pub mod exec;
pub mod format;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod git;
pub mod image;
pub mod images;
pub mod layer;
pub mod lint;
pub mod output;
pub mod plan;
pub mod policy;
pub mod progress;
pub mod registry;
pub mod remote;
pub mod rootfs;
pub mod sandbox;
#[cfg(test)]
mod shapes;
pub mod share;
pub mod snapshot;
pub mod ssh;
pub mod store;
pub mod transfer;
pub mod upkeep;
