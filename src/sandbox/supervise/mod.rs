//! A supervisor answers the system calls that a rung cannot make as they are meant.
//!
//! On the rungs `rootless` and `chroot` those are few: see [`rare`], and for the latter [`own_files`] and [`writes`]. On the rung `single-id` it answers all that one id is too little for.
//!
//! A seccomp filter stops each such call of the step (`seccomp_unotify(2)`, Linux 5.9) until a thread of kiln has answered it.
//!
//! * Changes of owner are recorded as claims (see [`crate::rootfs::Claim`]), and stat shows what was recorded.
//! * Changes of identity are noted, and getuid and its relatives agree with them.
//! * Device nodes become empty files that stand for them.
//! * New files belong to whom the step takes itself for.
//!
//! Everything else goes to the kernel, with the rights that the step has. The supervisor itself has no other rights: what
//! it does by mistake, or is led to by a step that changes its memory meanwhile, the step could do itself.
//!
//! What cannot be had: a step that is not root is refused writing as far as it makes or overwrites files, but it can read, remove
//! and rename everything. `/proc/PID/status` and what asks the kernel by another way shows root. Programs for another
//! architecture than the machine's own are not supervised.

mod calls;
mod chroot_filter;
mod credentials;
mod filter;
mod identities;
mod making;
mod own_files;
mod owners;
mod place;
mod rare;
mod rare_filter;
mod writes;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::thread::UnshareFlags;

use super::place::open_host;
use super::{Doing, Process, Root, SandboxError, sys, sys_notify};
use credentials::Credentials;
use identities::Identities;
pub(super) use own_files::StandIn;
use owners::Owners;
use writes::ReadOnly;

/// Threads that answer: more than one, since a call may wait for a disk.
const THREADS: usize = 2;

/// Which calls a supervisor takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// All that tell about or change owners and identities, and those that make files.
    All,
    /// Device nodes, and owners beyond a user namespace's.
    RareInNamespace,
    /// Device nodes and what a step asks about itself, for one whose root directory is merely changed.
    InChroot(Chrooted),
}

/// What is taken besides.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Chrooted {
    /// What would change read-only mounts.
    pub(super) writes: bool,
    /// Sockets of networks, which are refused.
    pub(super) no_sockets: bool,
}

impl Taken {
    /// Whether the machine's calls are known.
    pub(super) fn is_known(self) -> bool {
        !self.filter().is_empty()
    }

    fn filter(self) -> &'static [libc::sock_filter] {
        match self {
            Self::All => filter::filter(),
            Self::RareInNamespace => rare_filter::for_many_ids(),
            Self::InChroot(more) => chroot_filter::for_chroot(more),
        }
    }
}

/// One step's supervisor, made before the step's root is entered.
pub(super) struct Supervisor<'a> {
    owners: Owners<'a>,
    identities: Identities,
    /// This machine's `/proc`.
    proc: OwnedFd,
    /// Where the step's process sends what its calls are received from; at its end the step is over.
    socket: OwnedFd,
    /// Whether any process of the step has changed its root directory.
    has_changed_root: AtomicBool,
    taken: Taken,
    /// The step's root directory, where the threads are not in it anyway.
    root: Option<OwnedFd>,
    read_only: ReadOnly,
    stand_in: StandIn,
    hostname: &'a str,
}

/// What the step's process needs to hand itself over.
pub(super) struct Supervised {
    socket: OwnedFd,
    /// Whether credentials are the supervisor's affair.
    pub(super) keeps_identities: bool,
    filter: &'static [libc::sock_filter],
}

impl<'a> Supervisor<'a> {
    /// To be called where this machine's paths can still be reached. `None` where the machine's calls are not known.
    pub(super) fn new(process: &Process<'a>, taken: Taken) -> Result<Option<(Self, Supervised)>, SandboxError> {
        let filter = taken.filter();
        if filter.is_empty() && taken != Taken::All {
            return Ok(None);
        }
        let written = match process.root {
            Root::Overlay { upper, .. } => upper,
            Root::Directory(path) => path,
        };
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .doing("make a socket")?;
        let supervisor = Self {
            owners: Owners::new(open_host(written).doing("open the root file system")?, process.claims),
            identities: Identities::new(Credentials::new(process.user)),
            proc: open_host(Path::new("/proc")).doing("open /proc")?,
            socket: ours,
            // Rare calls do not tell of it, and can afford to look.
            has_changed_root: AtomicBool::new(taken != Taken::All),
            taken,
            root: match (taken, process.root) {
                (Taken::InChroot(_), Root::Directory(path)) => {
                    Some(open_host(path).doing("open the root file system")?)
                }
                _ => None,
            },
            read_only: ReadOnly::default(),
            stand_in: StandIn::default(),
            hostname: process.hostname,
        };
        Ok(Some((supervisor, Supervised { socket: theirs, keeps_identities: taken == Taken::All, filter })))
    }

