//! A step's own `/dev` and `/sys` (RUN-15).

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev};
use rustix::mount::MountAttrFlags;

use super::mount::{PLAIN, Scratch, attach, attach_at, duplicate, new};
use super::sys::{Below, set_mount_attributes};

/// Character devices that any process may use: name, major and minor number.
pub(super) const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Bytes of `/dev/shm` where nothing else is asked for.
const SHM_SIZE: u64 = 64 << 20;

/// Hidden parts of `/sys`.
const MASKED: [&str; 2] = ["firmware", "devices/virtual/powercap"];

/// Mounts `/dev` at `place`, with `borrowed` nodes where none can be made.
///
/// Only the nodes made here can be opened: each is a mount of its own, while the directory is mounted without devices, so
/// that a step which makes a node for the machine's disk gains nothing.
pub(super) fn mount_dev(place: &OwnedFd, shm_size: u64, borrowed: Option<Vec<OwnedFd>>) -> io::Result<()> {
    let dev = new("tmpfs", &[("mode", "0755"), ("size", "65536k")], MountAttrFlags::MOUNT_ATTR_NOSUID)?;
    let is_borrowed = borrowed.is_some();
    for (name, major, minor) in NODES {
        let (kind, device) =
            if is_borrowed { (FileType::RegularFile, 0) } else { (FileType::CharacterDevice, makedev(major, minor)) };
        rustix::fs::mknodat(&dev, name, kind, Mode::from_raw_mode(0o666), device)?;
    }
    for (target, name) in LINKS {
        rustix::fs::symlinkat(target, &dev, name)?;
    }
    attach(&dev, place)?;
    let nodes = match borrowed {
        Some(nodes) => nodes,
        None => NODES.iter().map(|(name, _, _)| duplicate(&dev, *name)).collect::<Result<_, _>>()?,
    };
    for ((name, _, _), node) in NODES.iter().zip(nodes) {
        attach_at(node, &dev, *name)?;
    }
    set_mount_attributes(&dev, MountAttrFlags::MOUNT_ATTR_NODEV, Below::No)?;

    let size = if shm_size == 0 { SHM_SIZE } else { shm_size }.to_string();
    let no_execution = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
    let pts = new("devpts", &options[..if is_borrowed { 3 } else { 4 }], no_execution)?;
    let shm = new("tmpfs", &[("mode", "1777"), ("size", &size)], PLAIN)?;
    let mqueue = new("mqueue", &[], PLAIN);
    for (name, mount) in [("pts", Ok(pts)), ("shm", Ok(shm)), ("mqueue", mqueue)] {
        // A kernel may have no message queues; hardly any step would notice.
        let Ok(mount) = mount else { continue };
        rustix::fs::mkdirat(&dev, name, Mode::from_raw_mode(0o755))?;
        attach_at(mount, &dev, name)?;
    }
    Ok(())
}

/// Mounts of this machine's device nodes, `/sys` and `/proc`, for a step whose user namespace can make none.
pub(super) struct Borrowed {
    /// For [`mount_dev`], in the order of [`NODES`].
    pub(super) nodes: Vec<OwnedFd>,
    /// For [`mount_sys`].
    pub(super) sys: OwnedFd,
    /// The kernel mounts a new one only where one can be seen whole: it is mounted over this one.
    pub(super) proc: OwnedFd,
}

impl Borrowed {
    /// To be called where this machine's paths can be reached.
    pub(super) fn new() -> io::Result<Self> {
        let nodes =
            NODES.iter().map(|(name, _, _)| duplicate(CWD, format!("/dev/{name}"))).collect::<Result<_, _>>()?;
        Ok(Self { nodes, sys: duplicate(CWD, "/sys")?, proc: duplicate(CWD, "/proc")? })
    }
}

/// What hides the masked parts of `/sys`, made while the scratch memory can be reached.
pub(super) fn masks(scratch: &Scratch) -> io::Result<Vec<OwnedFd>> {
    let mask = |_path| {
        let mask = scratch.empty()?;
        set_mount_attributes(&mask, MountAttrFlags::MOUNT_ATTR_RDONLY, Below::No)?;
        Ok(mask)
    };
    MASKED.into_iter().map(mask).collect()
}

/// Mounts `/sys` at `place`, for reading only unless `insecure`.
pub(super) fn mount_sys(
    place: &OwnedFd,
    masks: Vec<OwnedFd>,
    insecure: bool,
    borrowed: Option<OwnedFd>,
) -> io::Result<()> {
    let attributes = if insecure { PLAIN } else { PLAIN | MountAttrFlags::MOUNT_ATTR_RDONLY };
    let sys = match borrowed {
        None => attach_new("sysfs", attributes, place)?,
        Some(sys) => {
            set_mount_attributes(&sys, attributes, Below::Yes)?;
            attach(&sys, place)?;
            // A network of the step's own has a `/sys` of its own, which is mounted where the machine's is seen.
            new("sysfs", &[], attributes).and_then(|own| attach(&own, &sys).map(|()| own)).unwrap_or(sys)
        }
    };
    if let Ok(cgroup) = new("cgroup2", &[], attributes) {
        let _no_directory = attach_at(cgroup, &sys, "fs/cgroup");
    }
    if insecure {
        return Ok(());
    }
    for (name, mask) in MASKED.into_iter().zip(masks) {
        if let Ok(masked) = rustix::fs::openat(&sys, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            attach(mask, masked)?;
        }
    }
    Ok(())
}

fn attach_new(kind: &str, attributes: MountAttrFlags, place: &OwnedFd) -> io::Result<OwnedFd> {
    let mount = new(kind, &[], attributes)?;
    attach(&mount, place)?;
    Ok(mount)
}

/// `/dev/null`, to read from.
pub(super) fn open_null() -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}
