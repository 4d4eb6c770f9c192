use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, StatxFlags, Timespec, Timestamps, Uid, XattrFlags, chownat, lgetxattr,
    llistxattr, lremovexattr, lsetxattr, makedev, mknodat, utimensat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::rootfs::{Birth, CLAIM, CLAIMED_ID, Claim, Claims, Device, Kind, Meta, Time, Xattrs};

/// Names by which overlayfs keeps its own marks, privileged and not.
const OVERLAY_XATTRS: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
/// Marks a directory that hides all below it.
const OPAQUE: &str = "trusted.overlay.opaque";
/// The same where `trusted.` cannot be written.
const USER_OPAQUE: &str = "user.overlay.opaque";

/// Gives what stands at `path` its owner, mode, attributes and times, in the order in which none undoes another.
/// An attribute that the filesystem refuses is left out, as the reference does (COPY-33). An ordinary user, who can give
/// nothing away, keeps everything readable: there only a layer's list knows owners and modes.
pub fn set_meta(path: &Path, meta: &Meta, symlink: bool) -> io::Result<()> {
    set_owner(path, meta.uid, meta.gid)?;
    if !symlink {
        let mode = if geteuid().is_root() { meta.mode } else { meta.mode | 0o700 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    for (name, value) in meta.xattrs.iter() {
        let Ok(name) = CString::new(&name[..]) else { continue };
        match lsetxattr(path, &*name, value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    set_time(path, meta.mtime)
}

/// Gives what stands at `path` its owner; links are not followed.
///
/// An owner that this process's user namespace does not know becomes a claim, which links and pipes cannot hold: of
/// theirs only the layer's list knows.
pub fn set_owner(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match chownat(CWD, path, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::INVAL) => {
            let device = claim_of(path).and_then(|claim| claim.device);
            let stand_in = Some(CLAIMED_ID);
            let (user, group) = (stand_in.map(Uid::from_raw), stand_in.map(Gid::from_raw));
            let over = match chownat(CWD, path, user, group, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(()) => Some((CLAIMED_ID, CLAIMED_ID)),
                // With one id there is nobody to give it to, and no step that could give it away.
                Err(_) => None,
            };
            put_claim(path, Claim { uid, gid, device, over })
        }
        Ok(()) => match claim_of(path) {
            Some(Claim { device: None, .. }) => Ok(lremovexattr(path, CLAIM)?),
            Some(claim) => put_claim(path, Claim { uid, gid, over: Some((uid, gid)), ..claim }),
            None => Ok(()),
        },
        Err(Errno::PERM) if !geteuid().is_root() => Ok(()),
        result => Ok(result?),
    }
}

fn put_claim(path: &Path, claim: Claim) -> io::Result<()> {
    match lsetxattr(path, CLAIM, claim.to_text().as_bytes(), XattrFlags::empty()) {
        Err(Errno::PERM | Errno::NOTSUP) => Ok(()),
        result => Ok(result?),
    }
}

fn claim_of(path: &Path) -> Option<Claim> {
    let mut value = [0; 64];
    let length = lgetxattr(path, CLAIM, &mut value).ok()?;
    Claim::from_bytes(&value[..length])
}

/// What the file at `path` is meant to be, if anything but what it is was recorded.
pub(super) fn read_claim(path: &Path, stat: &std::fs::Metadata, claims: &Claims) -> Option<Claim> {
    if stat.is_file() || stat.is_dir() || claims.is_empty() {
        return claim_of(path);
    }
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted).ok()?;
    claims.get(&Birth { inode: stat.stx_ino, born: (stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec) })
}

/// Sets both times to `time`; links are not followed.
pub(super) fn set_time(path: &Path, time: Time) -> io::Result<()> {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanos) };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// What becomes of the nodes of devices in a directory of root filesystems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nodes {
    /// Nodes, where the kernel allows them. Nobody may open them there.
    Real,
    /// Empty files with a claim, but for those devices that any process may use: a step can open what is there.
    Claimed,
}

/// Major and minor numbers of character devices that any process may use, and of overlayfs's mark.
const HARMLESS: [(u32, u32); 7] = [(0, 0), (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)];

impl Nodes {
    /// Makes a device or pipe. Other kinds are none of its business.
    pub(super) fn make(self, path: &Path, kind: &Kind) -> io::Result<()> {
        let is_harmless = match kind {
            Kind::CharDevice(major, minor) => HARMLESS.contains(&(*major, *minor)),
            Kind::BlockDevice(..) => false,
            Kind::Fifo | Kind::File(_) | Kind::Symlink(_) => true,
        };
        match Device::of(kind) {
            Some(device) if self == Self::Claimed && !is_harmless => {
                std::fs::File::create_new(path)?;
                put_claim(path, Claim { device: Some(device), ..Claim::default() })
            }
            _ => make_node(path, kind),
        }
    }
}