    /// What the root directory of a step holds that is more than it seems: read-only places, and what stands for open files.
    pub(super) fn know(&mut self, read_only: Vec<OwnedFd>, stand_in: StandIn) {
        self.read_only = ReadOnly::new(read_only);
        self.stand_in = stand_in;
    }

    /// Starts the threads, which share the step's mounts and root directory with the calling thread. They end when
    /// the other end of the socket is closed.
    pub(super) fn start<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        shared: &'env Shared,
    ) -> Result<(), SandboxError> {
        for _ in 0..THREADS {
            let worker = std::thread::Builder::new().name("supervisor".to_owned());
            let run = move || {
                sys::block_signals();
                // Without its own working directory a thread would move that of the others.
                let ready = sys::unshare(UnshareFlags::FS).is_ok()
                    && self.enter_root().is_ok()
                    && rustix::process::fchdir(&self.proc).is_ok();
                rustix::process::umask(rustix::fs::Mode::empty());
                if ready {
                    self.serve(shared);
                }
            };
            worker.spawn_scoped(scope, run).doing("start a thread")?;
        }
        Ok(())
    }

    fn enter_root(&self) -> Result<(), Errno> {
        let Some(root) = &self.root else { return Ok(()) };
        rustix::process::fchdir(root)?;
        rustix::process::chroot(c".")
    }

    fn serve(&self, shared: &Shared) {
        let Some(listener) = shared.listener(&self.socket) else { return };
        while let Some(call) = self.next(shared, listener.as_fd()) {
            let answer = self.decide(listener.as_fd(), &call);
            // Who has died meanwhile needs no answer.
            let _nobody_waits = sys_notify::answer(listener.as_fd(), &call, &answer);
        }
    }

    /// The next call; `None` at the end of the step.
    fn next(&self, shared: &Shared, listener: BorrowedFd<'_>) -> Option<sys_notify::Call> {
        // One thread waits at a time: of two that are woken by one call, one would wait for the next with no way out.
        let _turn = shared.turn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut polled =
                [PollFd::from_borrowed_fd(listener, PollFlags::IN), PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut polled, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return None,
            }
            if polled[0].revents().contains(PollFlags::IN) {
                match sys_notify::receive(listener) {
                    Ok(call) => return Some(call),
                    Err(Errno::NOENT | Errno::INTR) => continue,
                    Err(_) => return None,
                }
            }
            // Either nobody is left who could call, or kiln has seen the end of the step.
            if !polled[0].revents().is_empty() || !polled[1].revents().is_empty() {
                return None;
            }
        }
    }
}

/// What the threads of one supervisor have in common.
#[derive(Default)]
pub(super) struct Shared {
    listener: Mutex<Option<OwnedFd>>,
    turn: Mutex<()>,
}

impl Shared {
    /// The descriptor that the step's process sends, received by whichever thread comes first.
    fn listener(&self, socket: &OwnedFd) -> Option<OwnedFd> {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() {
            let received = receive_descriptor(socket)?;
            sys_notify::stay_on_one_processor(&received);
            *listener = Some(received);
        }
        listener.as_ref()?.try_clone().ok()
    }
}

fn receive_descriptor(socket: &OwnedFd) -> Option<OwnedFd> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let parts = &mut [std::io::IoSliceMut::new(&mut byte)];
    while let Err(errno) = recvmsg(socket, parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
        if errno != Errno::INTR {
            return None;
        }
    }
    ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    })
}

impl Supervised {
    /// Puts the calling process under the supervisor. Between clone and exec: nothing here allocates.
    pub(super) fn hand_over(&self) -> Result<(), Errno> {
        if self.keeps_identities {
            sys::set_timer_slack(identities::first_slack());
        }
        let listener = sys_notify::listen(self.filter)?;
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let files = [listener.as_fd()];
        if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(Errno::NOBUFS);
        }
        sendmsg(&self.socket, &[std::io::IoSlice::new(b"l")], &mut ancillary, SendFlags::empty())?;
        Ok(())
    }
}
