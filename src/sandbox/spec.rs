use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::progress::Cancel;
use crate::rootfs::Claims;

use super::{Cgroup, Limits, Service, Ulimit};

/// A rung of the ladder (`--isolation`), strongest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Isolation {
    /// Root with `CAP_SYS_ADMIN`: namespaces, overlay, `pivot_root`.
    Root,
    /// Ordinary user with subordinate ids.
    Rootless,
    /// Ordinary user, one id.
    SingleId,
    /// Root without `CAP_SYS_ADMIN`: plain chroot.
    Chroot,
    /// Nothing: no process can be run.
    Files,
}

/// The root filesystem that a process sees.
#[derive(Clone, Debug)]
pub enum Root {
    /// An overlay.
    Overlay {
        /// Read-only trees in overlay form, lowest first; may be empty.
        lowers: Vec<PathBuf>,
        /// Gets all changes; an existing directory.
        upper: PathBuf,
        /// For overlayfs's own use; an existing, empty directory beside `upper`.
        work: PathBuf,
    },
    /// A directory that is the root filesystem, changed in place.
    Directory(PathBuf),
}

/// Who a process runs as.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// A line of `/etc/hosts` (`--add-host`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostEntry {
    /// The name.
    pub name: String,
    /// The address.
    pub address: String,
}

/// Something mounted for the process only; nothing of it is in the layer (RUN-14).
#[derive(Clone, Debug)]
pub struct SandboxMount {
    /// Absolute and clean; links in it are followed inside the root. Mounted in order of this path (RUN-39).
    pub target: String,
    /// What.
    pub kind: SandboxMountKind,
    /// The process cannot write to it.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Clone, Debug)]
pub enum SandboxMountKind {
    /// A directory or file of this machine, already resolved by the caller. Written to in place unless `read_only`.
    Bind(PathBuf),
    /// Memory, of at most so many bytes.
    Tmpfs(Option<u64>),
    /// A file whose bytes never touch a disk: a secret, or a heredoc's script.
    File {
        /// Its bytes.
        content: Vec<u8>,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A socket that this process of kiln's answers.
    Socket {
        /// Who talks to those that connect.
        service: Arc<dyn Service>,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

/// A process to run.
#[derive(Debug)]
pub struct Process<'a> {
    /// Program and arguments; not empty. `argv[0]` without a slash is looked up in `PATH` of `env` inside the root.
    pub argv: &'a [String],
    /// `NAME=value`, the whole environment.
    pub env: &'a [String],
    /// Absolute; made with mode 0755 and owner `user` where it is missing, and kept (RUN-11).
    pub cwd: &'a str,
    /// Who runs it.
    pub user: &'a User,
    /// Its root filesystem.
    pub root: &'a Root,
    /// Mounts besides the usual ones.
    pub mounts: &'a [SandboxMount],
    /// RUN-13.
    pub hostname: &'a str,
    /// Further lines of `/etc/hosts`.
    pub hosts: &'a [HostEntry],
    /// Only loopback.
    pub no_network: bool,
    /// `--security=insecure`: all capabilities, no masks.
    pub insecure: bool,
    /// Bytes of `/dev/shm`; 0 is 64 MiB.
    pub shm_size: u64,
    /// What holds each of its processes back.
    pub limits: &'a Limits,
    /// What holds it back as a whole.
    pub cgroup: Option<&'a Cgroup>,
    /// On the rung `single-id`, gets what the step's links and pipes are meant to be.
    pub claims: &'a Claims,
    /// The build may be stopped meanwhile.
    pub cancel: &'a Cancel,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Not well, after the kernel had killed a process because the step had used up its memory.
    OutOfMemory,
}

/// A process could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The program is not there, or cannot be executed.
    #[error("cannot execute `{program}`: {source}")]
    Exec {
        /// As asked for.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A mount's target is no place to mount on.
    #[error("cannot mount on {target}: {source}")]
    Mount {
        /// As asked for.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// The sandbox could not be set up.
    #[error("cannot {doing}: {source}")]
    Setup {
        /// What was attempted.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// This rung cannot do what is asked.
    #[error("{what} is not possible with `--isolation={isolation}`")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// The rung.
        isolation: Isolation,
    },
    /// A limit is above what kiln itself has.
    #[error("cannot set the limit {limit}: kiln itself has {have} at most")]
    Limit {
        /// As asked for.
        limit: Ulimit,
        /// Kiln's own hard limit.
        have: u64,
    },
    /// It took longer than [`Limits::timeout`], and was killed.
    #[error("it ran for more than {0:?}")]
    TimedOut(Duration),
    /// The build was stopped.
    #[error("the build was stopped")]
    Cancelled,
}

impl Isolation {
    /// All of them, strongest first.
    pub const ALL: [Self; 5] = [Self::Root, Self::Rootless, Self::SingleId, Self::Chroot, Self::Files];

    /// As `--isolation` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Rootless => "rootless",
            Self::SingleId => "single-id",
            Self::Chroot => "chroot",
            Self::Files => "files",
        }
    }
}

impl std::fmt::Display for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
