//! The end of everything that a step started, where there is no process id namespace to end it.
//!
//! Runs in the keeper, which shares kiln's memory; nothing here allocates.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::sys;

/// Waits for `pid` while adopting what its descendants leave, then kills all of them. Yields the status of `pid`, or -1
/// when kiln stopped or died before.
///
/// `proc` is the machine's `/proc`.
pub(super) fn wait_and_kill(pid: i32, proc: &OwnedFd) -> i32 {
    let has_ended = wait_for(pid);
    // The process leads its own group, whose number is taken as long as the process is not waited for. Whatever left the
    // group is found as a child sooner or later, since the orphans of whoever is killed come to this process.
    sys::signal_process(-pid, libc::SIGKILL);
    let status = sys::wait(pid);
    while kill_children(proc) {
        sys::wait(-1);
    }
    if has_ended { status } else { -1 }
}

/// Whether it ended by itself. It is still to be waited for.
fn wait_for(pid: i32) -> bool {
    loop {
        while let Some(ended) = sys::ended_child() {
            if ended == pid {
                return true;
            }
            sys::wait(ended);
        }
        if sys::wait_for_signal(&[libc::SIGCHLD, libc::SIGTERM]) == libc::SIGTERM {
            return false;
        }
    }
}

/// Kills each child of this process; false if there is none.
fn kill_children(proc: &OwnedFd) -> bool {
    let mut children = [0; 4096];
    let mut found = false;
    for pid in read_children(proc, &mut children).split(|byte| *byte == b' ').filter_map(number) {
        sys::signal_process(pid, libc::SIGKILL);
        found = true;
    }
    found
}

/// The list of children, as much of it as has room: the rest comes up when those are gone.
fn read_children<'a>(proc: &OwnedFd, buffer: &'a mut [u8; 4096]) -> &'a [u8] {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut path = [0; 64];
    let name = children_path(own.unsigned_abs(), &mut path);
    let Ok(file) = rustix::fs::openat(proc, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else { return &[] };
    let length = rustix::io::read(&file, &mut buffer[..]).unwrap_or(0);
    let read = &buffer[..length];
    // A number that the end of the buffer cuts off could be another process's.
    let whole = read.iter().rposition(|byte| *byte == b' ').map_or(0, |end| end);
    &read[..whole]
}

/// Writes `PID/task/PID/children` and a zero byte.
fn children_path(pid: u32, path: &mut [u8; 64]) -> &std::ffi::CStr {
    let mut digits = [0; 10];
    let mut start = digits.len();
    let mut rest = pid;
    while rest > 0 && start > 0 {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let parts = [&digits[start..], b"/task/", &digits[start..], b"/children"];
    for (place, byte) in path.iter_mut().zip(parts.into_iter().flatten()) {
        *place = *byte;
    }
    std::ffi::CStr::from_bytes_until_nul(path).unwrap_or(c"")
}

fn number(digits: &[u8]) -> Option<i32> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok().filter(|pid| *pid > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_listed_under_the_own_id() {
        assert_eq!(children_path(4_194_304, &mut [0; 64]), c"4194304/task/4194304/children");
    }
}
