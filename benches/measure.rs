//! One run of a command, by the kernel's own accounts.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) wall: Duration,
    /// User and system time, of the children too.
    pub(crate) cpu: Duration,
    /// Peak resident memory of the largest process, in KiB.
    pub(crate) memory: u64,
    /// Bytes read from and written to disk.
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// Runs in the order in which they came.
#[derive(Clone, Debug)]
pub(crate) struct Sample(pub(crate) Vec<Run>);

impl Sample {
    pub(crate) fn sorted(runs: Vec<Run>) -> Self {
        Self(runs)
    }

    /// The median of `figure` over all runs.
    pub(crate) fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.0.iter().map(figure).collect())
    }
}

/// The middle one; not a number where there is none.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs `command`, whose output is thrown away; it must succeed.
pub(crate) fn run(mut command: Command) -> Run {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    #[expect(clippy::zombie_processes, reason = "`wait` waits for it, and takes its accounts")]
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stderr = child.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut text = Vec::new();
        io::copy(&mut stderr, &mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    let (status, usage) = wait(child.id());
    let wall = began.elapsed();
    let said = said.join().unwrap();
    assert_eq!(status, 0, "{command:?} failed:\n{said}");
    let time = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap())
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap())
    };
    let blocks = |count: libc::c_long| u64::try_from(count).unwrap() * 512;
    Run {
        wall,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        memory: u64::try_from(usage.ru_maxrss).unwrap(),
        read: blocks(usage.ru_inblock),
        written: blocks(usage.ru_oublock),
    }
}

/// Waits for a child that nobody else waits for.
#[expect(unsafe_code, reason = "the standard library gives no accounts of a child")]
fn wait(pid: u32) -> (i32, libc::rusage) {
    let (mut status, pid) = (0, i32::try_from(pid).unwrap());
    // SAFETY: all fields of `rusage` are integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to locals of the types that wait4(2) names.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if waited == pid {
            return (status, usage);
        }
        assert_eq!(io::Error::last_os_error().kind(), io::ErrorKind::Interrupted, "wait4");
    }
}
