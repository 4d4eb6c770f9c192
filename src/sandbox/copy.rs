//! Copies of trees, for a machine on which nothing can be mounted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use crate::rootfs::{CLAIM, Claim, Device};

use super::devices::NODES;

/// Directories within each other; a tree that is deeper is refused, since each level costs stack and descriptors.
const MAX_DEPTH: usize = 400;

/// A name in a directory.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) directory: &'a OwnedFd,
    pub(super) name: &'a [u8],
}

impl<'a> Name<'a> {
    pub(super) fn new(directory: &'a OwnedFd, name: &'a [u8]) -> Self {
        Self { directory, name }
    }

    fn stat(self) -> Result<Stat, Errno> {
        rustix::fs::statat(self.directory, self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    fn open(self, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(self.directory, self.name, flags, Mode::from_raw_mode(0o600))
    }
}

/// Makes `to` what `from` is: bytes, permissions, owner, time and extended attributes. What is the same already stays,
/// and names that are in `to` only are removed.
pub(super) fn copy(from: Name<'_>, to: Name<'_>) -> io::Result<()> {
    copy_at(from, to, 0)
}

fn copy_at(from: Name<'_>, to: Name<'_>, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(Errno::NAMETOOLONG.into());
    }
    let stat = from.stat()?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match to.stat() {
        Ok(there) if kind == FileType::Directory && FileType::from_raw_mode(there.st_mode) == kind => {}
        Ok(there) if is_same(&stat, &there) => return Ok(()),
        Ok(_) => {
            remove(to)?;
            make(from, to, &stat)?;
        }
        Err(Errno::NOENT) => make(from, to, &stat)?,
        Err(errno) => return Err(errno.into()),
    }
    if kind == FileType::Directory {
        copy_names(&from.open(OFlags::DIRECTORY)?, &to.open(OFlags::DIRECTORY)?, depth)?;
    }
    copy_metadata(from, to, &stat)
}

fn copy_names(from: &OwnedFd, to: &OwnedFd, depth: usize) -> io::Result<()> {
    let wanted = names(from)?;
    for name in names(to)?.difference(&wanted) {
        remove(Name::new(to, name))?;
    }
    for name in &wanted {
        copy_at(Name::new(from, name), Name::new(to, name), depth + 1)?;
    }
    Ok(())
}

/// Whether neither content nor metadata can differ. A link's target is not looked at, so links are made anew.
fn is_same(a: &Stat, b: &Stat) -> bool {
    let key = |stat: &Stat| {
        let time = (stat.st_mtime, stat.st_mtime_nsec);
        (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_size, stat.st_rdev, time)
    };
    key(a) == key(b) && FileType::from_raw_mode(a.st_mode) != FileType::Symlink
}

/// Makes `to`, which is not there.
fn make(from: Name<'_>, to: Name<'_>, stat: &Stat) -> io::Result<()> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => rustix::fs::mkdirat(to.directory, to.name, Mode::from_raw_mode(0o700))?,
        FileType::RegularFile => {
            let mut source = File::from(from.open(OFlags::RDONLY)?);
            let mut target = File::from(to.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?);
            io::copy(&mut source, &mut target)?;
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(from.directory, from.name, Vec::new())?;
            rustix::fs::symlinkat(target, to.directory, to.name)?;
        }
        kind @ (FileType::BlockDevice | FileType::CharacterDevice) if !is_harmless(kind, stat) => {
            // A step could open it: a file stands for it, as in the rest of the root.
            let file = to.open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
            let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
            let device = Some(Device { is_block: kind == FileType::BlockDevice, major, minor });
            let claim = Claim { device, ..Claim::owned(stat.st_uid, stat.st_gid) };
            rustix::fs::fsetxattr(&file, CLAIM, claim.to_text().as_bytes(), XattrFlags::empty())?;
        }
        kind => rustix::fs::mknodat(to.directory, to.name, kind, Mode::from_raw_mode(0o600), stat.st_rdev)?,
    }
    Ok(())
}

/// Whether any process may use a device.
fn is_harmless(kind: FileType, stat: &Stat) -> bool {
    let number = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    kind == FileType::CharacterDevice && NODES.iter().any(|(_, major, minor)| (*major, *minor) == number)
}

fn copy_metadata(from: Name<'_>, to: Name<'_>, stat: &Stat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(to.directory, to.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::Symlink {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        rustix::fs::chmodat(to.directory, to.name, mode, AtFlags::empty())?;
    }
    if matches!(kind, FileType::Directory | FileType::RegularFile) {
        copy_attributes(&from.open(OFlags::RDONLY)?, &to.open(OFlags::RDONLY)?);
    }
    let times = Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec.cast_signed() },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.cast_signed() },
    };
    Ok(rustix::fs::utimensat(to.directory, to.name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// As many as the file system and the permissions allow.
fn copy_attributes(from: &OwnedFd, to: &OwnedFd) {
    let mut list = vec![0; 64 << 10];
    let Ok(length) = rustix::fs::flistxattr(from, &mut list[..]) else { return };
    let mut value = vec![0; 64 << 10];
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Ok(size) = rustix::fs::fgetxattr(from, name, &mut value[..]) {
            let _not_supported = rustix::fs::fsetxattr(to, name, &value[..size], XattrFlags::empty());
        }
    }
}

/// Removes a name and all below it.
pub(super) fn remove(name: Name<'_>) -> io::Result<()> {
    remove_at(name, 0)
}

fn remove_at(name: Name<'_>, depth: usize) -> io::Result<()> {
    if FileType::from_raw_mode(name.stat()?.st_mode) != FileType::Directory {
        return Ok(rustix::fs::unlinkat(name.directory, name.name, AtFlags::empty())?);
    }
    if depth > MAX_DEPTH {
        return Err(Errno::NAMETOOLONG.into());
    }
    let directory = name.open(OFlags::DIRECTORY)?;
    for child in names(&directory)? {
        remove_at(Name::new(&directory, &child), depth + 1)?;
    }
    Ok(rustix::fs::unlinkat(name.directory, name.name, AtFlags::REMOVEDIR)?)
}

fn names(directory: &OwnedFd) -> io::Result<BTreeSet<Vec<u8>>> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.insert(name);
        }
    }
    Ok(names)
}
