//! Which process has which credentials.
//!
//! Each set of credentials that occurs has a number, and the kernel keeps the number of each thread: as its timer
//! slack, some nanoseconds above the usual value. Slack is what is needed here: a thread gets it from its
//! creator, keeps it when it executes a program, and kiln can read and set it from outside (proc(5), `timerslack_ns`, Linux
//! 4.6). So an identity follows exactly where the kernel's own would, and nobody has to watch processes come and go.

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::credentials::Credentials;

/// The usual slack, in nanoseconds, which is the number 0.
const BASE: u64 = 50_000;

/// All credentials that occurred in a step. Files are found below the working directory, which is the machine's `/proc`.
pub(super) struct Identities(Mutex<Vec<Credentials>>);

/// The slack of a process that starts with the first credentials.
pub(super) fn first_slack() -> u64 {
    BASE
}

impl Identities {
    /// `first` are those of the step's process.
    pub(super) fn new(first: Credentials) -> Self {
        Self(Mutex::new(vec![first]))
    }

    /// The credentials of a thread.
    pub(super) fn of(&self, thread: u32) -> Result<Credentials, Errno> {
        let path = format!("{thread}/timerslack_ns");
        let file = rustix::fs::openat(CWD, &*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut buffer = [0; 32];
        let length = rustix::io::read(&file, &mut buffer)?;
        let slack = std::str::from_utf8(&buffer[..length]).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let number = slack.and_then(|slack| slack.checked_sub(BASE)).and_then(|number| usize::try_from(number).ok());
        number.and_then(|number| self.lock().get(number).cloned()).ok_or(Errno::SRCH)
    }

    /// Gives a thread other credentials.
    pub(super) fn set(&self, thread: u32, credentials: Credentials) -> Result<(), Errno> {
        let number = {
            let mut known = self.lock();
            known.iter().position(|other| *other == credentials).unwrap_or_else(|| {
                known.push(credentials);
                known.len() - 1
            })
        };
        let path = format!("{thread}/timerslack_ns");
        let file = rustix::fs::openat(CWD, &*path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        let slack = (BASE + number as u64).to_string();
        std::fs::File::from(file)
            .write_all(slack.as_bytes())
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Credentials>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{supervise::credentials::Ids, sys};

    #[test]
    fn a_thread_keeps_its_credentials_and_gives_them_to_those_it_creates() {
        let identities = Identities::new(Credentials::default());
        let other = Credentials { user: Ids::all(1000), ..Credentials::default() };
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                sys::unshare(rustix::thread::UnshareFlags::FS).expect("unshared");
                rustix::process::chdir("/proc").expect("/proc");
                let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
                sys::set_timer_slack(first_slack());
                assert_eq!(identities.of(own).expect("there"), Credentials::default());
                identities.set(own, other.clone()).expect("the own slack can be set");
                assert_eq!(identities.of(own).expect("there"), other);
                let status = std::process::Command::new("/bin/cat").arg("/proc/self/timerslack_ns").output();
                assert_eq!(status.expect("cat runs").stdout, b"50001\n");
            });
            worker.join().expect("no panic");
        });
    }
}
