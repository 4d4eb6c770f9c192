//! Which system calls are taken: a filter beside the usual one, whose refusals go before.

use std::sync::LazyLock;

use libc::{c_long, sock_filter};

use crate::sandbox::seccomp::{ALLOW, ARCHITECTURE, NUMBER, argument, give, jump, load, search};

/// `AUDIT_ARCH_…` of this machine.
#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
pub(super) const NATIVE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const NATIVE: Option<u32> = None;

/// Calls that are always taken.
const TAKEN: [c_long; 32] = [
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_mknodat,
    libc::SYS_mkdirat,
    libc::SYS_symlinkat,
    libc::SYS_openat2,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_chroot,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
];

/// The same by older names, which newer architectures do not have.
#[cfg(target_arch = "x86_64")]
const OLDER: [c_long; 8] = [
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_mknod,
    libc::SYS_mkdir,
    libc::SYS_symlink,
    libc::SYS_creat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: [c_long; 0] = [];

/// Calls that open a file, and the place of their flags: taken when they may make one.
#[cfg(target_arch = "x86_64")]
pub(super) const OPENING: [(c_long, usize); 2] = [(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const OPENING: [(c_long, usize); 1] = [(libc::SYS_openat, 2)];

/// `O_CREAT`, and the bit of `O_TMPFILE` that is not `O_DIRECTORY`.
pub(super) const MAKING: u32 = libc::O_CREAT.cast_unsigned() | 0o20_000_000;

pub(super) const TAKE: u32 = libc::SECCOMP_RET_USER_NOTIF;
const SUCCEED: u32 = libc::SECCOMP_RET_ERRNO;

/// The filter; empty on architectures whose calls kiln does not know.
pub(super) fn filter() -> &'static [sock_filter] {
    static FILTER: LazyLock<Vec<sock_filter>> = LazyLock::new(program);
    &FILTER
}

fn program() -> Vec<sock_filter> {
    let Some(native) = NATIVE else { return Vec::new() };
    // Programs for another architecture see the one id that the kernel knows.
    let mut program = vec![load(ARCHITECTURE), jump(libc::BPF_JEQ, native, 1, 0), give(ALLOW), load(NUMBER)];
    for (call, place) in OPENING {
        program.extend([
            jump(libc::BPF_JEQ, number(call), 0, 4),
            load(argument(place)),
            jump(libc::BPF_JSET, MAKING, 0, 1),
            give(TAKE),
            give(ALLOW),
        ]);
    }
    // The slack of timers says who a process is.
    program.extend([
        jump(libc::BPF_JEQ, number(libc::SYS_prctl), 0, 6),
        load(argument(0)),
        jump(libc::BPF_JEQ, libc::PR_SET_TIMERSLACK.cast_unsigned(), 0, 1),
        give(SUCCEED),
        jump(libc::BPF_JEQ, libc::PR_SET_KEEPCAPS.cast_unsigned(), 0, 1),
        give(TAKE),
        give(ALLOW),
    ]);
    let mut taken: Vec<_> = TAKEN.into_iter().chain(OLDER).map(number).collect();
    taken.sort_unstable();
    program.extend(search(&taken, TAKE, ALLOW));
    program
}

pub(super) fn number(call: c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}
