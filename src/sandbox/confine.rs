//! What holds a step where namespaces do not: rules of the kernel about what its processes may reach (`landlock(7)`).
//!
//! On every rung: no socket that lies in no file system and is not the step's own (Linux 6.12), as the machine's network, which
//! a step shares unless asked otherwise, has them. On the rung `chroot` besides: no file outside of the root, even for a
//! process that gets out of it (Linux 5.19); no signal to (6.12) and no tracing of a process outside.

use std::io;
use std::os::fd::OwnedFd;

use super::sys_landlock::{Handled, allow, create, restrict, version};

/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET`
const SOCKETS: u64 = 1;
/// `LANDLOCK_SCOPE_SIGNAL`
const SIGNALS: u64 = 2;
/// The version with scopes.
const SCOPES: u32 = 6;
/// The version from which files can be moved and linked from one directory to another under rules.
const MOVING: u32 = 2;

/// Rules, ready to be put over a step.
pub(super) struct Confinement {
    rules: OwnedFd,
    /// Whether files are among them.
    pub(super) holds_files: bool,
}

impl Confinement {
    /// The rules for a step: `root` where its root directory is only changed. `None` where the kernel has none to offer.
    pub(super) fn new(root: Option<&OwnedFd>) -> io::Result<Option<Self>> {
        let version = version().unwrap_or(0);
        let files = if root.is_some() { access(version) } else { 0 };
        let scoped = match (version, root) {
            (SCOPES.., None) => SOCKETS,
            (SCOPES.., Some(_)) => SOCKETS | SIGNALS,
            _ => 0,
        };
        if files == 0 && scoped == 0 {
            return Ok(None);
        }
        let rules = create(&Handled { files, network: 0, scoped })?;
        if let Some(root) = root
            && files != 0
        {
            allow(&rules, root, files)?;
        }
        Ok(Some(Self { rules, holds_files: files != 0 }))
    }

    /// Puts the calling thread under the rules for good.
    pub(super) fn put_on(&self) -> Result<(), rustix::io::Errno> {
        restrict(&self.rules)
    }
}

/// Every kind of access to files that a version knows.
fn access(version: u32) -> u64 {
    match version {
        0..MOVING => 0,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    }
}
