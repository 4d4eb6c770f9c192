//! The system call filter of a step: what container engines allow by default, for the capabilities that a step has.
//!
//! A list of permissions (`calls.txt`), for the machine's own architecture and for the 32-bit one that it can run as well. It is compiled
//! when the first step runs. The crate at hand for it, seccompiler, kills programs of the second architecture, knows one answer besides
//! the permission, compares number by number, and always sets `no_new_privs`.

mod program;
mod table;

use std::sync::LazyLock;

use libc::sock_filter;

use super::Isolation;
pub(super) use program::{ARCHITECTURE, NUMBER, argument, give, jump, load, only_for, search};
use table::{Call, Kind, Verdict};

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
    static FILTER: LazyLock<Vec<sock_filter>> = LazyLock::new(|| compile(&ARCHITECTURES));
    (!FILTER.is_empty()).then_some(&FILTER)
}

/// An architecture as the kernel and as the table name it.
struct Architecture {
    /// `AUDIT_ARCH_…`
    id: u32,
    name: &'static str,
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [Architecture; 2] =
    [Architecture { id: 0xc000_003e, name: "x86_64" }, Architecture { id: 0x4000_0003, name: "x86" }];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [Architecture; 2] =
    [Architecture { id: 0xc000_00b7, name: "aarch64" }, Architecture { id: 0x4000_0028, name: "arm" }];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ARCHITECTURES: [Architecture; 0] = [];

/// All `CLONE_NEW…` flags.
const NAMESPACES: u32 = 0x7e02_0000;
/// Personalities that only change how a process is told about the machine or laid out.
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, u32::MAX];
/// `AF_ALG` and `AF_VSOCK`: the kernel's ciphers, which have had holes, and the way to the machine's hypervisor.
const FAMILIES: [u32; 2] = [38, 40];

pub(super) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

fn compile(architectures: &[Architecture]) -> Vec<sock_filter> {
    if architectures.is_empty() {
        return Vec::new();
    }
    let mut compiled = vec![load(ARCHITECTURE)];
    for architecture in architectures {
        compiled.extend(program::only_for(architecture.id, &decide(&table::calls(architecture.name))));
    }
    // The third interface of x86, x32, has the first one's architecture and numbers above all in the table.
    compiled.push(give(NO_SUCH_CALL));
    compiled
}

/// Decides about a call of one architecture.
fn decide(calls: &[Call]) -> Vec<sock_filter> {
    let mut compiled = vec![load(NUMBER)];
    for call in calls {
        if let Verdict::Depends(kind) = call.verdict {
            compiled.extend(program::only_for(call.number, &weigh(kind)));
        }
    }
    let answers = calls.iter().map(|call| match call.verdict {
        Verdict::Refuse => (call.number, NOT_PERMITTED),
        // What depends has been decided.
        Verdict::Allow | Verdict::Depends(_) => (call.number, ALLOW),
    });
    compiled.extend(program::look_up(&program::steps(answers, NO_SUCH_CALL)));
    compiled
}

/// Decides by the first argument.
fn weigh(kind: Kind) -> Vec<sock_filter> {
    let mut compiled = vec![load(argument(0))];
    match kind {
        Kind::Clone => {
            compiled.extend([jump(libc::BPF_JSET, NAMESPACES, 0, 1), give(NOT_PERMITTED), give(ALLOW)]);
        }
        Kind::Personality => compiled.extend(search(&PERSONALITIES, ALLOW, NOT_PERMITTED)),
        Kind::Socket => compiled.extend(search(&FAMILIES, NOT_PERMITTED, ALLOW)),
    }
    compiled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(filter: &[sock_filter], architecture: &Architecture, number: u32, argument: u32) -> u32 {
        program::tests::answer(filter, architecture.id, number, argument)
    }

    #[test]
    fn every_call_gets_what_the_table_says_and_no_other_exists() {
        let filter = compile(&ARCHITECTURES);
        assert!(filter.len() < 4096, "the kernel takes no more than 4096 statements: {}", filter.len());
        for architecture in &ARCHITECTURES {
            let calls = table::calls(architecture.name);
            for number in (0..1000).chain([0x4000_0000, 0x4000_003b, u32::MAX]) {
                let call = calls.iter().find(|call| call.number == number);
                let want = match call.map(|call| call.verdict) {
                    None => NO_SUCH_CALL,
                    Some(Verdict::Refuse) => NOT_PERMITTED,
                    Some(Verdict::Allow | Verdict::Depends(_)) => ALLOW,
                };
                assert_eq!(answer(&filter, architecture, number, 0), want, "{} {call:?}", architecture.name);
            }
        }
        assert_eq!(program::tests::answer(&filter, 1, 0, 0), NO_SUCH_CALL);
    }

    #[test]
    fn some_calls_depend_on_their_first_argument() {
        let filter = compile(&ARCHITECTURES);
        for architecture in &ARCHITECTURES {
            let calls = table::calls(architecture.name);
            let number = |name| calls.iter().find(|call| call.name == name).map(|call| call.number);
            for (row, name, argument, want) in [
                ("a thread", "clone", 0x0000_0f00, ALLOW),
                ("a user namespace", "clone", 0x1000_0000, NOT_PERMITTED),
                ("linux32", "personality", 8, ALLOW),
                ("to ask", "personality", u32::MAX, ALLOW),
                ("no random addresses", "personality", 0x4_0000, NOT_PERMITTED),
                ("internet", "socket", 2, ALLOW),
                ("netlink", "socket", 16, ALLOW),
                ("ciphers", "socket", 38, NOT_PERMITTED),
                ("between", "socket", 39, ALLOW),
                ("the hypervisor", "socket", 40, NOT_PERMITTED),
            ] {
                let Some(number) = number(name) else { panic!("{name} of {}", architecture.name) };
                assert_eq!(answer(&filter, architecture, number, argument), want, "{row}");
            }
            assert_eq!(number("clone3"), None, "its flags cannot be seen, and callers go back to `clone`");
        }
    }
}
