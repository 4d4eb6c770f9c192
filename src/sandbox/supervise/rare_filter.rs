//! Takes the calls of [`super::rare`] of a step in a user namespace, by their arguments: a filter beside the usual one, whose
//! refusals go before.

use std::sync::LazyLock;

use libc::{c_long, sock_filter};

use crate::sandbox::seccomp::{ALLOW, ARCHITECTURE, NUMBER, argument, give, jump, load, only_for};

use super::filter::{NATIVE, TAKE, number};

/// `AUDIT_ARCH_…`, `mknod` and `mknodat` of the 32-bit programs that the machine can run as well.
#[cfg(target_arch = "x86_64")]
const NARROW: (u32, [(u32, usize); 2]) = (0x4000_0003, [(14, 1), (297, 2)]);
#[cfg(not(target_arch = "x86_64"))]
const NARROW: (u32, [(u32, usize); 2]) = (0x4000_0028, [(14, 1), (324, 2)]);

/// `socketcall` and `socket` of those programs.
#[cfg(target_arch = "x86_64")]
const NARROW_SOCKETS: [u32; 2] = [102, 359];
#[cfg(not(target_arch = "x86_64"))]
const NARROW_SOCKETS: [u32; 2] = [102, 281];

/// Calls that make nodes, and the places of mode and number.
#[cfg(target_arch = "x86_64")]
pub(super) const NODES: [(c_long, usize, usize); 2] = [(libc::SYS_mknodat, 2, 3), (libc::SYS_mknod, 1, 2)];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const NODES: [(c_long, usize, usize); 1] = [(libc::SYS_mknodat, 2, 3)];

/// Calls that give files away, and the places of user and group.
#[cfg(target_arch = "x86_64")]
const OWNERS: [(c_long, usize, usize); 4] =
    [(libc::SYS_fchownat, 2, 3), (libc::SYS_fchown, 1, 2), (libc::SYS_chown, 1, 2), (libc::SYS_lchown, 1, 2)];
#[cfg(not(target_arch = "x86_64"))]
const OWNERS: [(c_long, usize, usize); 2] = [(libc::SYS_fchownat, 2, 3), (libc::SYS_fchown, 1, 2)];

/// Numbers of character devices that any process may use, and of overlayfs's mark, as `makedev` packs them.
pub(super) const HARMLESS: [u32; 7] = [0, 0x103, 0x105, 0x107, 0x108, 0x109, 0x500];
/// More ids than this are not to be had by `newuidmap` as machines are set up.
const LAST_ID: u32 = 65_535;

const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();

/// For a step in a user namespace with many ids; empty on architectures whose calls kiln does not know.
pub(super) fn for_many_ids() -> &'static [sock_filter] {
    static FILTER: LazyLock<Vec<sock_filter>> = LazyLock::new(program);
    &FILTER
}

fn program() -> Vec<sock_filter> {
    let Some(native) = NATIVE else { return Vec::new() };
    let mut program = begin(native, &[give(ALLOW)]);
    for (call, mode, device) in NODES {
        program.extend(only_for(number(call), &nodes(mode, device, true)));
    }
    for (call, user, group) in OWNERS {
        program.extend(only_for(number(call), &owners(user, group)));
    }
    program.push(give(ALLOW));
    program
}

/// Answers calls of other architectures as `other` says, and loads the number of those of the machine's own.
pub(super) fn begin(native: u32, other: &[sock_filter]) -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE)];
    program.push(jump(libc::BPF_JEQ, native, distance(other), 0));
    program.extend(other);
    program.push(load(NUMBER));
    program
}

/// Keeps the kind of file of a mode.
const KIND: sock_filter = sock_filter { code: 0x54, jt: 0, jf: 0, k: libc::S_IFMT };

pub(super) fn nodes(mode: usize, device: usize, in_namespace: bool) -> Vec<sock_filter> {
    let mut block = vec![load(argument(mode)), KIND, jump(libc::BPF_JEQ, libc::S_IFBLK, 0, 1), give(TAKE)];
    block.extend([jump(libc::BPF_JEQ, libc::S_IFCHR, 1, 0), give(ALLOW)]);
    if !in_namespace {
        block.push(load(argument(device)));
        block.extend(HARMLESS.into_iter().flat_map(|number| [jump(libc::BPF_JEQ, number, 0, 1), give(ALLOW)]));
    }
    block.push(give(TAKE));
    block
}

