use std::path::PathBuf;

use crate::image::{Compression, Reference};

/// Where an output goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// A file or directory.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

/// The kinds of output (OUT-CLI-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutputKind {
    /// A tar that holds an OCI layout (`type=oci`).
    OciTar,
    /// An OCI layout as a directory (`type=oci-layout`, or `type=oci,tar=false`).
    OciDirectory,
    /// A Docker archive, which is an OCI layout as well (`type=docker`; ARC-1).
    Docker,
    /// The root filesystem in a directory (`type=local`).
    Local,
    /// The root filesystem as one tar (`type=tar`).
    Tar,
    /// Nothing but the store (`type=image` without push, `type=cacheonly`).
    Store,
}

/// One `-o`, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputSpec {
    /// What.
    pub kind: OutputKind,
    /// Where; absent only for [`OutputKind::Store`].
    pub destination: Option<Destination>,
    /// `name=`; empty when the build's tags are to be used (CLI-4).
    pub names: Vec<Reference>,
    /// `compression=`: for new layers.
    pub compression: Option<Compression>,
    /// `compression-level=`
    pub level: Option<i32>,
    /// `rewrite-timestamp=` (TIME-3).
    pub rewrite_timestamp: bool,
    /// `oci-mediatypes=`
    pub oci_media_types: Option<bool>,
}

/// A `-o` that says nothing kiln can do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct OutputSpecError(pub String);
