//! From a root file system that is set up to a program that runs in it, and to its end.
//!
//! ```text
//! kiln's thread ── waits for ──▶ keeper ── waits for ──▶ the step's process
//!                                first of a process      first of another, inside: the program sees
//!                                id namespace            itself as process 1, as the reference has it
//! ```
//!
//! The kernel ends all of a namespace with its first process. The keeper dies with kiln, so everything dies with kiln,
//! whatever the step did to its own signals and credentials. Without namespaces the keeper adopts and kills instead.
//!
//! What runs between clone and exec uses only what was made ready in [`Launch`]: no memory is allocated and no lock taken.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use super::confine::Confinement;
use super::run::Links;
use super::supervise::Supervised;
use super::sys::{Ended, Until};
use super::{Exit, Limits, Process, SandboxError, adopt, mask, own_program, seccomp, standing, sys};

/// The capabilities that container engines leave (M-21).
const CAPABILITIES: u64 = 0xa804_25fb;
/// By which root leaves a root directory that was merely changed.
const CHANGE_ROOT: u64 = 1 << 18;
/// By which root comes by the machine's disks, where no mount forbids their nodes.
const MAKE_NODES: u64 = 1 << 27;

/// What the room of a process is, as far as the process itself has to finish it.
pub(super) enum Room {
    /// Namespaces; `masked` unless the step is insecure.
    Namespaces {
        /// Hide parts of `/proc`.
        masked: bool,
    },
    /// A changed root directory.
    Chroot {
        /// The root.
        root: OwnedFd,
        /// The working directory.
        cwd: OwnedFd,
        /// This machine's `/proc`.
        proc: OwnedFd,
    },
}

/// Whether a filter and rules can be put over a step, and what for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Restriction {
    /// It is not to have any, or they would cost more than they bring.
    None,
    /// By `CAP_SYS_ADMIN`.
    Free,
    /// By giving set-id programs up.
    WithoutPrivileges,
}

impl Restriction {
    /// `is_admin`: kiln has `CAP_SYS_ADMIN`.
    pub(super) fn of(process: &Process<'_>, is_admin: bool) -> Self {
        match (process.insecure, is_admin, process.user.uid) {
            (false, true, _) => Self::Free,
            (false, false, 0) => Self::WithoutPrivileges,
            // Somebody else than root may need a set-id program, `sudo` most of all; and has no capabilities to misuse.
            _ => Self::None,
        }
    }
}

/// All that is needed from clone to exec.
pub(super) struct Launch {
    candidates: Vec<CString>,
    arguments: sys::Strings,
    environment: sys::Strings,
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
    input: OwnedFd,
    output: OwnedFd,
    /// Where its cgroup is entered.
    cgroup: Option<OwnedFd>,
    limits: Limits,
    /// `None` for all.
    capabilities: Option<u64>,
    filter: Option<&'static [libc::sock_filter]>,
    confinement: Option<Confinement>,
    /// The price of a filter and rules without `CAP_SYS_ADMIN`: set-id programs do nothing.
    no_new_privileges: bool,
    /// Where a supervisor takes calls; on the rung `single-id` credentials are its affair as well.
    supervised: Option<Supervised>,
    pub(super) room: Room,
    kiln: OwnedFd,
    stack: sys::Stack,
    outcome: Outcome,
}

/// Written by the processes, which share memory with kiln, and read when they are gone.
struct Outcome {
    /// What `waitpid` said of the step's process.
    status: AtomicI32,
    /// What failed before the program ran: an index into `DOING`, and an error number.
    failed: AtomicUsize,
    errno: AtomicI32,
}

/// What is done on the way to the program; the last is executing it.
const DOING: [&str; 10] = [
    "run anything",
    "start the process",
    "mount /proc",
    "enter the root file system",
    "connect the output",
    "set the limits",
    "become the user",
    "install the system call filter",
    "enter the cgroup",
    "execute the program",
];
const START: usize = 1;
const PROC: usize = 2;
const ROOT: usize = 3;
const OUTPUT: usize = 4;
const LIMITS: usize = 5;
const USER: usize = 6;
const FILTER: usize = 7;
const CGROUP: usize = 8;
const EXECUTE: usize = 9;

