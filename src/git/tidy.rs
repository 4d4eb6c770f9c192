use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use walkdir::WalkDir;

/// Which times the files of a checkout get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Times {
    /// Those that they have.
    AsTheyAre,
    /// This one: seconds since 1970.
    All(i64),
}

/// Git's own files in the top directory that tell of the fetch, not of the repository.
const LEFTOVERS: [&str; 3] = ["FETCH_HEAD", "ORIG_HEAD", "logs"];

/// Gives the files of a checkout the modes that they would have under umask 022, whatever it is, and removes `.git`, at
/// the top and of submodules, unless `keep` is set.
pub(super) fn tidy(dir: &Path, keep: bool, times: Times) -> io::Result<()> {
    if keep {
        for name in LEFTOVERS {
            remove(&dir.join(".git").join(name))?;
        }
    }
    // No directory is entered any more after its own time is set.
    let mut walk = WalkDir::new(dir).contents_first(false).follow_links(false).into_iter();
    let mut found = Vec::new();
    while let Some(entry) = walk.next() {
        let entry = entry?;
        if !keep && entry.file_name() == ".git" && entry.depth() > 0 {
            if entry.file_type().is_dir() {
                walk.skip_current_dir();
            }
            remove(entry.path())?;
            continue;
        }
        if !entry.file_type().is_symlink() {
            let mode = entry.metadata()?.permissions().mode() & 0o7777;
            // Group and others may do what the owner may, but for writing.
            let wanted = (mode & 0o700) | ((mode >> 6 & 0o5) * 0o11);
            if wanted != mode {
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(wanted))?;
            }
        }
        found.push(entry.into_path());
    }
    if let Times::All(seconds) = times {
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        for path in found.iter().rev() {
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, path.as_path(), &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn git_8_modes_times_and_no_git_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path(".git/objects")).unwrap();
        fs::create_dir(path("sub")).unwrap();
        for (name, mode) in [(".git/FETCH_HEAD", 0o600), ("sub/.git", 0o600), ("sub/run", 0o700), ("file", 0o666)] {
            fs::write(path(name), "").unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("/nowhere", path("link")).unwrap();
        fs::set_permissions(path("sub"), fs::Permissions::from_mode(0o700)).unwrap();
        tidy(dir.path(), true, Times::AsTheyAre).unwrap();
        assert!(path("sub/.git").exists() && path(".git").exists() && !path(".git/FETCH_HEAD").exists());
        tidy(dir.path(), false, Times::All(77)).unwrap();
        assert!(!path("sub/.git").exists() && !path(".git").exists());
        for (name, mode) in [("sub", 0o755), ("sub/run", 0o755), ("file", 0o644), ("link", 0o777)] {
            let meta = fs::symlink_metadata(path(name)).unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.mtime()), (mode, 77), "{name}");
        }
    }
}
