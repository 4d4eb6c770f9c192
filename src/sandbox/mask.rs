//! The step's own `/proc`, with the parts hidden or protected that tell about or change the machine.
//!
//! Runs in the new process, since `/proc` shows the processes of whoever mounts it; nothing here allocates.

use std::ffi::CStr;

use rustix::fs::{AtFlags, CWD, FileType};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_remount};

const MASKED: [&CStr; 10] = [
    c"/proc/acpi",
    c"/proc/asound",
    c"/proc/interrupts",
    c"/proc/kcore",
    c"/proc/keys",
    c"/proc/latency_stats",
    c"/proc/sched_debug",
    c"/proc/scsi",
    c"/proc/timer_list",
    c"/proc/timer_stats",
];

const READ_ONLY: [&CStr; 5] = [c"/proc/bus", c"/proc/fs", c"/proc/irq", c"/proc/sys", c"/proc/sysrq-trigger"];

const PLAIN: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// Mounts what the step may see of cgroups over what is mounted there, where there is a place for it.
pub(super) fn mount_cgroups(read_only: bool) {
    let flags = if read_only { PLAIN | MountFlags::RDONLY } else { PLAIN };
    let _no_place = mount(c"cgroup2", c"/sys/fs/cgroup", c"cgroup2", flags, None);
}

/// Mounts `/proc`; `masked` as container engines do.
pub(super) fn mount_proc(masked: bool) -> Result<(), Errno> {
    mount(c"proc", c"/proc", c"proc", PLAIN, None)?;
    if !masked {
        return Ok(());
    }
    for path in READ_ONLY {
        match mount_bind(path, path) {
            Ok(()) => mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | PLAIN, c"")?,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    for path in MASKED {
        let Ok(stat) = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            mount(c"tmpfs", path, c"tmpfs", PLAIN | MountFlags::RDONLY, Some(c"size=0"))?;
        } else {
            mount_bind(c"/dev/null", path)?;
        }
    }
    Ok(())
}
