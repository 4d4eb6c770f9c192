//! Runs a process on a rung, and hands over what it writes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Sender};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Gid, OFlags, Uid};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::cgroup::StepGroup;
use super::socket::{Listening, serve_all};
use super::{
    Cgroup, Doing, Exit, Isolation, Process, Root, SandboxError, SandboxMountKind, chroot, namespaces, own_program, sys,
};

/// What ties a step to the outside of its sandbox.
pub(super) struct Links {
    /// Sockets of the step are sent here as soon as they listen.
    pub(super) sockets: Sender<Listening>,
    /// Where the step's first process enters its cgroup.
    pub(super) cgroup: Option<OwnedFd>,
}

/// How a rung runs a process.
type Rung = fn(&Process<'_>, OwnedFd, &Links) -> Result<Exit, SandboxError>;

/// Runs the process to its end. `output` gets stdout and stderr as they come, merged, on the calling thread. Stdin is
/// `/dev/null`.
///
/// The step ends with its process: what that left in the background is killed, and nothing of the sandbox remains. If
/// kiln is killed meanwhile, the step is too.
pub fn run(isolation: Isolation, process: &Process<'_>, output: &mut dyn FnMut(&[u8])) -> Result<Exit, SandboxError> {
    let unsupported = |what: &str| Err(SandboxError::Unsupported { what: what.to_owned(), isolation });
    let rung: Rung = match (isolation, process.root) {
        (Isolation::Root, _) => namespaces::run,
        (Isolation::Rootless, _) => namespaces::run_mapped,
        (Isolation::SingleId, _) => namespaces::run_supervised,
        (Isolation::Chroot, Root::Directory(_)) => chroot::run,
        (Isolation::Chroot, Root::Overlay { .. }) => return unsupported("an overlay"),
        (Isolation::Files, _) => return unsupported("running a process"),
    };
    if process.cancel.is_set() {
        return Err(SandboxError::Cancelled);
    }
    own_program::remember();
    let (reader, writer) = pipe(isolation, process)?;
    // Nothing is ever written: its end tells that the step is over, even if somebody outside got hold of the output.
    let (over, running) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
    let group = process.cgroup.map(Cgroup::step).transpose().doing("make a cgroup")?;
    let door = group.as_ref().map(StepGroup::door).transpose().doing("open a cgroup")?.map(OwnedFd::from);
    let (sockets, arriving) = mpsc::channel();
    let links = Links { sockets, cgroup: door };
    thread::scope(|scope| {
        if process.mounts.iter().any(|mount| matches!(mount.kind, SandboxMountKind::Socket { .. })) {
            let porter = thread::Builder::new().name("sockets".to_owned());
            porter.spawn_scoped(scope, move || serve_all(&arriving)).doing("start a thread")?;
        }
        let worker = thread::Builder::new().name("sandbox".to_owned()).spawn_scoped(scope, move || {
            sys::block_signals();
            let result = rung(process, writer, &links);
            drop((running, links));
            result
        });
        let worker = worker.doing("start a thread")?;
        let read = copy_until_over(&reader, over.as_fd(), output).doing("read the output");
        let result = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let exit = result.and_then(|exit| read.map(|()| exit))?;
        let is_out_of_memory = exit != Exit::Code(0) && group.as_ref().is_some_and(StepGroup::ran_out_of_memory);
        Ok(if is_out_of_memory { Exit::OutOfMemory } else { exit })
    })
}

/// Whether read-only mounts of a process refuse what would be written to them; if not, it is written to a copy.
pub fn refuses_writes(isolation: Isolation, process: &Process<'_>) -> bool {
    isolation != Isolation::Chroot || chroot::refuses_writes(process)
}

/// The pipe for the output. Its writing end belongs to the step's user, who may want to open `/dev/stdout`.
fn pipe(isolation: Isolation, process: &Process<'_>) -> Result<(OwnedFd, OwnedFd), SandboxError> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).doing("make a pipe")?;
    rustix::fs::fcntl_setfl(&reader, OFlags::NONBLOCK).doing("make a pipe")?;
    if isolation != Isolation::SingleId {
        let (uid, gid) = (process.user.uid, process.user.gid);
        rustix::fs::fchown(&writer, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).doing("make a pipe")?;
    }
    Ok((reader, writer))
}

fn copy_until_over(reader: &OwnedFd, over: BorrowedFd<'_>, output: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let mut polled = [PollFd::new(reader, PollFlags::IN), PollFd::from_borrowed_fd(over, PollFlags::IN)];
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        let is_over = !polled[1].revents().is_empty();
        if !drain(reader, &mut buffer, output)? {
            // The process closed its output, and may go on without.
            while let Err(Errno::INTR) = poll(&mut [PollFd::from_borrowed_fd(over, PollFlags::IN)], None) {}
            return Ok(());
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Reads what is there; false at the end.
fn drain(reader: &OwnedFd, buffer: &mut [u8], output: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
    loop {
        match rustix::io::read(reader, &mut *buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => output(&buffer[..length]),
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
