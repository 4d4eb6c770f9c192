//! Runs a process in a root filesystem, on the rung of isolation that the machine allows.
//!
//! Nothing of a sandbox outlives [`run()`]: no process, no mount, and in the root filesystem only what the process itself
//! did there. Several can run at once.

mod adopt;
mod advice;
mod cgroup;
mod chroot;
mod confine;
mod copy;
mod devices;
mod launch;
mod limits;
mod mask;
mod mount;
mod namespaces;
mod network_files;
mod overlay;
mod own_program;
mod place;
mod points;
mod probe;
mod proc_files;
mod run;
mod seccomp;
mod socket;
mod spec;
mod standing;
mod supervise;
mod sys;
mod sys_landlock;
mod sys_notify;
mod sys_user;
#[cfg(test)]
mod tests;

use std::io;

pub use cgroup::{Cgroup, Resources, limitable};
pub use limits::{Limits, Ulimit};
pub use points::{make_points, remove_points};
pub use probe::{Probe, Refused, can_overlay_in, probe};
pub use run::{refuses_writes, run};
pub use seccomp::filters_calls;
pub use socket::Service;
pub use spec::{Exit, HostEntry, Isolation, Process, Root, SandboxError, SandboxMount, SandboxMountKind, User};
pub use standing::{Standing, enter, refusal};
pub use sys::leave;

/// Says what was attempted when something fails.
trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: &'static str) -> Result<T, SandboxError> {
        self.map_err(|error| SandboxError::Setup { doing, source: error.into() })
    }
}
