//! The few forms of mounting that this room uses, through the descriptors of the new mount interface.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use rustix::path::Arg;

use super::place::own;
use super::socket;

/// What no mount of a sandbox but `/dev` allows.
pub(super) const PLAIN: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// A new mount of a file system without a device, not attached anywhere yet.
pub(super) fn new(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() {
            fsconfig_set_flag(&context, *key)?;
        } else {
            fsconfig_set_string(&context, *key, *value)?;
        }
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Attaches a mount to a place.
pub(super) fn attach(mount: impl AsFd, place: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, c"", place, c"", flags)?)
}

/// Attaches a mount to a name in a directory.
pub(super) fn attach_at(mount: impl AsFd, directory: impl AsFd, name: impl Arg) -> io::Result<()> {
    Ok(move_mount(mount, c"", directory, name, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// A second mount of what is at `path`, with all that is mounted below, not attached anywhere yet.
pub(super) fn duplicate(directory: impl AsFd, path: impl Arg) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(directory, path, flags)?)
}

/// Makes the root at `root`, which must be a mount, the root of this mount namespace; the old one is gone afterwards.
pub(super) fn pivot(root: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::fchdir(root)?;
    // The old root comes to lie on the new one, from where it is taken at once: no directory is needed for it.
    rustix::process::pivot_root(c".", c".")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir(c"/")?)
}

/// Memory in which kiln's own files for one step live.
///
/// It is attached while the sandbox is set up, because older kernels duplicate attached mounts only.
pub(super) struct Scratch {
    root: OwnedFd,
    files: usize,
}

impl Scratch {
    /// Attaches the memory over `place`, a directory of the private mount namespace. There are an empty directory
    /// `empty`, and a directory `root` to attach a root file system to.
    pub(super) fn new(place: impl AsFd) -> io::Result<Self> {
        // Secrets lie here, so they shall not be swapped out where the kernel can promise that.
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let root = new("tmpfs", &[("mode", "0700"), ("noswap", "")], attributes)
            .or_else(|_old_kernel| new("tmpfs", &[("mode", "0700")], attributes))?;
        for name in ["root", "empty"] {
            rustix::fs::mkdirat(&root, name, Mode::from_raw_mode(0o755))?;
        }
        attach(&root, place)?;
        Ok(Self { root, files: 0 })
    }

    /// Its top directory.
    pub(super) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// A directory in it.
    pub(super) fn directory(&self, name: &str) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(&self.root, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// A mount of the empty directory.
    pub(super) fn empty(&self) -> io::Result<OwnedFd> {
        duplicate(&self.root, "empty")
    }

    /// A mount of a new file.
    pub(super) fn file(&mut self, content: &[u8], mode: u32, owner: (u32, u32)) -> io::Result<OwnedFd> {
        let name = self.next_name();
        let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.root, &name, how, Mode::from_raw_mode(0o600))?;
        io::Write::write_all(&mut std::fs::File::from(file.try_clone()?), content)?;
        match own(&file, owner) {
            // The memory of older kernels can hold no claim, and then the file is root's.
            Err(Errno::NOTSUP) => {}
            result => result?,
        }
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        duplicate(&self.root, &name)
    }

    /// A mount of a new socket, and the socket itself.
    pub(super) fn socket(&mut self, mode: u32, owner: (u32, u32)) -> io::Result<(OwnedFd, UnixListener)> {
        let name = self.next_name();
        let socket = socket::bind(&self.root, &name, mode, owner)?;
        Ok((duplicate(&self.root, &name)?, socket))
    }

    fn next_name(&mut self) -> String {
        self.files += 1;
        self.files.to_string()
    }
}

/// A mount of a path of this machine, not attached anywhere yet.
pub(super) fn bind_host(path: &std::path::Path) -> io::Result<OwnedFd> {
    duplicate(CWD, path)
}
