//! The system calls of a supervisor that need `unsafe`: `seccomp_unotify(2)`, and the memory of other processes.
#![expect(unsafe_code, reason = "seccomp notifications and other processes' memory have no safe form")]

use std::ffi::{CStr, c_int};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;

use super::sys::last_errno;

/// A system call that waits for an answer.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// Names the call towards the kernel.
    pub(super) id: u64,
    /// The thread that makes it.
    pub(super) thread: u32,
    /// Its number.
    pub(super) number: i64,
    /// Its arguments.
    pub(super) arguments: [u64; 6],
}

/// What a call gives.
pub(super) enum Answer {
    /// The kernel is to do it.
    Continue,
    /// This value.
    Value(i64),
    /// This error.
    Error(Errno),
    /// A descriptor for this file, closed on exec or not.
    File(OwnedFd, bool),
}

/// Bytes of the kernel's `struct stat`; more than it has on any architecture.
pub(super) const STAT_SIZE: usize = 144;
/// Bytes of `struct statx`.
pub(super) const STATX_SIZE: usize = 256;

/// Installs a filter in this process for good, and yields the descriptor from which its calls are received. Needs
/// `CAP_SYS_ADMIN`.
pub(super) fn listen(program: &[libc::sock_filter]) -> Result<OwnedFd, Errno> {
    let len = u16::try_from(program.len()).map_err(|_too_long| Errno::INVAL)?;
    let filter = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let install = |flags: libc::c_ulong| {
        // SAFETY: `filter` and what it points to are valid for the call; the kernel only reads and checks the program.
        let result =
            unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
        c_int::try_from(result).ok().filter(|descriptor| *descriptor >= 0).ok_or_else(last_errno)
    };
    let patient = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let descriptor = match install(patient) {
        // Before Linux 5.19 any signal makes a process take its call back.
        Err(Errno::INVAL) => install(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER),
        result => result,
    }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The next call. `NOENT` when its thread has died meanwhile.
pub(super) fn receive(listener: BorrowedFd<'_>) -> Result<Call, Errno> {
    // SAFETY: all zeros is a valid value, and the one that the kernel asks for.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: `call` is valid for writing.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) };
    if result < 0 {
        return Err(last_errno());
    }
    Ok(Call { id: call.id, thread: call.pid, number: call.data.nr.into(), arguments: call.data.args })
}

/// Whether a call still waits: what was read of its thread until now was that thread's.
pub(super) fn is_waiting(listener: BorrowedFd<'_>, call: &Call) -> bool {
    // SAFETY: the id is valid for reading.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const call.id) == 0 }
}

/// Answers a call. An error means that nobody waits for it any more.
pub(super) fn answer(listener: BorrowedFd<'_>, call: &Call, answer: &Answer) -> Result<(), Errno> {
    let mut response = libc::seccomp_notif_resp { id: call.id, val: 0, error: 0, flags: 0 };
    match answer {
        Answer::Continue => response.flags = 1,
        Answer::Value(value) => response.val = *value,
        Answer::Error(errno) => response.error = -errno.raw_os_error(),
        Answer::File(file, close_on_exec) => response.val = hand_over(listener, call, file, *close_on_exec)?,
    }
    // SAFETY: `response` is valid for reading.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut response) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Gives a file to the process that makes the call; yields the descriptor that it has there.
fn hand_over(listener: BorrowedFd<'_>, call: &Call, file: &OwnedFd, close_on_exec: bool) -> Result<i64, Errno> {
    let request = libc::seccomp_notif_addfd {
        id: call.id,
        flags: 0,
        srcfd: file.as_raw_fd().cast_unsigned(),
        newfd: 0,
        newfd_flags: if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 },
    };
    // SAFETY: `request` is valid for reading.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const request) };
    if result < 0 { Err(last_errno()) } else { Ok(result.into()) }
}

/// Lets a call and its answer stay on one processor, which spares the waking of another (Linux 6.6).
pub(super) fn stay_on_one_processor(listener: impl AsFd) {
    // SAFETY: no memory is involved. A kernel without it goes on as before.
    unsafe { libc::ioctl(listener.as_fd().as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1_u64) };
}

/// Reads memory of a process at `address`: as many bytes as there are, up to the buffer's size.
pub(super) fn read_memory(thread: u32, address: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    transfer(libc::SYS_process_vm_readv, thread, address, &local)
}

/// Writes memory of a process at `address`, all bytes or none that count.
pub(super) fn write_memory(thread: u32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let written = transfer(libc::SYS_process_vm_writev, thread, address, &local)?;
    if written == bytes.len() { Ok(()) } else { Err(Errno::FAULT) }
}

fn transfer(call: libc::c_long, thread: u32, address: u64, local: &libc::iovec) -> Result<usize, Errno> {
    let address = usize::try_from(address).map_err(|_too_large| Errno::FAULT)?;
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(address), iov_len: local.iov_len };
    // SAFETY: `local` describes memory that is valid for the call, for writing where it is written to; `remote` is checked by
    // the kernel, and is never this process's own memory in a way that this process relies on.
    let result =
        unsafe { libc::syscall(call, thread, ptr::from_ref(local), 1_usize, &raw const remote, 1_usize, 0_usize) };
    usize::try_from(result).map_err(|_negative| last_errno())
}

/// `newfstatat` by path, as the bytes of the kernel's structure.
pub(super) fn stat(path: &CStr, flags: c_int) -> Result<[u8; STAT_SIZE], Errno> {
    let mut bytes = [0; STAT_SIZE];
    // SAFETY: the path ends with a zero byte, and the buffer has room for the structure.
    let result =
        unsafe { libc::syscall(libc::SYS_newfstatat, libc::AT_FDCWD, path.as_ptr(), bytes.as_mut_ptr(), flags) };
    if result < 0 { Err(last_errno()) } else { Ok(bytes) }
}

/// `statx` by path, as the bytes of the kernel's structure.
pub(super) fn statx(path: &CStr, flags: c_int, mask: u32) -> Result<[u8; STATX_SIZE], Errno> {
    let mut bytes = [0; STATX_SIZE];
    // SAFETY: the path ends with a zero byte, and the buffer has room for the structure.
    let result =
        unsafe { libc::syscall(libc::SYS_statx, libc::AT_FDCWD, path.as_ptr(), flags, mask, bytes.as_mut_ptr()) };
    if result < 0 { Err(last_errno()) } else { Ok(bytes) }
}
