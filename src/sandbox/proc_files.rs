//! Stands in for `/proc` where it cannot be mounted: copies of what programs ask about the machine, as it is when the step starts.
//! There is nothing about processes in it, and no `/proc/self`.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::chroot::{make_directory, make_file};
use super::copy::Name;

/// Files of the machine's `/proc` that say nothing of its processes, and that are no longer than some pages.
const COPIED: [&str; 7] = ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version"];

/// What a step sees mounted: its root alone.
const MOUNTS: &[u8] = b"rootfs / rootfs rw 0 0\n";

/// Makes the directory.
pub(super) fn make_proc(place: Name<'_>) -> io::Result<()> {
    make_directory(place, 0o555)?;
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc: OwnedFd = rustix::fs::openat(place.directory, place.name, how, Mode::empty())?;
    let put = |name: &str, content: &[u8]| make_file(Name::new(&proc, name.as_bytes()), content, 0o444, (0, 0));
    for name in COPIED {
        // A container may have less.
        if let Ok(content) = std::fs::read(format!("/proc/{name}")) {
            put(name, &content)?;
        }
    }
    put("mounts", MOUNTS)
}
