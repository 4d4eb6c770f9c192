//! Stands in for `/proc` where it cannot be mounted: copies of what programs ask about the machine, as it is when the step starts.
//! There is nothing about other processes in it. What a process asks about itself is answered by a supervisor, where there is one.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::chroot::{make_directory, make_file};
use super::copy::Name;

/// Files of the machine's `/proc` that say nothing of its processes, and that are no longer than some pages.
const COPIED: [&str; 8] = ["cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "swaps", "uptime", "version"];

/// What a step sees mounted: its root alone.
const MOUNTS: &[u8] = b"rootfs / rootfs rw 0 0\n";
const MOUNT_INFORMATION: &[u8] = b"1 0 0:1 / / rw - rootfs rootfs rw\n";
const CGROUP: &[u8] = b"0::/\n";

/// Files of `/proc/self` that a supervisor opens for whoever asks for them, and that say no more than the process knows anyway.
pub(super) const OWN_FILES: [&str; 14] = [
    "auxv",
    "cmdline",
    "comm",
    "environ",
    "exe",
    "gid_map",
    "io",
    "limits",
    "loginuid",
    "maps",
    "oom_score_adj",
    "stat",
    "statm",
    "status",
];

/// Makes the directory. `is_answered`: a supervisor stands by.
pub(super) fn make_proc(place: Name<'_>, is_answered: bool) -> io::Result<()> {
    let proc = make_and_open(place)?;
    let put = |directory: &OwnedFd, name: &str, content: &[u8]| {
        make_file(Name::new(directory, name.as_bytes()), content, 0o444, (0, 0))
    };
    for name in COPIED {
        // A container may have less.
        if let Ok(content) = std::fs::read(format!("/proc/{name}")) {
            put(&proc, name, &content)?;
        }
    }
    put(&proc, "mounts", MOUNTS)?;
    if !is_answered {
        return Ok(());
    }
    let own = make_and_open(Name::new(&proc, b"self"))?;
    for (name, content) in [("mounts", MOUNTS), ("mountinfo", MOUNT_INFORMATION), ("cgroup", CGROUP)] {
        put(&own, name, content)?;
    }
    // One file by many names: to make many takes some file systems long.
    let [first, others @ ..] = OWN_FILES;
    put(&own, first, b"")?;
    for name in others {
        rustix::fs::linkat(&own, first, &own, name, AtFlags::empty())?;
    }
    // No `fd`: the supervisor opens `/proc/self/fd/N` by its name, and whoever does anything else to it, as the C library does to change
    // the mode of what is no link, must learn that it is not there, and not change what stands for an open file.
    Ok(())
}

fn make_and_open(place: Name<'_>) -> io::Result<OwnedFd> {
    make_directory(place, 0o555)?;
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(place.directory, place.name, how, Mode::empty())?)
}
