//! Owners of files: chown is recorded as a claim, and stat shows what was recorded.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, StatxFlags, Uid, XattrFlags, chownat, getxattr, lgetxattr, lremovexattr,
    lsetxattr, removexattr, setxattr,
};
use rustix::io::Errno;

use crate::rootfs::{Birth, CLAIM, Claim, Claims};
use crate::sandbox::sys_notify::{self, STAT_SIZE, STATX_SIZE};

use super::credentials::{Credentials, KEEP};
use super::place::Place;

/// The claims of all files that a step sees.
pub(super) struct Owners<'a> {
    /// Where new files come to lie: the upper of the overlay, or the root itself.
    written: OwnedFd,
    /// For the difference, by inodes of `written`.
    claims: &'a Claims,
    /// For the step, of files that cannot hold theirs, by what it sees as inode.
    seen: Claims,
    /// Held while a claim is changed.
    changing: Mutex<()>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(written: OwnedFd, claims: &'a Claims) -> Self {
        Self { written, claims, seen: Claims::default(), changing: Mutex::new(()) }
    }

    /// What was recorded of a file; `None` where nothing was, and it belongs to root.
    pub(super) fn claim(&self, place: &Place) -> Option<Claim> {
        let mut value = [0; 64];
        let path = &*place.path;
        let got = if place.follow { getxattr(path, CLAIM, &mut value) } else { lgetxattr(path, CLAIM, &mut value) };
        match got {
            Ok(length) => Claim::from_bytes(&value[..length]),
            Err(_) if self.seen.is_empty() => None,
            Err(_) => self.seen.get(&birth(place)?),
        }
    }

    /// Records what a file is meant to be.
    pub(super) fn record(&self, place: &Place, claim: Claim) -> Result<(), Errno> {
        let path = &*place.path;
        let written = if claim.is_plain() {
            match if place.follow { removexattr(path, CLAIM) } else { lremovexattr(path, CLAIM) } {
                Err(Errno::NODATA) => Ok(()),
                result => result,
            }
        } else {
            let (text, flags) = (claim.to_text(), XattrFlags::empty());
            if place.follow {
                setxattr(path, CLAIM, text.as_bytes(), flags)
            } else {
                lsetxattr(path, CLAIM, text.as_bytes(), flags)
            }
        };
        match written {
            // Links, pipes and sockets can hold none, and some file systems have none.
            Err(Errno::PERM | Errno::NOTSUP) => self.remember(place, claim),
            result => result,
        }
    }

    fn remember(&self, place: &Place, claim: Claim) -> Result<(), Errno> {
        let seen = birth(place).ok_or(Errno::NOENT)?;
        self.seen.put(seen, claim);
        let opening = if place.follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
        let file = rustix::fs::openat(CWD, &*place.path, opening | OFlags::CLOEXEC, Mode::empty())?;
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
        let path = rustix::fs::readlinkat(CWD, format!("self/fd/{descriptor}"), Vec::new())?.into_bytes();
        // What lies on another file system is in no layer.
        let below = path.strip_prefix(b"/").unwrap_or(&path);
        if let Ok(stat) = rustix::fs::statx(&self.written, below, AtFlags::SYMLINK_NOFOLLOW, BIRTH) {
            self.claims
                .put(Birth { inode: stat.stx_ino, born: (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec) }, claim);
        }
        Ok(())
    }

    /// Held while somebody reads a claim and writes another.
    pub(super) fn while_changing(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// chown(2) by somebody with these credentials.
    pub(super) fn change(&self, place: &Place, who: &Credentials, uid: u32, gid: u32) -> Result<(), Errno> {
        let _one_at_a_time = self.while_changing();
        let before = self.claim(place).unwrap_or_default();
        let keeps_owner = uid == KEEP || uid == before.uid;
        let knows_group = gid == KEEP || gid == before.gid || who.is_in(gid);
        if who.user.file != 0 && !(who.user.file == before.uid && keeps_owner && knows_group) {
            return Err(Errno::PERM);
        }
        // The kernel does all the rest: it copies the file up, clears set-id bits and capabilities, and moves the ctime.
        let mine = |id| if id == KEEP { None } else { Some(0) };
        chownat(CWD, &*place.path, mine(uid).map(Uid::from_raw), mine(gid).map(Gid::from_raw), place.flags())?;
        let or = |id, before| if id == KEEP { before } else { id };
        self.record(place, Claim { uid: or(uid, before.uid), gid: or(gid, before.gid), ..before })
    }

    /// The bytes of `struct stat` of a file about which something was recorded.
    pub(super) fn stat(&self, place: &Place) -> Option<Result<[u8; STAT_SIZE], Errno>> {
        let claim = self.claim(place)?;
        let flags = place.flags().bits().cast_signed();
        Some(sys_notify::stat(&place.path, flags).map(|mut bytes| {
            let (mode, owner, device) = if cfg!(target_arch = "x86_64") { (24, 28, 40) } else { (16, 24, 32) };
            put(&mut bytes, owner, claim.uid);
            put(&mut bytes, owner + 4, claim.gid);
            if let Some(node) = claim.device {
                let number = rustix::fs::makedev(node.major, node.minor);
                bytes[device..device + 8].copy_from_slice(&number.to_ne_bytes());
                let real = u32::from_ne_bytes(word(&bytes, mode));
                put(&mut bytes, mode, device_mode(real, node.is_block));
            }
            bytes
        }))
    }

    /// The bytes of `struct statx` of a file about which something was recorded.
    pub(super) fn statx(&self, place: &Place, flags: i32, mask: u32) -> Option<Result<[u8; STATX_SIZE], Errno>> {
        let claim = self.claim(place)?;
        Some(sys_notify::statx(&place.path, flags, mask).map(|mut bytes| {
            put(&mut bytes, 20, claim.uid);
            put(&mut bytes, 24, claim.gid);
            if let Some(node) = claim.device {
                put(&mut bytes, 128, node.major);
                put(&mut bytes, 132, node.minor);
                let real = u16::from_ne_bytes([bytes[28], bytes[29]]);
                let mode = u16::try_from(device_mode(real.into(), node.is_block)).unwrap_or(real);
                bytes[28..30].copy_from_slice(&mode.to_ne_bytes());
            }
            bytes
        }))
    }
}

const BIRTH: StatxFlags = StatxFlags::INO.union(StatxFlags::BTIME);

fn birth(place: &Place) -> Option<Birth> {
    let stat = place.statx(BIRTH).ok()?;
    // Inodes of several file systems are seen, so the device counts as well.
    let device = u64::from(stat.stx_dev_major) << 48 ^ u64::from(stat.stx_dev_minor) << 40;
    Some(Birth { inode: stat.stx_ino ^ device, born: (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec) })
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

fn word(bytes: &[u8], at: usize) -> [u8; 4] {
    [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
}

fn device_mode(mode: u32, is_block: bool) -> u32 {
    let kind = if is_block { FileType::BlockDevice } else { FileType::CharacterDevice };
    mode & 0o7777 | kind.as_raw_mode()
}
