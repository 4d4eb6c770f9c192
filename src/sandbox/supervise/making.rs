//! New files: they belong to whoever makes them, or to the group of a set-group-id directory.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat, symlinkat};
use rustix::io::Errno;

use crate::rootfs::{Claim, Device};
use crate::sandbox::sys_notify::Answer;

use super::credentials::Credentials;
use super::owners::Owners;
use super::place::Place;

/// Whether whoever makes a file is not, or the group not that of, root: then the supervisor makes it.
pub(super) enum Maker {
    /// The kernel makes it as it is meant.
    Kernel,
    /// It is to have this claim.
    Claimed(Claim),
}

/// The umask of a thread.
fn umask(thread: u32) -> Result<u32, Errno> {
    let status = openat(CWD, format!("{thread}/status"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; 512];
    let length = rustix::io::read(&status, &mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    let mask = text.lines().find_map(|line| line.strip_prefix("Umask:"));
    Ok(mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022))
}

/// Who makes a file at `place`. Refused where the maker may not write to the directory.
pub(super) fn maker(owners: &Owners<'_>, who: &Credentials, place: &Place) -> Result<Maker, Errno> {
    let parent = place.parent()?;
    let stat = parent.stat()?;
    let sets_group = stat.st_mode & 0o2000 != 0;
    if who.makes_files_of_root() && !sets_group {
        return Ok(Maker::Kernel);
    }
    let claim = owners.claim(&parent).unwrap_or_default();
    if !is_ours(&parent)? {
        return Ok(Maker::Kernel);
    }
    if !who.may(3, (claim.uid, claim.gid), stat.st_mode) {
        return Err(Errno::ACCESS);
    }
    let gid = if sets_group { claim.gid } else { who.group.file };
    let claim = Claim::owned(who.user.file, gid);
    Ok(if claim.is_plain() { Maker::Kernel } else { Maker::Claimed(claim) })
}

/// Whether files can be made here that are in a layer: not in `/proc`.
fn is_ours(directory: &Place) -> Result<bool, Errno> {
    let kind = rustix::fs::statfs(&*directory.path)?.f_type;
    Ok(kind != rustix::fs::PROC_SUPER_MAGIC)
}

/// open(2) with `O_CREAT` or `O_TMPFILE`.
pub(super) fn open(
    owners: &Owners<'_>,
    who: &Credentials,
    thread: u32,
    place: &Place,
    flags: u32,
    mode: u32,
) -> Result<Answer, Errno> {
    let flags = OFlags::from_bits_retain(flags);
    let is_temporary = flags.contains(OFlags::TMPFILE);
    if !is_temporary {
        let exists = if who.user.file == 0 { place.clone().not_followed().stat() } else { place.stat() };
        if let Ok(stat) = exists {
            return Ok(opened_for_writing(owners, who, place, &stat, flags));
        }
        if place.clone().not_followed().stat().is_ok() {
            // A link that leads nowhere: the file it makes is the kernel's affair.
            return Ok(Answer::Continue);
        }
    }
    // With `O_TMPFILE` the path is that of the directory.
    let inside = if is_temporary {
        let mut path = place.path.as_bytes().to_vec();
        path.extend_from_slice(b"/.");
        Place { path: std::ffi::CString::new(path).map_err(|_zero| Errno::INVAL)?, follow: true }
    } else {
        place.clone()
    };
    let Maker::Claimed(claim) = maker(owners, who, &inside)? else { return Ok(Answer::Continue) };
    let mode = Mode::from_raw_mode(mode & 0o7777 & !umask(thread)?);
    let once = if is_temporary { OFlags::empty() } else { OFlags::EXCL };
    let file = match openat(CWD, &*place.path, flags | once | OFlags::CLOEXEC, mode) {
        Err(Errno::EXIST) if !flags.contains(OFlags::EXCL) => return Ok(Answer::Continue),
        result => result?,
    };
    owners.record(&own(&file)?, claim)?;
    Ok(Answer::File(file, flags.contains(OFlags::CLOEXEC)))
}

fn opened_for_writing(
    owners: &Owners<'_>,
    who: &Credentials,
    place: &Place,
    stat: &rustix::fs::Stat,
    flags: OFlags,
) -> Answer {
    let writes = flags.intersects(OFlags::WRONLY | OFlags::RDWR) && !flags.contains(OFlags::EXCL);
    if !writes || who.user.file == 0 || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Answer::Continue;
    }
    let claim = owners.claim(place).unwrap_or_default();
    if who.may(2, (claim.uid, claim.gid), stat.st_mode) { Answer::Continue } else { Answer::Error(Errno::ACCESS) }
}

/// A file that the supervisor has open, as a place.
fn own(file: &OwnedFd) -> Result<Place, Errno> {
    let path = format!("self/fd/{}", file.as_raw_fd());
    Ok(Place { path: std::ffi::CString::new(path).map_err(|_zero| Errno::INVAL)?, follow: true })
}

/// mkdir(2).
pub(super) fn directory(
    owners: &Owners<'_>,
    who: &Credentials,
    thread: u32,
    place: &Place,
    mode: u32,
) -> Result<Answer, Errno> {
    if place.stat().is_ok() {
        return Ok(Answer::Continue);
    }
    let Maker::Claimed(claim) = maker(owners, who, place)? else { return Ok(Answer::Continue) };
    mkdirat(CWD, &*place.path, Mode::from_raw_mode(mode & 0o1777 & !umask(thread)?))?;
    owners.record(place, claim)?;
    Ok(Answer::Value(0))
}

/// symlink(2).
pub(super) fn link(owners: &Owners<'_>, who: &Credentials, target: &[u8], place: &Place) -> Result<Answer, Errno> {
    if place.stat().is_ok() {
        return Ok(Answer::Continue);
    }
    let Maker::Claimed(claim) = maker(owners, who, place)? else { return Ok(Answer::Continue) };
    symlinkat(target, CWD, &*place.path)?;
    owners.record(place, claim)?;
    Ok(Answer::Value(0))
}

/// mknod(2). A device becomes an empty file that stands for it.
pub(super) fn node(
    owners: &Owners<'_>,
    who: &Credentials,
    thread: u32,
    place: &Place,
    mode: u32,
    number: u64,
) -> Result<Answer, Errno> {
    let kind = FileType::from_raw_mode(mode);
    let device = match kind {
        FileType::CharacterDevice | FileType::BlockDevice => {
            // Overlayfs takes character device 0:0 for a mark of its own, and refuses it to everybody.
            if !who.is_privileged() || (number == 0 && kind == FileType::CharacterDevice) {
                return Err(Errno::PERM);
            }
            let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
            Some(Device { is_block: kind == FileType::BlockDevice, major, minor })
        }
        _ => None,
    };
    if place.stat().is_ok() {
        return Ok(Answer::Continue);
    }
    let claim = match (maker(owners, who, place)?, device) {
        (Maker::Kernel, None) => return Ok(Answer::Continue),
        (Maker::Kernel, device) => Claim { device, ..Claim::default() },
        (Maker::Claimed(claim), device) => Claim { device, ..claim },
    };
    let made = if device.is_some() { FileType::RegularFile } else { kind };
    mknodat(CWD, &*place.path, made, Mode::from_raw_mode(mode & 0o7777 & !umask(thread)?), 0)?;
    owners.record(place, claim)?;
    Ok(Answer::Value(0))
}
