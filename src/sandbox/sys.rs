//! The system calls of this room that need `unsafe`, each behind a safe signature where one is possible.
//!
//! Processes are started with `CLONE_VM`: they share kiln's memory until they execute a program, so starting one costs
//! the same however large kiln is, and it can report what failed by writing to memory.
#![expect(unsafe_code, reason = "clone, seccomp, capabilities and mount attributes have no safe form")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::thread::UnshareFlags;

/// Room for a started process to run on; the code in this room nests a few shallow calls only.
const STACK_SIZE: usize = 128 * 1024;

/// The process is the first of a new process id namespace.
pub(super) const NEW_PIDS: c_int = libc::CLONE_NEWPID;

/// The stack of a process to start.
pub(super) struct Stack(Box<[MaybeUninit<u128>]>);

impl Stack {
    pub(super) fn new() -> Self {
        Self(Box::new_uninit_slice(STACK_SIZE / size_of::<u128>()))
    }

    fn top(&self) -> *mut c_void {
        self.0.as_ptr_range().end.cast_mut().cast()
    }
}

/// Strings as `execve` wants them.
pub(super) struct Strings {
    pointers: Vec<*const c_char>,
    /// What `pointers` points into.
    _owned: Vec<CString>,
}

impl Strings {
    /// Fails where a string holds a zero byte.
    pub(super) fn new(strings: &[String]) -> io::Result<Self> {
        let owned = strings.iter().map(|s| CString::new(s.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let pointers = owned.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { pointers, _owned: owned })
    }
}

// SAFETY: the strings never change, and the pointers point into heap memory that moves with their owner.
unsafe impl Sync for Strings {}

struct Entry<'a, T> {
    run: fn(&T),
    data: &'a T,
}

extern "C" fn enter<T>(entry: *mut c_void) -> c_int {
    // SAFETY: `start` hands over a pointer to an `Entry` that outlives the process's use of this memory.
    let entry = unsafe { &*entry.cast::<Entry<'_, T>>() };
    (entry.run)(entry.data);
    0
}

/// How long a process may run.
pub(super) struct Until<'a> {
    /// Until this becomes readable.
    pub(super) stop: BorrowedFd<'a>,
    /// And no longer than this.
    pub(super) timeout: Option<Duration>,
}

/// Why a process has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself.
    ByItself,
    /// It was asked to.
    Stopped,
    /// It took too long.
    TimedOut,
}

/// Runs `run(data)` in a new process that shares this one's memory and descriptors, and waits for its end. When its time is
/// up, the process is sent `signal`.
///
/// All signals of the calling thread must be blocked. `run` must not panic.
pub(super) fn run_beside<T: Sync>(
    stack: &Stack,
    flags: c_int,
    run: fn(&T),
    data: &T,
    until: &Until<'_>,
    signal: c_int,
) -> io::Result<Ended> {
    let entry = Entry { run, data };
    let mut descriptor: c_int = -1;
    // SAFETY: the stack and `entry` live until this function returns, which is after the process was waited for. The
    // process uses this thread's local storage, as CLONE_SETTLS is not given; therefore this thread makes nothing but
    // raw system calls until then. No handler of kiln's can run in the process, since signals are blocked.
    let pid = unsafe {
        libc::clone(
            enter::<T>,
            stack.top(),
            flags | libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD,
            ptr::from_ref(&entry).cast_mut().cast(),
            &raw mut descriptor,
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    let process = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mut ended = Ended::ByItself;
    let mut polled = [PollFd::new(&process, PollFlags::IN), PollFd::from_borrowed_fd(until.stop, PollFlags::IN)];
    // A time that the kernel cannot count is none.
    let timeout = until.timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let ready = poll(&mut polled, timeout.as_ref());
    if ready.is_ok() && polled[0].revents().is_empty() {
        ended = if ready == Ok(0) { Ended::TimedOut } else { Ended::Stopped };
        signal_process(pid, signal);
    }
    wait(pid);
    Ok(ended)
}

/// Runs `run(data)` in a new process that shares this one's memory and has its own descriptors. This thread sleeps until
/// that process executes a program or ends. Yields its id; it is still to be waited for.
///
/// All signals of the calling thread must be blocked. `run` must not panic.
pub(super) fn run_until_execution<T: Sync>(stack: &Stack, flags: c_int, run: fn(&T), data: &T) -> Result<i32, Errno> {
    let entry = Entry { run, data };
    let flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: as in `run_beside`; with CLONE_VFORK this thread does not run while the process uses its memory.
    let pid = unsafe { libc::clone(enter::<T>, stack.top(), flags, ptr::from_ref(&entry).cast_mut().cast()) };
    if pid < 0 { Err(last_errno()) } else { Ok(pid) }
}

/// Sends a signal to a process, or to a process group if negative.
pub(super) fn signal_process(pid: i32, signal: c_int) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid, signal) };
}

