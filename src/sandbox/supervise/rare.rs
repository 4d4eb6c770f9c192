//! The few calls that root of a namespace with many ids, or root in a changed root directory, cannot make as they are meant, or
//! must not: making device nodes, and giving files to ids beyond the namespace's. Nothing else is taken, so a step that does
//! neither pays nothing. What is recorded shows in the layer; the step itself sees an empty file, or the owner
//! [`CLAIMED_ID`].

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, XattrFlags, chownat, lgetxattr, openat};
use rustix::io::Errno;

use crate::rootfs::{CLAIM, CLAIMED_ID, Claim, Device};
use crate::sandbox::sys_notify::{Answer, Call};

use super::Supervisor;
use super::credentials::KEEP;
use super::place::{EMPTY_PATH, NO_FOLLOW, Place, low};
use super::rare_filter::HARMLESS;

/// `AT_FDCWD` as an argument.
const HERE: u64 = libc::AT_FDCWD.cast_unsigned() as u64;
/// How a directory is opened to look from there.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Numbers of capabilities.
const CAP_CHOWN: u32 = 0;
const CAP_MKNOD: u32 = 27;

/// What the kernel says of a thread.
pub(super) struct Caller {
    umask: u32,
    is_root: bool,
    capabilities: u64,
}

impl Caller {
    pub(super) fn of(thread: u32) -> Result<Self, Errno> {
        let status = openat(CWD, format!("{thread}/status"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut buffer = [0; 2048];
        let length = rustix::io::read(&status, &mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
        // Real, effective, saved, and that of files.
        let ids = ["Uid:", "Gid:"].map(|name| field(name).split_whitespace().nth(3) == Some("0"));
        Ok(Self {
            umask: u32::from_str_radix(field("Umask:"), 8).unwrap_or(0o022),
            is_root: ids == [true, true],
            capabilities: u64::from_str_radix(field("CapEff:"), 16).unwrap_or_default(),
        })
    }

    /// Whether it is root and has a capability: then the supervisor may do for it what it has more rights for.
    pub(super) fn may(&self, capability: u32) -> bool {
        self.is_root && self.capabilities & (1 << capability) != 0
    }
}

impl Supervisor<'_> {
    /// The answer to one of the rare calls.
    #[expect(clippy::many_single_char_names, reason = "the arguments of system calls, named as their registers are")]
    pub(super) fn answer_rare(&self, listener: BorrowedFd<'_>, call: &Call) -> Result<Answer, Errno> {
        let [a, b, c, d, e, _] = call.arguments;
        let place = |descriptor, path, flags| Place::named(listener, call, descriptor, path, flags);
        match call.number {
            libc::SYS_mknodat => self.node(call.thread, || place(a, b, NO_FOLLOW), low(c), d),
            libc::SYS_fchownat => self.give(call.thread, || place(a, b, e), low(c), low(d)),
            libc::SYS_fchown => self.give(call.thread, || Place::at(call.thread, a, b"", EMPTY_PATH), low(b), low(c)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mknod => self.node(call.thread, || place(HERE, a, NO_FOLLOW), low(b), c),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown => self.give(call.thread, || place(HERE, a, 0), low(b), low(c)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lchown => self.give(call.thread, || place(HERE, a, NO_FOLLOW), low(b), low(c)),
            _ => Ok(Answer::Continue),
        }
    }

    /// chown(2) to ids that the namespace may not have.
    fn give(
        &self,
        thread: u32,
        place: impl FnOnce() -> Result<Place, Errno>,
        uid: u32,
        gid: u32,
    ) -> Result<Answer, Errno> {
        if !Caller::of(thread)?.may(CAP_CHOWN) {
            return Ok(Answer::Continue);
        }
        let place = place()?;
        let _one_at_a_time = self.owners.while_changing();
        let before = place.stat()?;
        let real = (before.st_uid, before.st_gid);
        let known = claim(&place);
        let owner = known.map_or(real, |claim| claim.owner(real));
        let or = |id, before| if id == KEEP { before } else { id };
        let (uid, gid) = (or(uid, owner.0), or(gid, owner.1));
        let as_meant = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match chownat(CWD, &*place.path, as_meant.0, as_meant.1, place.flags()) {
            Err(Errno::INVAL) => {}
            result => return result.map(|()| Answer::Value(0)),
        }
        let stand_in = (Uid::from_raw(CLAIMED_ID), Gid::from_raw(CLAIMED_ID));
        chownat(CWD, &*place.path, Some(stand_in.0), Some(stand_in.1), place.flags())?;
        let claim = Claim {
            device: known.and_then(|claim| claim.device),
            over: Some((CLAIMED_ID, CLAIMED_ID)),
            ..Claim::owned(uid, gid)
        };
        self.owners.record(&place, claim)?;
        Ok(Answer::Value(0))
    }

    /// Opens a directory of the step's. A process that has changed its root directory once more can be outside of that, from
    /// where `..` leads on; what keeps the step itself inside (Landlock) does not keep the supervisor.
    fn inside(&self, directory: &Place) -> Result<OwnedFd, Errno> {
        let found = openat(CWD, &*directory.path, DIRECTORY, Mode::empty())?;
        self.root.as_ref().map_or(Ok(()), |root| require_inside(root, &found))?;
        Ok(found)
    }

    /// mknod(2) of a device: an empty file that stands for it.
    fn node(
        &self,
        thread: u32,
        place: impl FnOnce() -> Result<Place, Errno>,
        mode: u32,
        number: u64,
    ) -> Result<Answer, Errno> {
        let kind = FileType::from_raw_mode(mode);
        let caller = Caller::of(thread)?;
        if !caller.may(CAP_MKNOD) || !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
            return Ok(Answer::Continue);
        }
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        // Overlayfs takes it for a mark of its own: the kernel knows who may make one.
        if (kind, major, minor) == (FileType::CharacterDevice, 0, 0) {
            return Ok(Answer::Continue);
        }
        let is_harmless = u32::try_from(number).is_ok_and(|number| HARMLESS.contains(&number));
        if self.root.is_some() && kind == FileType::CharacterDevice && is_harmless {
            return Ok(Answer::Continue);
        }
        let place = place()?;
        let parent = self.inside(&place.parent()?)?;
        let name = place.name();
        let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(&parent, name, how, Mode::from_raw_mode(mode & 0o777 & !caller.umask))?;
        let stat = rustix::fs::fstat(&file)?;
        let device = Some(Device { is_block: kind == FileType::BlockDevice, major, minor });
        let owner = (stat.st_uid, stat.st_gid);
        let claim = Claim { device, over: Some(owner), ..Claim::owned(owner.0, owner.1) };
        let path = format!("self/fd/{}", file.as_raw_fd());
        if let Err(errno) = rustix::fs::setxattr(&*path, CLAIM, claim.to_text().as_bytes(), XattrFlags::empty()) {
            rustix::fs::unlinkat(&parent, name, AtFlags::empty())?;
            return Err(if errno == Errno::NOTSUP { Errno::PERM } else { errno });
        }
        if mode & 0o7000 != 0 {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777 & !caller.umask))?;
        }
        Ok(Answer::Value(0))
    }
}

/// Refused unless `directory` is below `root`, or below this thread's root directory, which is.
pub(super) fn require_inside(root: &OwnedFd, directory: &OwnedFd) -> Result<(), Errno> {
    let identity = |file: &OwnedFd| rustix::fs::fstat(file).map(|stat| (stat.st_dev, stat.st_ino));
    let tops = [identity(root)?, identity(&openat(CWD, "/", DIRECTORY, Mode::empty())?)?];
    let mut at = openat(directory, ".", DIRECTORY, Mode::empty())?;
    loop {
        let here = identity(&at)?;
        if tops.contains(&here) {
            return Ok(());
        }
        at = openat(&at, "..", DIRECTORY, Mode::empty())?;
        if identity(&at)? == here {
            return Err(Errno::ACCESS);
        }
    }
}

fn claim(place: &Place) -> Option<Claim> {
    let mut value = [0; 64];
    let path = &*place.path;
    let got =
        if place.follow { rustix::fs::getxattr(path, CLAIM, &mut value) } else { lgetxattr(path, CLAIM, &mut value) };
    Claim::from_bytes(&value[..got.ok()?])
}
