//! Rung `chroot`: for root without `CAP_SYS_ADMIN`.

use std::os::fd::OwnedFd;

use super::{Exit, Process, SandboxError};

/// Runs the process to its end.
pub(super) fn run(_process: &Process<'_>, _output: OwnedFd) -> Result<Exit, SandboxError> {
    Err(SandboxError::Unsupported { what: "running a process".to_owned(), isolation: super::Isolation::Chroot })
}