/// Makes a device or pipe. Other kinds are none of its business.
pub fn make_node(path: &Path, kind: &Kind) -> io::Result<()> {
    let (file_type, device) = match kind {
        Kind::CharDevice(major, minor) => (FileType::CharacterDevice, makedev(*major, *minor)),
        Kind::BlockDevice(major, minor) => (FileType::BlockDevice, makedev(*major, *minor)),
        Kind::Fifo => (FileType::Fifo, 0),
        Kind::File(_) | Kind::Symlink(_) => return Err(io::ErrorKind::InvalidInput.into()),
    };
    match (mknodat(CWD, path, file_type, Mode::from_raw_mode(0o600), device), Device::of(kind)) {
        // In a user namespace nobody makes devices: an empty file stands for it.
        (Err(Errno::PERM), Some(device)) => {
            std::fs::File::create_new(path)?;
            put_claim(path, Claim { device: Some(device), ..Claim::default() })
        }
        (result, _) => Ok(result?),
    }
}

/// Makes overlayfs hide what lower layers have at `path` (kernel documentation, overlayfs: whiteouts).
pub fn make_whiteout(path: &Path) -> io::Result<()> {
    Ok(mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0)?)
}

/// Makes overlayfs hide what lower layers have in the directory `path`.
pub fn set_opaque(path: &Path) -> io::Result<()> {
    match lsetxattr(path, OPAQUE, b"y", XattrFlags::empty()) {
        Err(Errno::PERM) => Ok(lsetxattr(path, USER_OPAQUE, b"y", XattrFlags::empty())?),
        result => Ok(result?),
    }
}

/// Undoes [`set_opaque`].
pub(super) fn clear_opaque(path: &Path) -> io::Result<()> {
    for name in [OPAQUE, USER_OPAQUE] {
        match lremovexattr(path, name) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether a directory hides all below it.
pub(super) fn is_opaque(path: &Path) -> bool {
    let mut value = [0; 1];
    [OPAQUE, USER_OPAQUE].iter().any(|name| lgetxattr(path, *name, &mut value[..]) == Ok(1) && value == *b"y")
}

/// Mode, owner, time and attributes of what stands at `path`; overlayfs's own attributes are left out. What was claimed of
/// it ([`read_claim`]) counts.
pub(super) fn read_meta(path: &Path, stat: &std::fs::Metadata, claim: Option<Claim>) -> io::Result<Meta> {
    let real = (stat.uid(), stat.gid());
    let (uid, gid) = claim.map_or(real, |claim| claim.owner(real));
    Ok(Meta {
        mode: stat.mode() & 0o7777,
        uid,
        gid,
        mtime: Time { seconds: stat.mtime(), nanos: u32::try_from(stat.mtime_nsec()).unwrap_or_default() },
        xattrs: read_xattrs(path)?,
    })
}

/// Takes the attributes of what stands at `path` away whose names are not in `kept`.
pub(super) fn keep_attributes(path: &Path, kept: &Xattrs) -> io::Result<()> {
    for (name, _) in read_xattrs(path)?.into_iter().filter(|(name, _)| !kept.contains_key(name)) {
        match lremovexattr(path, std::ffi::OsStr::from_bytes(&name)) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The attributes of what stands at `path`, without those of overlayfs and `SELinux`; none where there is no support.
pub fn read_xattrs(path: &Path) -> io::Result<Xattrs> {
    let mut names = vec![0; 256];
    let length = loop {
        match llistxattr(path, &mut names[..]) {
            Ok(length) => break length,
            Err(Errno::RANGE) => names.resize(names.len() * 4, 0),
            Err(Errno::NOTSUP) => return Ok(Xattrs::new()),
            Err(error) => return Err(error.into()),
        }
    };
    let mut xattrs = Xattrs::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if OVERLAY_XATTRS.iter().any(|prefix| name.starts_with(prefix))
            || name == b"security.selinux"
            || name == CLAIM.as_bytes()
        {
            continue;
        }
        let mut value = vec![0; 256];
        loop {
            match lgetxattr(path, std::ffi::OsStr::from_bytes(name), &mut value[..]) {
                Ok(length) => {
                    xattrs.insert(name.into(), value[..length].into());
                    break;
                }
                Err(Errno::RANGE) => value.resize(value.len() * 4, 0),
                Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(xattrs)
}
