//! Takes what a step in a changed root directory cannot be left to do by itself: device nodes, which would be the machine's; what it
//! asks about itself; writes, where some of its mounts are read-only; and sockets, where it is to have no network.

use std::sync::LazyLock;

use libc::{c_int, c_long, sock_filter};

use crate::sandbox::seccomp::{ALLOW, argument, give, jump, load, only_for, search};

use super::Chrooted;
use super::filter::{NATIVE, OPENING, TAKE, number};
use super::rare_filter::{NODES, begin, narrow, nodes};

/// Calls by which a process asks about itself, besides those that open files.
const ASKING: [c_long; 3] = [libc::SYS_openat2, libc::SYS_readlinkat, libc::SYS_uname];
/// Calls that change files by name, or by a descriptor that need not be open for writing.
const WRITING: [c_long; 18] = [
    libc::SYS_mkdirat,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_truncate,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
];
/// Calls that ask what may be done, and the place of the mode.
const MAY: [(c_long, usize); 2] = [(libc::SYS_faccessat, 2), (libc::SYS_faccessat2, 2)];

/// The same by older names, which newer architectures do not have.
#[cfg(target_arch = "x86_64")]
mod older {
    use libc::c_long;

    pub(super) const ASKING: [c_long; 2] = [libc::SYS_readlink, libc::SYS_creat];
    pub(super) const WRITING: [c_long; 13] = [
        libc::SYS_mkdir,
        libc::SYS_symlink,
        libc::SYS_unlink,
        libc::SYS_rmdir,
        libc::SYS_rename,
        libc::SYS_renameat,
        libc::SYS_link,
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
    ];
    pub(super) const MAY: [(c_long, usize); 1] = [(libc::SYS_access, 1)];
}
#[cfg(not(target_arch = "x86_64"))]
mod older {
    use libc::c_long;

    pub(super) const ASKING: [c_long; 0] = [];
    pub(super) const WRITING: [c_long; 1] = [libc::SYS_renameat];
    pub(super) const MAY: [(c_long, usize); 0] = [];
}

/// Flags of open(2) by which something may be written; the last is the bit of `O_TMPFILE` that is not `O_DIRECTORY`.
const FOR_WRITING: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC).cast_unsigned() | 0o20_000_000;
/// Flags of open(2) by which nobody opens what he has open.
const FOR_LOOKING: u32 = (libc::O_PATH | libc::O_DIRECTORY).cast_unsigned();
const MAY_WRITE: u32 = libc::W_OK.cast_unsigned();

/// Families of sockets that reach no network. What netlink changes takes a capability that no step has.
const LOCAL: [c_int; 2] = [libc::AF_UNIX, libc::AF_NETLINK];
const NO_FAMILY: u32 = libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT.cast_unsigned();

/// Empty on architectures whose calls kiln does not know.
pub(super) fn for_chroot(more: Chrooted) -> &'static [sock_filter] {
    static FILTERS: LazyLock<[Vec<sock_filter>; 4]> = LazyLock::new(|| {
        let of = |writes, no_sockets| program(Chrooted { writes, no_sockets });
        [of(false, false), of(false, true), of(true, false), of(true, true)]
    });
    &FILTERS[usize::from(more.writes) * 2 + usize::from(more.no_sockets)]
}

fn program(Chrooted { writes, no_sockets }: Chrooted) -> Vec<sock_filter> {
    let Some(native) = NATIVE else { return Vec::new() };
    let mut program = begin(native, &narrow(no_sockets));
    if no_sockets {
        let mut block = vec![load(argument(0))];
        block.extend(
            LOCAL.into_iter().flat_map(|family| [jump(libc::BPF_JEQ, family.cast_unsigned(), 0, 1), give(ALLOW)]),
        );
        block.push(give(NO_FAMILY));
        program.extend(only_for(number(libc::SYS_socket), &block));
    }
    for (call, mode, device) in NODES {
        let block = if writes { vec![give(TAKE)] } else { nodes(mode, device, false) };
        program.extend(only_for(number(call), &block));
    }
    for (call, flags) in OPENING {
        let block = [
            load(argument(flags)),
            jump(libc::BPF_JSET, FOR_WRITING, 2, 0),
            jump(libc::BPF_JSET, FOR_LOOKING, 0, 1),
            give(ALLOW),
            give(TAKE),
        ];
        program.extend(only_for(number(call), &block));
    }
    let mut taken: Vec<u32> = ASKING.into_iter().chain(older::ASKING).map(number).collect();
    if writes {
        taken.extend(WRITING.into_iter().chain(older::WRITING).map(number));
        for (call, mode) in MAY.into_iter().chain(older::MAY) {
            let block = [load(argument(mode)), jump(libc::BPF_JSET, MAY_WRITE, 0, 1), give(TAKE), give(ALLOW)];
            program.extend(only_for(number(call), &block));
        }
    }
    taken.sort_unstable();
    program.extend(search(&taken, TAKE, ALLOW));
    program
}
