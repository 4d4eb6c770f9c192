//! Builds that do not get to their end say why by their exit code, and leave no lock behind.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::{Kit, root};

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
    while !kit.path("store/kiln/locks").exists() || locks(&kit).iter().all(|name| !name.starts_with("step-")) {
        assert!(began.elapsed() < Duration::from_secs(20), "the first build holds no lock");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut second = start();
    std::thread::sleep(Duration::from_millis(500));
    assert!(second.0.try_wait().unwrap().is_none(), "the second build waits");
    let pid = rustix::process::Pid::from_child(&second.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = second.0.wait().unwrap();
    let mut stderr = String::new();
    second.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for the step itself");
}
