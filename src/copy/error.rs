use std::io;

use crate::context::PatternError;
use crate::rootfs::ChmodError;
use crate::rootfs::RootPath;
use crate::rootfs::users::UserError;

/// COPY, ADD or WORKDIR cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A source without wildcards is not there (COPY-13).
    #[error("failed to calculate checksum of the source: \"{0}\": not found")]
    NotFound(RootPath),
    /// Links in the path of a source or destination lead in a circle.
    #[error("too many levels of symbolic links in {0}")]
    Loop(RootPath),
    /// A directory meets something else (COPY-21, COPY-25).
    #[error("cannot copy to non-directory: {0}")]
    NonDirectory(RootPath),
    /// Something else meets a directory (COPY-25).
    #[error("cannot replace to directory {0} with file")]
    DirectoryInTheWay(RootPath),
    /// The destination must be a directory, or is below something that must be one.
    #[error("{0}: not a directory")]
    NotADirectory(RootPath),
    /// WORKDIR meets something that is no directory.
    #[error("cannot make the working directory: {0}: not a directory")]
    WorkdirInTheWay(RootPath),
    /// A source holds a wildcard that cannot be read.
    #[error("invalid wildcard in source `{pattern}`")]
    Wildcard {
        /// The source.
        pattern: String,
        /// What is wrong.
        source: PatternError,
    },
    /// `--exclude`.
    #[error("invalid excludepatterns: {}", patterns.join(", "))]
    Exclude {
        /// All of them.
        patterns: Vec<String>,
        /// What is wrong.
        source: PatternError,
    },
    /// A source with `--parents`.
    #[error("invalid includepatterns: {pattern}")]
    Include {
        /// The source.
        pattern: String,
        /// What is wrong.
        source: PatternError,
    },
    /// `--chmod` is no mode.
    #[error(transparent)]
    Chmod(#[from] ChmodError),
    /// A user or group name where there is nothing to look it up in (COPY-40, COPY-43).
    #[error("invalid user index: -1 (`{0}` cannot be looked up in an empty filesystem)")]
    EmptyFilesystem(String),
    /// The files that name users cannot be read.
    #[error("cannot look up `{name}`")]
    Owner {
        /// The owner as given.
        name: String,
        /// Why.
        source: UserError,
    },
    /// A member of an archive would be placed outside the destination, or has no usable name (ADD-4).
    #[error("archive {archive}: member `{member}` {problem}")]
    Member {
        /// The archive, as people know it.
        archive: RootPath,
        /// The member's name.
        member: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An archive breaks off or cannot be unpacked.
    #[error("cannot unpack {archive}")]
    Unpack {
        /// The archive, as people know it.
        archive: RootPath,
        /// Why.
        source: io::Error,
    },
    /// A source cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The source, as people know it.
        path: RootPath,
        /// Why.
        source: io::Error,
    },
}

impl CopyError {
    /// Which message of the list of diagnostics this is, or the rule that was broken where the list has none.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) | Self::Loop(_) | Self::Read { .. } => "D-87",
            Self::NonDirectory(_) | Self::DirectoryInTheWay(_) | Self::NotADirectory(_) => "D-88",
            Self::WorkdirInTheWay(_) => "D-92",
            Self::Wildcard { .. } | Self::Exclude { .. } | Self::Include { .. } => "D-89",
            Self::Chmod(_) => "D-86",
            Self::EmptyFilesystem(_) | Self::Owner { .. } => "D-99",
            Self::Member { .. } | Self::Unpack { .. } => "ADD-4",
        }
    }
}