fn owners(user: usize, group: usize) -> Vec<sock_filter> {
    let beyond = |place| {
        [load(argument(place)), jump(libc::BPF_JEQ, u32::MAX, 2, 0), jump(libc::BPF_JGT, LAST_ID, 0, 1), give(TAKE)]
    };
    [&beyond(user)[..], &beyond(group), &[give(ALLOW)]].concat()
}

/// 32-bit programs are not supervised: in a namespace the kernel refuses them nodes, and here the filter does; and sockets, where
/// there are to be none.
pub(super) fn narrow(no_sockets: bool) -> Vec<sock_filter> {
    let (architecture, calls) = NARROW;
    let mut program = vec![jump(libc::BPF_JEQ, architecture, 1, 0), give(ALLOW), load(NUMBER)];
    for (call, mode) in calls {
        program.extend([
            jump(libc::BPF_JEQ, call, 0, 6),
            load(argument(mode)),
            KIND,
            jump(libc::BPF_JEQ, libc::S_IFBLK, 1, 0),
            jump(libc::BPF_JEQ, libc::S_IFCHR, 0, 1),
            give(NOT_PERMITTED),
            give(ALLOW),
        ]);
    }
    for call in NARROW_SOCKETS.into_iter().filter(|_| no_sockets) {
        program.extend([jump(libc::BPF_JEQ, call, 0, 1), give(NOT_PERMITTED)]);
    }
    program.push(give(ALLOW));
    program
}

