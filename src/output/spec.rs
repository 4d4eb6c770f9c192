use std::fmt;
use std::path::PathBuf;

use crate::image::{Compression, Reference, Wire};

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
    /// The store (`type=image`), and registries where it is pushed.
    Store,
    /// Nothing but what the cache keeps (`type=cacheonly`; OUT-4).
    Nothing,
}

/// One `-o`, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct OutputSpec {
    /// What.
    pub kind: OutputKind,
    /// Where; absent only for [`OutputKind::Store`] and [`OutputKind::Nothing`].
    pub destination: Option<Destination>,
    /// `name=`; empty when the build's tags are to be used (CLI-4).
    pub names: Vec<Reference>,
    /// `compression=`: for new layers.
    pub compression: Option<Compression>,
    /// `compression-level=`
    pub level: Option<i32>,
    /// `force-compression=`: layers of a base, too, get that compression.
    pub force_compression: bool,
    /// `rewrite-timestamp=` (TIME-3).
    pub rewrite_timestamp: bool,
    /// `oci-mediatypes=`
    pub oci_media_types: Option<bool>,
    /// `push=`, `type=registry`, `--push`: the image is sent to the registries of its names. Only of [`OutputKind::Store`].
    pub push: bool,
    /// `push-by-digest=`: it gets no tag there.
    pub by_digest: bool,
}

/// A `-o` that says nothing kiln can do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct OutputSpecError(pub String);

impl OutputKind {
    /// Whether the output holds an image, not just its files: only such an output needs a config and a manifest.
    pub const fn is_image(self) -> bool {
        !matches!(self, Self::Local | Self::Tar | Self::Nothing)
    }
}

impl fmt::Display for OutputKind {
    /// The word after `type=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OciTar => "oci",
            Self::OciDirectory => "oci-layout",
            Self::Docker => "docker",
            Self::Local => "local",
            Self::Tar => "tar",
            Self::Store => "image",
            Self::Nothing => "cacheonly",
        })
    }
}

impl fmt::Display for OutputSpec {
    /// The type and where it goes, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.destination {
            Some(Destination::Path(path)) => write!(f, "{} to {}", self.kind, path.display()),
            Some(Destination::Stdout) => write!(f, "{} to standard output", self.kind),
            None if self.kind == OutputKind::Nothing => write!(f, "{}", self.kind),
            None if self.push => write!(f, "{} to the registry", self.kind),
            None => write!(f, "{} to the store", self.kind),
        }
    }
}

impl OutputSpec {
    /// An output with no options.
    pub const fn new(kind: OutputKind, destination: Option<Destination>) -> Self {
        Self {
            kind,
            destination,
            names: Vec::new(),
            compression: None,
            level: None,
            force_compression: false,
            rewrite_timestamp: false,
            oci_media_types: None,
            push: false,
            by_digest: false,
        }
    }

    /// The family of media types to write (MT-1). An OCI layout keeps OCI types whatever is asked.
    pub fn wire(&self) -> Wire {
        match (self.kind, self.oci_media_types) {
            (OutputKind::Docker | OutputKind::Store, Some(false)) => Wire::Docker,
            _ => Wire::Oci,
        }
    }
}
