//! Mounts an overlay of any number of layers.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen, mount,
};

use super::mount::attach_at;

/// The directories of an overlay, opened. Their paths are never spelled out, so no character in them matters and their
/// names do not show inside.
pub(super) struct Layers {
    /// Lowest first; not empty.
    pub(super) lowers: Vec<OwnedFd>,
    /// Gets the changes.
    pub(super) upper: OwnedFd,
    /// The overlay's own.
    pub(super) work: OwnedFd,
    /// The overlay's marks are attributes that anybody may set.
    pub(super) user_marks: bool,
}

/// Changes are kept as whole files and plain directories, which is what a layer is; what a kernel does not know is off
/// there anyway.
const OFF: [&str; 4] = ["index", "xino", "redirect_dir", "metacopy"];

impl Layers {
    /// Mounts them on the directory `name` in `place`, and yields the root of the mount.
    pub(super) fn mount(&self, place: &OwnedFd, name: &str, devices: Devices) -> io::Result<OwnedFd> {
        match self.mount_one_by_one(devices) {
            Ok(root) => {
                attach_at(&root, place, name)?;
                Ok(root)
            }
            // Before Linux 6.5 all lowers are one option, for which the new interface has too little room.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.mount_at_once(place, name, devices).map_err(|_second| error)
            }
            Err(error) => Err(error),
        }
    }

    /// With marks that anybody may set the last two are off, and must not even be named.
    fn off(&self) -> &'static [&'static str] {
        if self.user_marks { &OFF[..2] } else { &OFF }
    }

    fn mount_one_by_one(&self, devices: Devices) -> io::Result<OwnedFd> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for lower in self.lowers.iter().rev() {
            fsconfig_set_string(&context, "lowerdir+", descriptor_path(lower))?;
        }
        fsconfig_set_string(&context, "upperdir", descriptor_path(&self.upper))?;
        fsconfig_set_string(&context, "workdir", descriptor_path(&self.work))?;
        if self.user_marks {
            fsconfig_set_flag(&context, "userxattr")?;
        }
        // An upper that a crash spoils is thrown away, so nothing need be synced.
        let _old_kernel = fsconfig_set_flag(&context, "volatile");
        for option in self.off() {
            let _old_kernel = fsconfig_set_string(&context, *option, "off");
        }
        fsconfig_create(&context)?;
        let attributes = match devices {
            Devices::Usable => MountAttrFlags::empty(),
            Devices::Inert => MountAttrFlags::MOUNT_ATTR_NODEV,
        };
        Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
    }

    fn mount_at_once(&self, place: &OwnedFd, name: &str, devices: Devices) -> io::Result<OwnedFd> {
        let lowers: Vec<_> = self.lowers.iter().rev().map(|lower| lower.as_raw_fd().to_string()).collect();
        let (upper, work) = (self.upper.as_raw_fd(), self.work.as_raw_fd());
        let mut options = format!("lowerdir={},upperdir={upper},workdir={work}", lowers.join(":"));
        if self.user_marks {
            options.push_str(",userxattr");
        }
        for option in self.off() {
            options = format!("{options},{option}=off");
        }
        // From the directory of descriptors a lower is a short number, so that some hundred fit into the one page there
        // is. The calling thread has a working directory of its own.
        rustix::process::chdir("/proc/self/fd")?;
        let target = format!("{}/{name}", place.as_raw_fd());
        let flags = match devices {
            Devices::Usable => MountFlags::empty(),
            Devices::Inert => MountFlags::NODEV,
        };
        let mount_with = |options: &str| {
            let options = CString::new(options)?;
            Ok::<_, io::Error>(mount("overlay", &target, "overlay", flags, Some(options.as_c_str()))?)
        };
        mount_with(&format!("{options},volatile")).or_else(|_old_kernel| mount_with(&options))?;
        Ok(rustix::fs::openat(place, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
    }
}

/// What device nodes in a root file system are good for. They can be made in either case.
#[derive(Clone, Copy)]
pub(super) enum Devices {
    /// They can be opened.
    Usable,
    /// They are names only. Without control groups this keeps a step from the machine's disks.
    Inert,
}

fn descriptor_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
    use rustix::thread::UnshareFlags;

    use super::*;
    use crate::sandbox::{place::open_host, sys};

    #[test]
    fn older_kernels_get_all_lowers_at_once() {
        if !rustix::process::geteuid().is_root() {
            let skipped = "SKIPPED: not root\n";
            std::io::Write::write_all(&mut io::stderr(), skipped.as_bytes()).expect("stderr");
            return;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        let names: Vec<_> = (0..100).map(|number| format!("lower:{number}")).collect();
        for name in names.iter().map(String::as_str).chain(["upper", "work", "root"]) {
            fs::create_dir(path(name)).expect("create");
        }
        fs::write(path("lower:99").join("top"), "99").expect("write");
        let mount_and_write = || {
            sys::unshare(UnshareFlags::FS | UnshareFlags::NEWNS).expect("unshared");
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).expect("private");
            let open = |name: &str| open_host(&path(name)).expect("open");
            let lowers = names.iter().map(|name| open(name)).collect();
            let layers = Layers { lowers, upper: open("upper"), work: open("work"), user_marks: false };
            let place = open_host(dir.path()).expect("open");
            layers.mount_at_once(&place, "root", Devices::Inert).expect("mounted");
            let root = path("root");
            assert_eq!(fs::read_to_string(root.join("top")).expect("there"), "99");
            fs::write(root.join("new"), "x").expect("write");
            unmount(&root, UnmountFlags::DETACH).expect("unmounted");
        };
        std::thread::scope(|scope| scope.spawn(mount_and_write).join().expect("no panic"));
        assert_eq!(fs::read_to_string(path("upper").join("new")).expect("there"), "x");
    }
}
