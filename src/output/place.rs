//! A file under its final name only once it is whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::{Destination, OutputError};

/// Where an output's bytes go while they are written.
#[derive(Debug)]
pub(super) enum Place {
    /// A hidden file beside the final name.
    Aside { file: NamedTempFile, path: PathBuf },
    /// A pipe or device: there is nothing to rename over.
    Direct { file: File, path: PathBuf },
    /// Standard output.
    Stdout,
}

impl Place {
    /// Opens `destination`, making the directories above it.
    pub(super) fn open(destination: &Destination) -> Result<Self, OutputError> {
        let Destination::Path(path) = destination else { return Ok(Self::Stdout) };
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => Err(OutputError::IsDirectory(path.clone())),
            Ok(meta) if !meta.is_file() => {
                let file = File::options().write(true).open(path).map_err(OutputError::writing(path))?;
                Ok(Self::Direct { file, path: path.clone() })
            }
            // Through a link to a file, so that the link stays.
            Ok(_) => Self::aside(&path.canonicalize().map_err(OutputError::writing(path))?),
            Err(_) => Self::aside(path),
        }
    }

    fn aside(path: &Path) -> Result<Self, OutputError> {
        let file = beside(path).map_err(OutputError::writing(path))?;
        Ok(Self::Aside { file, path: path.to_owned() })
    }

    /// The file, if there is one that the kernel can copy into.
    pub(super) fn file(&self) -> Option<&File> {
        match self {
            Self::Aside { file, .. } => Some(file.as_file()),
            Self::Direct { .. } | Self::Stdout => None,
        }
    }

    /// Takes room on the disk for a file of `size` bytes, so that the lack of it shows at once. Besides, a file that has its
    /// room need not be written out when it takes another's name, which ext4 does with all others (ext4(5), `auto_da_alloc`).
    pub(super) fn reserve(&self, size: u64) -> io::Result<()> {
        let Some(file) = self.file() else { return Ok(()) };
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
            Err(full @ (Errno::NOSPC | Errno::DQUOT)) => Err(full.into()),
            // Many filesystems cannot do it, and none must.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// For `map_err`: a failure to write here.
    pub(super) fn failed(&self, source: io::Error) -> OutputError {
        match self {
            Self::Aside { path, .. } | Self::Direct { path, .. } => OutputError::Write { path: path.clone(), source },
            Self::Stdout => OutputError::Stdout(source),
        }
    }

    /// Gives the bytes their final name.
    pub(super) fn commit(mut self) -> Result<(), OutputError> {
        self.flush().map_err(|error| self.failed(error))?;
        match self {
            Self::Aside { file, path } => {
                file.persist(&path).map(drop).map_err(|error| OutputError::Write { path, source: error.error })
            }
            Self::Direct { .. } | Self::Stdout => Ok(()),
        }
    }
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Aside { file, .. } => file.as_file_mut().write(bytes),
            Self::Direct { file, .. } => file.write(bytes),
            Self::Stdout => io::stdout().lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Aside { file, .. } => file.as_file_mut().flush(),
            Self::Direct { file, .. } => file.flush(),
            Self::Stdout => io::stdout().lock().flush(),
        }
    }
}

/// A new hidden file in the directory of `path`, which is made if it is not there. It has the mode that a plain new file
/// has, and goes when dropped.
pub(super) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    tempfile::Builder::new().prefix(".kiln-").permissions(Permissions::from_mode(0o666)).tempfile_in(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_file_gets_the_name_and_links_stay() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("deep/er/out.tar");
        let mut dropped = Place::open(&Destination::Path(target.clone())).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 0);
        let mut whole = Place::open(&Destination::Path(target.clone())).unwrap();
        whole.write_all(b"whole").unwrap();
        whole.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"whole");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut through = Place::open(&Destination::Path(link.clone())).unwrap();
        through.write_all(b"new").unwrap();
        through.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn out_cli_2_a_directory_is_refused_and_a_device_is_written_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let error = Place::open(&Destination::Path(dir.path().to_owned())).unwrap_err();
        assert!(matches!(error, OutputError::IsDirectory(_)));
        let mut null = Place::open(&Destination::Path("/dev/null".into())).unwrap();
        null.write_all(b"x").unwrap();
        null.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
