//! Builds that do not get to their end say why by their exit code, and leave no lock behind.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kit::{CONTAINER, Kit, installed, processes_with, root};

fn locks(kit: &Kit) -> Vec<String> {
    let entries = fs::read_dir(kit.path("store/kiln/locks")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_step_that_fails_leaves_no_lock() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN exit 3\n");
    let output = kit.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(locks(&kit), [""; 0]);
}

/// Both when the process meets the full disk and when kiln does.
#[test]
fn exit_1_a_full_disk_in_a_step_is_told_apart() {
    if !root() {
        return;
    }
    for (row, step, message) in [
        ("the process", "RUN dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null", "exit code: 1"),
        ("kiln", "RUN dd if=/dev/zero of=/big bs=1M count=9 2>/dev/null", "cannot read what the step changed"),
    ] {
        let Some(mut kit) = Kit::with_busybox() else { return };
        kit.dockerfile(&format!("FROM busybox\n{step}\n"));
        fs::create_dir(kit.path("store")).unwrap();
        // What kiln itself writes must not fit: the work tree's file has to be copied out of it.
        let build = kit.command(&["--isolation", "chroot"]);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount -t tmpfs -o size=16m tmpfs store && exec \"$@\"", "sh"]);
        command.arg(build.get_program()).args(build.get_args());
        let output = command.current_dir(kit.path("")).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(102), "{row}: {stderr}");
        assert!(stderr.contains(step) && stderr.contains(message), "{row}: {stderr}");
    }
}

/// Ends with the test, whatever happens in it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn waiting_for_another_builds_step_can_be_stopped() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN sleep 47\n");
    let start = || Running(kit.command(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let began = Instant::now();
    let _first = start();
    while processes_with("sleep 47") == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "the first build does not run its step");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut second = start();
    std::thread::sleep(Duration::from_millis(500));
    assert!(second.0.try_wait().unwrap().is_none(), "the second build waits");
    let pid = rustix::process::Pid::from_child(&second.0);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let status = second.0.wait().unwrap();
    let mut stderr = String::new();
    second.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for the step itself");
}

/// Each rung that root can have, and the words before the program.
fn rungs() -> Vec<(&'static str, Vec<String>)> {
    let container = ["setpriv".to_owned(), format!("--bounding-set={CONTAINER}"), "--inh-caps=-all".to_owned()];
    let rung = |name| (name, Vec::new());
    let mut rungs = vec![rung("root"), rung("rootless"), rung("single-id"), rung("chroot")];
    if installed("setpriv") {
        rungs.push(("chroot", container.to_vec()));
    }
    rungs
}

/// A build on a rung.
fn start(kit: &Kit, isolation: &str, before: &[String]) -> Running {
    let build = kit.command(&["--isolation", isolation]);
    let mut command = match before.split_first() {
        None => build,
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(build.get_program()).args(build.get_args());
            command
        }
    };
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

fn wait_until(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < within, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Programs that ignore signals, lead sessions of their own and have lost their parents, besides the step's own.
fn stubborn(sleep: &str) -> String {
    format!(
        "trap '' TERM INT HUP; (busybox setsid sh -c 'trap \"\" TERM INT; {sleep} & (busybox setsid {sleep} &) ; exec {sleep}' &); "
    )
}

#[test]
fn a_signal_ends_all_of_a_step_at_once_on_every_rung() {
    if !root() {
        return;
    }
    for (number, (isolation, before)) in rungs().into_iter().enumerate() {
        let Some(mut kit) = Kit::with_busybox() else { return };
        let sleep = format!("sleep 8{number}{:04}", std::process::id() % 10_000);
        kit.dockerfile(&format!("FROM busybox\nRUN {}{sleep}\n", stubborn(&sleep)));
        for (signal, code) in [(Signal::TERM, Some(130)), (Signal::INT, Some(130)), (Signal::KILL, None)] {
            let mut build = start(&kit, isolation, &before);
            wait_until("the step runs", Duration::from_secs(20), || processes_with(&sleep) >= 4);
            let told = Instant::now();
            rustix::process::kill_process(rustix::process::Pid::from_child(&build.0), signal).unwrap();
            let status = build.0.wait().unwrap();
            assert_eq!(status.code(), code, "{isolation} {before:?}");
            assert!(told.elapsed() < Duration::from_secs(1), "{isolation}: {:?}", told.elapsed());
            wait_until(isolation, Duration::from_secs(1), || processes_with(&sleep) == 0);
        }
    }
}

#[test]
fn what_a_step_leaves_behind_ends_with_it_on_every_rung() {
    if !root() {
        return;
    }
    for (number, (isolation, before)) in rungs().into_iter().enumerate() {
        let Some(mut kit) = Kit::with_busybox() else { return };
        let sleep = format!("sleep 9{number}{:04}", std::process::id() % 10_000);
        let left = stubborn(&sleep);
        kit.dockerfile(&format!("FROM busybox\nRUN {left}sleep 0.3\nRUN sleep 0.5\n"));
        let began = Instant::now();
        let mut build = start(&kit, isolation, &before);
        wait_until("the step runs", Duration::from_secs(20), || processes_with(&sleep) >= 3);
        wait_until(isolation, Duration::from_secs(5), || processes_with(&sleep) == 0);
        assert!(build.0.try_wait().unwrap().is_none(), "{isolation}: it is the step's end that ended them");
        assert!(build.0.wait().unwrap().success(), "{isolation} {before:?}");
        assert!(began.elapsed() < Duration::from_secs(20), "{isolation}: nobody waits for what is left");
    }
}
