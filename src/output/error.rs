use std::io;
use std::path::{Path, PathBuf};

use super::OutputKind;

/// Why an output was not written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// A file or directory cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output cannot be written; a closed pipe is among the causes.
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    /// The image cannot be put into the store or read from it.
    #[error("cannot use the image in the store")]
    Store(#[source] io::Error),
    /// The root filesystem cannot be put together.
    #[error("cannot read the root filesystem of the image")]
    RootFs(#[source] io::Error),
    /// A file was asked for and a directory is there.
    #[error("`{0}` is a directory, and the output needs a file")]
    IsDirectory(PathBuf),
    /// A directory was asked for and something else is there.
    #[error("`{0}` is not a directory, and the output needs one")]
    NotADirectory(PathBuf),
    /// Docker media types have none for zstd (MT-2).
    #[error("layers compressed with zstd need OCI media types")]
    ZstdInDocker,
    /// The output needs a destination that it does not have.
    #[error("an output of type {0} needs another destination")]
    NoDestination(OutputKind),
}

impl OutputError {
    /// For `map_err`: a failure to write `path`.
    pub(super) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}