impl Launch {
    /// Makes everything ready. `output` gets what the process writes.
    pub(super) fn new(
        process: &Process<'_>,
        room: Room,
        supervised: Option<Supervised>,
        input: OwnedFd,
        output: OwnedFd,
        links: &Links,
    ) -> io::Result<Self> {
        let (root, restriction) = match &room {
            Room::Namespaces { .. } => (None, Restriction::of(process, true)),
            Room::Chroot { root, .. } => (Some(root), Restriction::of(process, standing::may_mount())),
        };
        let restricted = restriction != Restriction::None;
        let confinement = if restricted { Confinement::new(root)? } else { None };
        let mut capabilities = CAPABILITIES;
        if root.is_some() && supervised.is_none() {
            capabilities &= !MAKE_NODES;
        }
        if root.is_some() && !confinement.as_ref().is_some_and(|rules| rules.holds_files) {
            capabilities &= !CHANGE_ROOT;
        }
        Ok(Self {
            candidates: candidates(process)?,
            arguments: sys::Strings::new(process.argv)?,
            environment: sys::Strings::new(process.env)?,
            user: Uid::from_raw(process.user.uid),
            group: Gid::from_raw(process.user.gid),
            groups: process.user.groups.iter().copied().map(Gid::from_raw).collect(),
            input,
            output,
            cgroup: links.cgroup.as_ref().map(OwnedFd::try_clone).transpose()?,
            limits: process.limits.clone(),
            capabilities: (!process.insecure).then_some(capabilities),
            filter: if restricted { seccomp::filter() } else { None },
            confinement,
            no_new_privileges: restriction == Restriction::WithoutPrivileges,
            supervised,
            room,
            kiln: rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?,
            stack: sys::Stack::new(),
            outcome: Outcome { status: AtomicI32::new(-1), failed: AtomicUsize::new(0), errno: AtomicI32::new(0) },
        })
    }

    /// Runs the program to its end. The calling thread must have its signals blocked.
    pub(super) fn run(&self, process: &Process<'_>) -> Result<Exit, SandboxError> {
        let (flags, stop_signal) = match self.room {
            Room::Namespaces { .. } => (sys::NEW_PIDS, libc::SIGKILL),
            Room::Chroot { .. } => (0, libc::SIGTERM),
        };
        let stack = sys::Stack::new();
        let end = Until { stop: process.cancel.fd(), timeout: self.limits.timeout };
        let ended = sys::run_beside(&stack, flags, keep, self, &end, stop_signal)
            .map_err(|source| SandboxError::Setup { doing: DOING[START], source })?;
        let source = io::Error::from_raw_os_error(self.outcome.errno.load(Ordering::SeqCst));
        let status = self.outcome.status.load(Ordering::SeqCst);
        match self.outcome.failed.load(Ordering::SeqCst) {
            _ if ended == Ended::Stopped && process.cancel.is_set() => Err(SandboxError::Cancelled),
            _ if ended == Ended::TimedOut => Err(SandboxError::TimedOut(self.limits.timeout.unwrap_or_default())),
            EXECUTE => Err(SandboxError::Exec { program: process.argv.first().cloned().unwrap_or_default(), source }),
            0 if status >= 0 => Ok(match sys::decode(status) {
                Ok(code) => Exit::Code(code),
                Err(signal) => Exit::Signal(signal),
            }),
            // The keeper was killed by somebody else, and with it the step.
            0 => Ok(Exit::Signal(libc::SIGKILL)),
            LIMITS if let Some((limit, have)) = self.limits.refused() => Err(SandboxError::Limit { limit, have }),
            failed => Err(SandboxError::Setup { doing: DOING[failed], source }),
        }
    }

    fn fail(&self, doing: usize, errno: Errno) {
        self.outcome.errno.store(errno.raw_os_error(), Ordering::SeqCst);
        self.outcome.failed.store(doing, Ordering::SeqCst);
    }

    /// Whether kiln is gone.
    fn is_orphaned(&self) -> bool {
        let mut polled = [PollFd::new(&self.kiln, PollFlags::IN)];
        !matches!(poll(&mut polled, Some(&Timespec::default())), Ok(0))
    }
}

/// Where the program may be: `argv[0]` if it has a slash, else that name in each directory of `PATH` (RUN-1).
fn candidates(process: &Process<'_>) -> io::Result<Vec<CString>> {
    let name = process.argv.first().map(String::as_str).unwrap_or_default();
    if name.contains('/') {
        return Ok(vec![CString::new(name)?]);
    }
    let path = process.env.iter().rev().find_map(|line| line.strip_prefix("PATH="));
    let directories = path.unwrap_or_default().split(':').filter(|directory| !directory.is_empty() && !name.is_empty());
    Ok(directories.map(|directory| CString::new(format!("{directory}/{name}"))).collect::<Result<_, _>>()?)
}

/// The keeper.
fn keep(launch: &Launch) {
    let (flags, signal) = match launch.room {
        Room::Namespaces { .. } => (sys::NEW_PIDS, Signal::KILL),
        Room::Chroot { .. } => (0, Signal::TERM),
    };
    sys::expect_children();
    if let Err(errno) = rustix::process::set_parent_process_death_signal(Some(signal)) {
        return launch.fail(START, errno);
    }
    // It may have died before it was asked to take this process along.
    if launch.is_orphaned() {
        return;
    }
    let adopting = if let Room::Chroot { .. } = launch.room {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
    } else {
        Ok(())
    };
    let started = adopting.and_then(|()| sys::run_until_execution(&launch.stack, flags, become_program, launch));
    let status = match (&launch.room, started) {
        (_, Err(errno)) => return launch.fail(START, errno),
        (Room::Namespaces { .. }, Ok(pid)) => sys::wait(pid),
        (Room::Chroot { proc, .. }, Ok(pid)) => adopt::wait_and_kill(pid, proc),
    };
    launch.outcome.status.store(status, Ordering::SeqCst);
}