/// How far a jump over `block` is; blocks are shorter than a jump reaches.
fn distance(block: &[sock_filter]) -> u8 {
    u8::try_from(block.len()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Chrooted;
    use super::super::chroot_filter::for_chroot;
    use super::*;

    const EXECUTABLE: u32 = 0o755;

    /// What a filter answers, by a small interpreter of the statements that it uses.
    fn answer(filter: &[sock_filter], architecture: u32, call: u32, arguments: [u32; 4]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let statement = filter[at];
            at += 1;
            let offset = |holds: bool| usize::from(if holds { statement.jt } else { statement.jf });
            match u32::from(statement.code) {
                0x20 => {
                    value = match statement.k {
                        NUMBER => call,
                        ARCHITECTURE => architecture,
                        offset => arguments[(offset as usize - 16) / 8],
                    }
                }
                0x54 => value &= statement.k,
                0x06 => return statement.k,
                0x05 => at += statement.k as usize,
                code => {
                    at += offset(match code & 0xf0 {
                        libc::BPF_JEQ => value == statement.k,
                        libc::BPF_JGE => value >= statement.k,
                        libc::BPF_JSET => value & statement.k != 0,
                        _ => value > statement.k,
                    });
                }
            }
        }
    }

    #[test]
    fn exactly_the_rare_calls_are_taken() {
        let Some(native) = NATIVE else { return };
        let (mknodat, fchownat) = (number(libc::SYS_mknodat), number(libc::SYS_fchownat));
        let (disk, null) = (0x800, 0x103);
        for (row, call, arguments, in_namespace, in_chroot) in [
            ("a file", mknodat, [0, 0, EXECUTABLE, 0], ALLOW, ALLOW),
            ("a pipe", mknodat, [0, 0, libc::S_IFIFO | EXECUTABLE, 0], ALLOW, ALLOW),
            ("a socket", mknodat, [0, 0, libc::S_IFSOCK, 0], ALLOW, ALLOW),
            ("a disk", mknodat, [0, 0, libc::S_IFBLK | EXECUTABLE, disk], TAKE, TAKE),
            ("null", mknodat, [0, 0, libc::S_IFCHR, null], TAKE, ALLOW),
            ("memory", mknodat, [0, 0, libc::S_IFCHR, 0x101], TAKE, TAKE),
            ("a disk with the number of null", mknodat, [0, 0, libc::S_IFBLK, null], TAKE, TAKE),
            ("root", fchownat, [0, 0, 0, 0], ALLOW, ALLOW),
            ("the last id", fchownat, [0, 0, 65_535, 65_535], ALLOW, ALLOW),
            ("a user beyond", fchownat, [0, 0, 65_536, u32::MAX], TAKE, ALLOW),
            ("a group beyond", fchownat, [0, 0, u32::MAX, 2_000_000], TAKE, ALLOW),
            ("nobody new", fchownat, [0, 0, u32::MAX, u32::MAX], ALLOW, ALLOW),
            ("a directory", number(libc::SYS_openat), [0, 0, libc::O_DIRECTORY.cast_unsigned(), disk], ALLOW, ALLOW),
            ("a file that is read", number(libc::SYS_openat), [0, 0, 0, disk], ALLOW, TAKE),
            ("the host's name", number(libc::SYS_uname), [0; 4], ALLOW, TAKE),
            ("a removal", number(libc::SYS_unlinkat), [0; 4], ALLOW, ALLOW),
            ("a question", number(libc::SYS_faccessat), [0, 0, libc::W_OK.cast_unsigned(), 0], ALLOW, ALLOW),
            ("anything else", number(libc::SYS_newfstatat), [0, 0, libc::S_IFBLK, disk], ALLOW, ALLOW),
        ] {
            assert_eq!(answer(for_many_ids(), native, call, arguments), in_namespace, "{row}, in a namespace");
            assert_eq!(
                answer(for_chroot(Chrooted::default()), native, call, arguments),
                in_chroot,
                "{row}, in a chroot"
            );
        }
        let (narrow, [(mknod, _), _]) = NARROW;
        assert_eq!(answer(for_chroot(Chrooted::default()), narrow, mknod, [0, libc::S_IFBLK, 0, 0]), NOT_PERMITTED);
        assert_eq!(answer(for_chroot(Chrooted::default()), narrow, mknod, [0, libc::S_IFIFO, 0, 0]), ALLOW);
        assert_eq!(answer(for_many_ids(), narrow, mknod, [0, libc::S_IFBLK, 0, 0]), ALLOW);
    }

    #[test]
    fn run_20_no_network_has_no_sockets_where_it_cannot_be_a_network_of_its_own() {
        let Some(native) = NATIVE else { return };
        let (none, (narrow, _)) = (for_chroot(Chrooted { no_sockets: true, writes: false }), NARROW);
        let socket = number(libc::SYS_socket);
        for (row, family, is_allowed) in [
            ("unix", libc::AF_UNIX, true),
            ("netlink", libc::AF_NETLINK, true),
            ("inet", libc::AF_INET, false),
            ("inet6", libc::AF_INET6, false),
            ("packet", libc::AF_PACKET, false),
        ] {
            let arguments = [family.cast_unsigned(), 0, 0, 0];
            assert_eq!(answer(none, native, socket, arguments) == ALLOW, is_allowed, "{row}");
            assert_eq!(answer(for_chroot(Chrooted::default()), native, socket, arguments), ALLOW, "{row}");
        }
        for call in NARROW_SOCKETS {
            assert_eq!(answer(none, narrow, call, [0; 4]), NOT_PERMITTED);
            assert_eq!(answer(for_chroot(Chrooted::default()), narrow, call, [0; 4]), ALLOW);
        }
    }

    #[test]
    fn writes_are_taken_where_mounts_are_read_only() {
        let Some(native) = NATIVE else { return };
        let (open, access) = (number(libc::SYS_openat), number(libc::SYS_faccessat));
        for (row, call, argument, want) in [
            ("for reading", open, libc::O_RDONLY, TAKE),
            ("a directory", open, libc::O_DIRECTORY, ALLOW),
            ("without a name", open, libc::O_TMPFILE | libc::O_RDWR, TAKE),
            ("a removal", number(libc::SYS_unlinkat), 0, TAKE),
            ("a pipe", number(libc::SYS_mknodat), 0o010_644, TAKE),
            ("may it be read", access, libc::R_OK, ALLOW),
            ("may it be written", access, libc::R_OK | libc::W_OK, TAKE),
            ("a question", number(libc::SYS_newfstatat), 0, ALLOW),
        ] {
            assert_eq!(
                answer(
                    for_chroot(Chrooted { writes: true, ..Chrooted::default() }),
                    native,
                    call,
                    [0, 0, argument.cast_unsigned(), 0]
                ),
                want,
                "{row}"
            );
        }
    }
}
