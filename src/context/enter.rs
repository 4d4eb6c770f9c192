use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, fstat, openat, statat};
use rustix::io::Errno;

use crate::rootfs::{Inode, Meta, RootPath};

use super::entry;

/// Room for the names that the kernel gives at once.
const BUFFER: usize = 64 << 10;

/// The names in a directory, with what they name.
pub(super) type Names = Vec<(CString, FileType)>;

/// What came of opening a directory.
pub(super) enum Entered {
    /// It is not there any more, or no directory any more.
    Gone,
    /// It may not be read; this stands for it.
    Unreadable(Inode),
    /// It is open.
    Open { dir: OwnedFd, names: Names, meta: Meta },
}

/// Opens the directory `name` of `parent`, which is `path` of the context, and reads the names in it.
pub(super) fn enter(parent: &OwnedFd, name: &CStr, path: &RootPath) -> io::Result<Entered> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty());
    let (names, stat, dir) = match opened.and_then(|dir| Ok((read_names(dir.as_fd())?, fstat(&dir)?, dir))) {
        Ok(entered) => entered,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !path.is_root() => return Ok(Entered::Gone),
        Err(error) if error == Errno::ACCESS && !path.is_root() => {
            return Ok(Entered::Unreadable(entry::unreadable(path, &error.into())));
        }
        Err(error) => return Err(error.into()),
    };
    let meta = entry::meta(&stat, entry::xattrs(dir.as_fd(), c".")?);
    // The root has a mode of its own (CTX-3).
    let meta = if path.is_root() { Meta { mtime: meta.mtime, ..Meta::with_mode(0o755) } } else { meta };
    Ok(Entered::Open { dir, names, meta })
}

/// The names in a directory with their types, as far as the filesystem tells them.
fn read_names(dir: BorrowedFd<'_>) -> rustix::io::Result<Names> {
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
    let mut entries = RawDir::new(dir, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            },
            kind => kind,
        };
        if kind != FileType::Socket {
            names.push((name.to_owned(), kind));
        }
    }
    Ok(names)
}
