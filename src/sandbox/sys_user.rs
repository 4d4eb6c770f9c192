//! The system calls of entering a user namespace that need `unsafe`.
#![expect(unsafe_code, reason = "fork has no safe form")]

use std::io::{self, Read, Write};

use rustix::pipe::{PipeFlags, pipe_with};
use rustix::thread::UnshareFlags;

use super::sys;

/// Moves this process, which must have one thread only, into a new user namespace. `map` is then run in a child that has
/// stayed outside, with this process's id; yields whether it said that it succeeded.
pub(super) fn unshare_user(map: &dyn Fn(u32) -> bool) -> io::Result<bool> {
    let (go, ready) = pipe_with(PipeFlags::CLOEXEC)?;
    let parent = std::process::id();
    // SAFETY: the process has one thread, so the child may do whatever this process may.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        drop(ready);
        // One byte says that the namespace is there; an end without it, that it could not be made.
        let told = std::fs::File::from(go).read(&mut [0]).unwrap_or(0);
        sys::end(i32::from(told == 0 || !map(parent)));
    }
    drop(go);
    let unshared = sys::unshare(UnshareFlags::NEWUSER);
    let mut ready = std::fs::File::from(ready);
    if unshared.is_ok() {
        ready.write_all(b"x")?;
    }
    drop(ready);
    let status = sys::wait(child);
    unshared?;
    Ok(sys::decode(status) == Ok(0))
}
