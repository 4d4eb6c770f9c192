//! The system call filter of a step: what container engines refuse by default.
//!
//! A list of refusals, not of permissions: most of what it names needs a capability that the step does not have either.
//! It is written out for the machine's own architecture and for the 32-bit one that the machine can run as well.

use std::sync::LazyLock;

use libc::sock_filter;

use super::Isolation;

/// Whether a filter can be had without `no_new_privs`, which would break set-id programs: that takes `CAP_SYS_ADMIN`. The user
/// namespaces of the rungs that have one give it.
fn is_possible() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Whether the system calls of steps are filtered on a rung; why not, if not.
pub fn filters_calls(isolation: Isolation) -> Result<(), &'static str> {
    if isolation == Isolation::Files {
        return Err("no process is run");
    }
    if !is_possible() {
        return Err("without CAP_SYS_ADMIN a filter breaks set-id programs: only steps of root have one");
    }
    filter().map(|_known| ()).ok_or("the calls of this architecture are not known")
}

/// The filter, or none where kiln does not know the architecture's calls.
pub(super) fn filter() -> Option<&'static [sock_filter]> {
    static FILTER: LazyLock<Vec<sock_filter>> = LazyLock::new(|| program(&ARCHITECTURES));
    (!FILTER.is_empty()).then_some(&FILTER)
}

/// The calls of one architecture.
struct Architecture {
    /// `AUDIT_ARCH_…`
    id: u32,
    /// Refused as not permitted.
    refused: &'static [u32],
    /// Its number of `clone`, refused when it asks for namespaces.
    clone: u32,
    /// Its number of `personality`.
    personality: u32,
    /// Numbers from here on are another call interface, which is refused as a whole.
    limit: u32,
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [Architecture; 2] = [
    Architecture { id: 0xc000_003e, refused: &X86_64, clone: 56, personality: 135, limit: 0x4000_0000 },
    Architecture { id: 0x4000_0003, refused: &X86, clone: 120, personality: 136, limit: u32::MAX },
];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [Architecture; 2] = [
    Architecture { id: 0xc000_00b7, refused: &GENERIC, clone: 220, personality: 92, limit: u32::MAX },
    Architecture { id: 0x4000_0028, refused: &ARM, clone: 120, personality: 136, limit: u32::MAX },
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURES: [Architecture; 0] = [];

/// Refused everywhere, with the numbers that all architectures share: `io_uring_*`, `open_tree`, `move_mount`, `fsopen`,
/// `fsconfig`, `fsmount`, `fspick`, `mount_setattr`, `quotactl_fd`, `open_tree_attr`.
const COMMON: [u32; 12] = [425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443, 467];
/// `clone3` hides its flags in memory; callers go back to `clone` when it does not exist.
const CLONE3: u32 = 435;

/// In order: `mount`, `umount2`, `pivot_root`, `swapon`, `swapoff`, `reboot`, `sethostname`, `setdomainname`,
/// `init_module`, `delete_module`, `finit_module`, `create_module`, `get_kernel_syms`, `query_module`, `kexec_load`,
/// `kexec_file_load`, `quotactl`, `nfsservctl`, `settimeofday`, `clock_settime`, `acct`, `iopl`, `ioperm`, `syslog`,
/// `vhangup`, `uselib`, `ustat`, `sysfs`, `_sysctl`, `lookup_dcookie`, `add_key`, `request_key`, `keyctl`, `unshare`,
/// `setns`, `bpf`, `perf_event_open`, `userfaultfd`, `open_by_handle_at`, `fanotify_init`, `move_pages`, `mbind`,
/// `set_mempolicy`, `migrate_pages`, `kcmp`.
#[cfg(target_arch = "x86_64")]
const X86_64: [u32; 45] = [
    165, 166, 155, 167, 168, 169, 170, 171, 175, 176, 313, 174, 177, 178, 246, 320, 179, 180, 164, 227, 163, 172, 173,
    103, 153, 134, 136, 139, 156, 212, 248, 249, 250, 272, 308, 321, 298, 323, 304, 300, 279, 237, 238, 256, 312,
];
/// As `X86_64`, with `umount`, `stime`, `clock_settime64`, `vm86` and `vm86old` besides, and no `kexec_file_load`.
#[cfg(target_arch = "x86_64")]
const X86: [u32; 49] = [
    21, 52, 217, 87, 115, 88, 74, 121, 128, 129, 350, 127, 130, 167, 283, 131, 169, 79, 264, 51, 110, 101, 103, 111,
    86, 62, 135, 149, 253, 286, 287, 288, 310, 346, 357, 336, 374, 342, 338, 317, 274, 276, 294, 349, 22, 25, 404, 166,
    113,
];
/// As `X86_64`, without what the generic table does not have.
#[cfg(target_arch = "aarch64")]
const GENERIC: [u32; 36] = [
    40, 39, 41, 224, 225, 142, 161, 162, 105, 106, 273, 104, 294, 60, 42, 170, 112, 89, 116, 58, 18, 217, 218, 219, 97,
    268, 280, 241, 282, 265, 262, 239, 235, 237, 238, 272,
];
/// As `X86`, without what 32-bit ARM does not have.
#[cfg(target_arch = "aarch64")]
const ARM: [u32; 41] = [
    21, 52, 218, 87, 115, 88, 74, 121, 128, 129, 379, 347, 401, 131, 169, 79, 262, 404, 51, 103, 111, 86, 62, 135, 149,
    249, 309, 310, 311, 337, 375, 386, 364, 388, 371, 367, 344, 319, 321, 378, 400,
];

/// All `CLONE_NEW…` flags.
const NAMESPACES: u32 = 0x7e02_0000;
/// Personalities that only change how a process is told about the machine or laid out.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, u32::MAX];

pub(super) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

/// Offsets in `seccomp_data`.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// The offset of the lower half of an argument, the first being 0.
pub(super) fn argument(place: usize) -> u32 {
    let half = if cfg!(target_endian = "big") { 4 } else { 0 };
    FIRST_ARGUMENT + half + u32::try_from(8 * place).unwrap_or_default()
}

fn program(architectures: &[Architecture]) -> Vec<sock_filter> {
    let mut program = Vec::new();
    if architectures.is_empty() {
        return program;
    }
    program.push(load(ARCHITECTURE));
    for architecture in architectures {
        let calls = calls(architecture);
        // Too far for a conditional jump, so the conditional one goes over an unconditional one.
        program.push(jump(libc::BPF_JEQ, architecture.id, 1, 0));
        program.push(statement(libc::BPF_JMP | libc::BPF_JA, u32::try_from(calls.len()).unwrap_or(u32::MAX)));
        program.extend(calls);
    }
    program.push(give(NO_SUCH_CALL));
    program
}

/// Decides about a call of one architecture; never goes on to what follows.
fn calls(architecture: &Architecture) -> Vec<sock_filter> {
    let mut program = vec![load(NUMBER)];
    for (condition, value) in [(libc::BPF_JGE, architecture.limit), (libc::BPF_JEQ, CLONE3)] {
        program.extend([jump(condition, value, 0, 1), give(NO_SUCH_CALL)]);
    }
    program.extend([
        jump(libc::BPF_JEQ, architecture.clone, 0, 4),
        load(FIRST_ARGUMENT),
        jump(libc::BPF_JSET, NAMESPACES, 0, 1),
        give(NOT_PERMITTED),
        give(ALLOW),
    ]);
    let mut personality = vec![load(FIRST_ARGUMENT)];
    personality.extend(PERSONALITIES.into_iter().flat_map(|value| [jump(libc::BPF_JEQ, value, 0, 1), give(ALLOW)]));
    personality.push(give(NOT_PERMITTED));
    program.push(jump(libc::BPF_JEQ, architecture.personality, 0, distance(&personality)));
    program.extend(personality);

    let mut refused: Vec<_> = COMMON.iter().chain(architecture.refused).copied().collect();
    refused.sort_unstable();
    program.extend(search(&refused, NOT_PERMITTED));
    program
}

/// Gives `answer` to the numbers in a sorted list and allows all others.
///
/// A tree, because the kernel runs a new filter once for every number there is: a plain list costs a fifth of a
/// millisecond for each step.
pub(super) fn search(numbers: &[u32], answer: u32) -> Vec<sock_filter> {
    if numbers.len() <= 3 {
        let leaf = numbers.iter().flat_map(|number| [jump(libc::BPF_JEQ, *number, 0, 1), give(answer)]);
        return leaf.chain([give(ALLOW)]).collect();
    }
    let (lower, upper) = numbers.split_at(numbers.len() / 2);
    let below = search(lower, answer);
    let mut program = vec![jump(libc::BPF_JGE, upper[0], distance(&below), 0)];
    program.extend(below);
    program.extend(search(upper, answer));
    program
}

/// How far a jump over `block` is. No block that is jumped over conditionally is longer than a jump reaches.
fn distance(block: &[sock_filter]) -> u8 {
    u8::try_from(block.len()).unwrap_or(u8::MAX)
}

pub(super) fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

pub(super) fn give(answer: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, answer)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt: 0, jf: 0, k }
}