/// Why the last system call of this thread failed.
pub(super) fn last_errno() -> Errno {
    io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

/// Waits for a child, or for any if -1. The status, or -1 when there is none.
pub(super) fn wait(pid: i32) -> c_int {
    let mut status = -1;
    loop {
        // SAFETY: `status` is valid for writing.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
        if waited >= 0 {
            return status;
        }
        if last_errno() != Errno::INTR {
            return -1;
        }
    }
}

/// The id of a child that has ended and is still to be waited for, if there is one.
pub(super) fn ended_child() -> Option<i32> {
    let mut information = MaybeUninit::<libc::siginfo_t>::zeroed();
    let how = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    // SAFETY: `information` is valid for writing; all zeros, as it stays where no child has ended, is a valid value, and
    // `si_pid` is set for what `waitid` reports.
    let pid = unsafe {
        libc::waitid(libc::P_ALL, 0, information.as_mut_ptr(), how);
        information.assume_init().si_pid()
    };
    (pid > 0).then_some(pid)
}

/// How a status of `waitpid` reads: the signal that ended the process, or its code.
pub(super) fn decode(status: c_int) -> Result<i32, i32> {
    if libc::WIFSIGNALED(status) { Err(libc::WTERMSIG(status)) } else { Ok(libc::WEXITSTATUS(status)) }
}

/// Ends this process without running anything of kiln's.
pub(super) fn end(code: c_int) -> ! {
    // SAFETY: `_exit` runs no handlers and ends this process's threads only.
    unsafe { libc::_exit(code) }
}

/// Ends a program that has done what it was asked to. Nothing is given back one by one, which takes the allocator some
/// milliseconds: the kernel takes all at once. What is to be written must be written.
pub fn leave() -> ! {
    end(0)
}

/// Blocks all signals in this thread.
pub(super) fn block_signals() {
    // SAFETY: both sets are valid for the call, which cannot fail with these arguments.
    unsafe {
        let mut all = MaybeUninit::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
    }
}

/// Gives SIGCHLD its usual meaning in this process, so that children can be waited for.
pub(super) fn expect_children() {
    // SAFETY: setting a default action is always sound.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Sleeps until one of these blocked signals arrives, and returns it.
pub(super) fn wait_for_signal(signals: &[c_int]) -> c_int {
    // SAFETY: the set is initialised by `sigemptyset`, and the information about the signal is not asked for.
    unsafe {
        let mut set = MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        libc::sigwaitinfo(set.as_ptr(), ptr::null_mut())
    }
}

/// Every signal gets its default action and is let through. Only for a process with its own signal table.
pub(super) fn reset_signals() {
    // SAFETY: default actions are always sound; those that cannot be set are refused by the kernel.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// Closes all descriptors from 3 on. Only for a process with its own table that uses none of them any more.
pub(super) fn close_descriptors() {
    // SAFETY: the process executes a program next, and owns nothing that still refers to a descriptor.
    unsafe {
        if libc::syscall(libc::SYS_close_range, 3, c_int::MAX, 0) != 0 {
            for descriptor in 3..65536 {
                libc::close(descriptor);
            }
        }
    }
}

/// Executes a program; returns only why not.
pub(super) fn execute(program: &CStr, arguments: &Strings, environment: &Strings) -> Errno {
    // SAFETY: both lists end with a null pointer and point to strings that their owners keep alive.
    unsafe { libc::execve(program.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr()) };
    last_errno()
}

/// Gives this thread copies of namespaces. `FILES` must not be asked for.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the descriptor table stays shared.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Makes the cgroup of this process the topmost that it sees.
pub(super) fn unshare_cgroups() -> Result<(), Errno> {
    // SAFETY: the descriptor table stays shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }
}

/// Whether mounts below are changed as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Below {
    /// This mount only.
    No,
    /// All of them.
    Yes,
}

/// Sets attributes of a mount besides those it has.
pub(super) fn set_mount_attributes(mount: impl AsFd, attributes: MountAttrFlags, below: Below) -> io::Result<()> {
    let attr = libc::mount_attr { attr_set: attributes.bits().into(), attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if below == Below::Yes { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `attr` is valid for reading and its size is told; the path is an empty string.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Installs a system call filter in this process for good. Needs `CAP_SYS_ADMIN`.
pub(super) fn set_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_too_long| Errno::INVAL)?;
    let filter = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: `filter` and what it points to are valid for the call; the kernel only reads and checks the program.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Takes all capabilities out of the bounding set but those in `keep` (bits by number), as far as that is permitted.
pub(super) fn bound_capabilities(keep: u64) {
    for capability in 0..u64::BITS {
        if keep & (1 << capability) == 0 {
            // SAFETY: no memory is involved.
            unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        }
    }
}

/// Gives this process a session keyring of its own, empty and without a name, in place of kiln's.
pub(super) fn leave_keyring() -> Result<(), Errno> {
    // SAFETY: no name is given, so no memory is involved.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, ptr::null::<c_char>()) };
    if result >= 0 {
        return Ok(());
    }
    match last_errno() {
        // A kernel without keyrings, or a container that may not use them: then there is none to keep from the step. Of a
        // quota that is used up the step makes no use either, as its filter refuses it keyrings.
        Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::DQUOT => Ok(()),
        errno => Err(errno),
    }
}

/// Sets by how many nanoseconds this thread's timers may be late, for it and for those that it creates.
pub(super) fn set_timer_slack(nanoseconds: u64) {
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0) };
}

/// Brings the loopback interface of this thread's network namespace up.
pub(super) fn raise_loopback() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: all zeros is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
        *place = c_char::from_ne_bytes([*byte]);
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).unwrap_or_default();
    // SAFETY: `request` is a valid `ifreq` for the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
