use std::ffi::{CStr, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, Stat, major, minor, readlinkat};

use crate::rootfs::{File, Files, Inode, Kind, Meta, RootPath, Time, Xattrs};
use crate::snapshot;

use super::index::{Found, Stamp};

/// Attributes that macOS puts on everything (CTX-3).
const APPLE: &[u8] = b"com.apple.";

/// Owner, mode and time of an entry as a context has them (CTX-3).
pub(super) fn meta(stat: &Stat, xattrs: Xattrs) -> Meta {
    let mtime = Time { seconds: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or_default() };
    Meta { mtime, xattrs, ..Meta::with_mode(stat.st_mode & 0o7777) }
}

/// The attributes of an entry of the directory `dir`; `.` is the directory itself.
pub(super) fn xattrs(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Xattrs> {
    if snapshot::has_no_xattrs(dir, name) {
        return Ok(Xattrs::new());
    }
    // Older kernels have no call that takes a directory and a name; this path goes through the descriptor as well.
    let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string());
    let path = path.join(OsStr::from_bytes(name.to_bytes()));
    match snapshot::read_xattrs(&path) {
        Ok(mut xattrs) => {
            xattrs.retain(|name| !name.starts_with(APPLE));
            Ok(xattrs)
        }
        // It has gone since, or is not ours to look at.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            Ok(Xattrs::new())
        }
        Err(error) => Err(error),
    }
}

/// The inode that `name` of the directory `dir` is; `None` for a socket. `known` saves looking at the attributes.
pub(super) fn inode(
    dir: BorrowedFd<'_>,
    name: &CStr,
    path: &RootPath,
    stat: &Stat,
    files: &Arc<dyn Files>,
    known: Option<&Found>,
) -> io::Result<Option<Inode>> {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File(File::at(Arc::clone(files), path.clone(), Stamp::of(stat).size())),
        FileType::Symlink => Kind::Symlink(readlinkat(dir, name, Vec::new())?.as_bytes().into()),
        FileType::CharacterDevice => Kind::CharDevice(major(stat.st_rdev), minor(stat.st_rdev)),
        FileType::BlockDevice => Kind::BlockDevice(major(stat.st_rdev), minor(stat.st_rdev)),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket | FileType::Directory | FileType::Unknown => return Ok(None),
    };
    let xattrs = match known {
        Some(known) => known.xattrs.clone(),
        None => xattrs(dir, name)?,
    };
    Ok(Some(Inode::loose(meta(stat, xattrs), kind)))
}

/// Stands for a directory that may not be read: whoever needs what is in it gets the error, others are not stopped (CTX-2).
#[derive(Debug)]
struct Unreadable {
    dir: RootPath,
    kind: io::ErrorKind,
}

impl Files for Unreadable {
    fn open(&self, _: &RootPath) -> io::Result<std::fs::File> {
        let message = format!("the directory {} of the build context cannot be read: {}", self.dir, self.kind);
        Err(io::Error::new(self.kind, message))
    }
}

/// A file in place of the directory `path`, whose bytes cannot be read.
pub(super) fn unreadable(path: &RootPath, error: &io::Error) -> Inode {
    let files = Arc::new(Unreadable { dir: path.clone(), kind: error.kind() });
    // Not empty, or nobody would try to read it.
    Inode::new(Meta::with_mode(0), Kind::File(File::at(files, path.clone(), 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctx_2_a_directory_that_may_not_be_read_fails_whoever_needs_it() {
        let inode = unreadable(&RootPath::clamped(b"a/secret"), &io::ErrorKind::PermissionDenied.into());
        let Kind::File(file) = inode.kind else { panic!("it must be opened to fail") };
        let error = file.digest().unwrap_err();
        assert_eq!(error.to_string(), "the directory /a/secret of the build context cannot be read: permission denied");
    }
}
