//! The small files of results: `--iidfile` and `--metadata-file`.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// A file that is written once the build is done.
#[derive(Debug)]
pub(super) struct ResultFile(PathBuf);

impl ResultFile {
    /// Looks whether the file can be there later: better now than after a long build. An empty path is no file.
    pub(super) fn at(flag: &str, path: Option<&Path>) -> Result<Option<Self>, Failure> {
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else { return Ok(None) };
        if !directory_of(path).is_dir() {
            let message = format!("{flag}: there is no directory `{}`", directory_of(path).display());
            return Err(Failure::usage(message, Some("make it first")));
        }
        if path.is_dir() {
            return Err(Failure::usage(
                format!("{flag}: `{}` is a directory", path.display()),
                Some("name a file in it"),
            ));
        }
        Ok(Some(Self(path.to_owned())))
    }

    /// Removes an old one: whoever reads it must not take its content for that of the new build.
    pub(super) fn remove_old(&self) -> Result<(), Failure> {
        if self.is_special() {
            return Ok(());
        }
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::machine(&format!("cannot remove {}", self.0.display()), &error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the file aside and renames it, mode 0644: a reader never sees part of it.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let result = if self.is_special() { fs::write(&self.0, bytes) } else { self.write_aside(bytes) };
        result.map_err(|error| Failure::machine(&format!("cannot write {}", self.0.display()), &error))
    }

    fn write_aside(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(directory_of(&self.0))?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        file.persist(&self.0).map(drop).map_err(|error| error.error)
    }

    /// A device or pipe, such as `/dev/stdout`, must be neither removed nor replaced.
    fn is_special(&self) -> bool {
        fs::metadata(&self.0).is_ok_and(|meta| !meta.is_file()) || self.0.starts_with("/dev")
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_an_old_id_is_removed_and_the_new_one_has_no_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id");
        fs::write(&path, "old").unwrap();
        let file = ResultFile::at("--iidfile", Some(&path)).unwrap().unwrap();
        file.remove_old().unwrap();
        assert!(!path.exists());
        file.remove_old().unwrap();
        file.write(b"sha256:0").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"sha256:0");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn cli_places_where_no_file_can_be_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ResultFile::at("--iidfile", Some(dir.path())).is_err());
        assert!(ResultFile::at("--iidfile", Some(&dir.path().join("no/id"))).is_err());
        assert!(ResultFile::at("--iidfile", Some(Path::new(""))).unwrap().is_none());
        assert!(ResultFile::at("--iidfile", None).unwrap().is_none());
    }

    #[test]
    fn cli_a_device_stays_a_device() {
        let file = ResultFile::at("--iidfile", Some(Path::new("/dev/null"))).unwrap().unwrap();
        file.remove_old().unwrap();
        file.write(b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