pub(super) fn jump(condition: u32, k: u32, if_so: u8, if_not: u8) -> sock_filter {
    let mut jump = statement(libc::BPF_JMP | condition | libc::BPF_K, k);
    (jump.jt, jump.jf) = (if_so, if_not);
    jump
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers, by a small interpreter of the statements that it uses.
    fn answer(filter: &[sock_filter], architecture: u32, number: u32, argument: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let statement = filter[at];
            let code = u32::from(statement.code);
            at += 1;
            let offset = |holds: bool| usize::from(if holds { statement.jt } else { statement.jf });
            match code & 0x07 {
                libc::BPF_LD => {
                    value = match statement.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        _ => argument,
                    }
                }
                libc::BPF_RET => return statement.k,
                _ => {
                    at += match code & 0xf0 {
                        libc::BPF_JA => usize::try_from(statement.k).expect("small"),
                        libc::BPF_JEQ => offset(value == statement.k),
                        libc::BPF_JGE => offset(value >= statement.k),
                        _ => offset(value & statement.k != 0),
                    }
                }
            }
        }
    }

    #[test]
    fn exactly_the_listed_calls_are_refused() {
        let filter = program(&ARCHITECTURES);
        for architecture in &ARCHITECTURES {
            for number in 0..1000 {
                let refused = COMMON.contains(&number) || architecture.refused.contains(&number);
                let want = if number == CLONE3 {
                    NO_SUCH_CALL
                } else if refused {
                    NOT_PERMITTED
                } else {
                    ALLOW
                };
                assert_eq!(answer(&filter, architecture.id, number, 0), want, "{:x} {number}", architecture.id);
            }
            for (row, number, argument, want) in [
                ("a thread", architecture.clone, 0x0000_0f00, ALLOW),
                ("a user namespace", architecture.clone, 0x1000_0000, NOT_PERMITTED),
                ("linux32", architecture.personality, 8, ALLOW),
                ("no random addresses", architecture.personality, 0x4_0000, NOT_PERMITTED),
            ] {
                assert_eq!(answer(&filter, architecture.id, number, argument), want, "{row}");
            }
        }
        assert_eq!(answer(&filter, 1, 0, 0), NO_SUCH_CALL);
    }
}
