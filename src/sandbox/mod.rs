//! Runs a process in a root filesystem, on the rung of isolation that the machine allows.

mod spec;

pub use spec::{Exit, HostEntry, Isolation, Process, Root, SandboxError, SandboxMount, SandboxMountKind, User};
