//! The system calls of `landlock(7)`, which have no safe form yet.
#![expect(unsafe_code, reason = "landlock has no safe form that may be used between clone and exec")]

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

use super::sys::last_errno;

/// `struct landlock_ruleset_attr`. A kernel that knows fewer fields takes it as long as those are zero.
#[repr(C)]
pub(super) struct Handled {
    /// Kinds of access to files that need a rule.
    pub(super) files: u64,
    /// Kinds of access to the network.
    pub(super) network: u64,
    /// What may be reached within the same domain only.
    pub(super) scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: c_int,
}

/// The version of the kernel's interface; `None` where it has none, or has it turned off.
pub(super) fn version() -> Option<u32> {
    const ASK_VERSION: u32 = 1;
    // SAFETY: no memory is handed over.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, ptr::null::<Handled>(), 0_usize, ASK_VERSION) };
    u32::try_from(version).ok()
}

/// A new set of rules, which allow nothing of what they handle.
pub(super) fn create(handled: &Handled) -> Result<OwnedFd, Errno> {
    // SAFETY: `handled` is valid for reading and its size is told.
    let result = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, ptr::from_ref(handled), size_of::<Handled>(), 0_u32)
    };
    match c_int::try_from(result) {
        // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(last_errno()),
    }
}

/// Allows kinds of access to `directory` and all below it.
pub(super) fn allow(rules: impl AsFd, directory: impl AsFd, allowed: u64) -> Result<(), Errno> {
    const PATH_BENEATH: c_int = 1;
    let rule = Beneath { allowed, parent: directory.as_fd().as_raw_fd() };
    let rules = rules.as_fd().as_raw_fd();
    // SAFETY: `rule` is valid for reading.
    let result =
        unsafe { libc::syscall(libc::SYS_landlock_add_rule, rules, PATH_BENEATH, ptr::from_ref(&rule), 0_u32) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Puts this thread under the rules for good. Needs `CAP_SYS_ADMIN`, or that no privileges can be gained.
pub(super) fn restrict(rules: impl AsFd) -> Result<(), Errno> {
    // SAFETY: no memory is handed over.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_fd().as_raw_fd(), 0_u32) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}