/// The step's process, up to its program.
fn become_program(launch: &Launch) {
    let (doing, errno) = match prepare(launch) {
        Err(failure) => failure,
        Ok(()) => (EXECUTE, execute(launch)),
    };
    launch.fail(doing, errno);
    sys::end(127);
}

fn prepare(launch: &Launch) -> Result<(), (usize, Errno)> {
    if let Some(door) = &launch.cgroup {
        join(door, &launch.room).map_err(|errno| (CGROUP, errno))?;
    }
    match &launch.room {
        Room::Namespaces { masked } => mask::mount_proc(*masked).map_err(|errno| (PROC, errno))?,
        Room::Chroot { root, cwd, .. } => enter(root, cwd).map_err(|errno| (ROOT, errno))?,
    }
    connect(launch).map_err(|errno| (OUTPUT, errno))?;
    sys::leave_keyring().map_err(|errno| (START, errno))?;
    launch.limits.apply().map_err(|errno| (LIMITS, errno))?;
    // While what the program's own user may not read can still be read.
    launch.candidates.iter().try_for_each(|program| own_program::refuse(program)).map_err(|errno| (EXECUTE, errno))?;
    if launch.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(|errno| (FILTER, errno))?;
    }
    if let Some(confinement) = &launch.confinement {
        confinement.put_on().map_err(|errno| (FILTER, errno))?;
    }
    if let Some(supervised) = launch.supervised.as_ref().filter(|supervised| supervised.keeps_identities) {
        return submit(launch, supervised).map_err(|errno| (FILTER, errno));
    }
    become_group(launch).map_err(|errno| (USER, errno))?;
    if let Some(filter) = launch.filter {
        sys::set_filter(filter).map_err(|errno| (FILTER, errno))?;
    }
    if let Some(supervised) = &launch.supervised {
        supervised.hand_over().map_err(|errno| (FILTER, errno))?;
    }
    become_user(launch).map_err(|errno| (USER, errno))?;
    if let Room::Chroot { .. } = launch.room {
        // The second line of defence: a program that changes its credentials forgets it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|errno| (START, errno))?;
    }
    Ok(())
}

/// Moves this process into its cgroup, which is the topmost that it sees from then on.
fn join(door: &OwnedFd, room: &Room) -> Result<(), Errno> {
    rustix::io::write(door, b"0")?;
    if let Room::Namespaces { masked } = room {
        sys::unshare_cgroups()?;
        mask::mount_cgroups(*masked);
    }
    Ok(())
}

fn enter(root: &OwnedFd, cwd: &OwnedFd) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    rustix::process::chroot(c".")?;
    rustix::process::fchdir(cwd)
}

fn connect(launch: &Launch) -> Result<(), Errno> {
    // A terminal that kiln has is none of the step's.
    rustix::process::setsid()?;
    rustix::stdio::dup2_stdin(launch.input.as_fd())?;
    rustix::stdio::dup2_stdout(launch.output.as_fd())?;
    rustix::stdio::dup2_stderr(launch.output.as_fd())
}

/// Instead of becoming anybody: the one id there is stays, and with it, after execution, the capabilities of the bounding set.
fn submit(launch: &Launch, supervised: &Supervised) -> Result<(), Errno> {
    if let Some(keep) = launch.capabilities {
        sys::bound_capabilities(keep);
    }
    if let Some(filter) = launch.filter {
        sys::set_filter(filter)?;
    }
    supervised.hand_over()
}

fn become_group(launch: &Launch) -> Result<(), Errno> {
    rustix::thread::set_thread_groups(&launch.groups)?;
    rustix::thread::set_thread_res_gid(launch.group, launch.group, launch.group)
}

fn become_user(launch: &Launch) -> Result<(), Errno> {
    if let Some(keep) = launch.capabilities {
        sys::bound_capabilities(keep);
    }
    rustix::thread::set_thread_res_uid(launch.user, launch.user, launch.user)?;
    let have = rustix::thread::capabilities(None)?.permitted;
    let keep = launch.capabilities.map_or(CapabilitySet::all(), CapabilitySet::from_bits_retain);
    let sets = CapabilitySets { effective: have & keep, permitted: have & keep, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)?;
    // A kernel without ambient capabilities has none to clear.
    let _none = rustix::thread::clear_ambient_capability_set();
    Ok(())
}

fn execute(launch: &Launch) -> Errno {
    sys::close_descriptors();
    sys::reset_signals();
    let mut why = Errno::NOENT;
    for candidate in &launch.candidates {
        match sys::execute(candidate, &launch.arguments, &launch.environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => why = Errno::ACCESS,
            errno => return errno,
        }
    }
    why
}
