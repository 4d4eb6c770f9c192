//! What the rungs have in common, and how they end.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

/// A kit for each rung that there is.
fn both() -> Vec<Kit> {
    [Isolation::Root, Isolation::Chroot].into_iter().filter_map(Kit::new).collect()
}

#[test]
fn rungs_agree_on_exit_output_user_and_environment() {
    for mut kit in both() {
        let rung = kit.isolation;
        assert_eq!(kit.run(&["sh", "-c", "echo x; exit 3"]).exit.expect("runs"), Exit::Code(3), "{rung}");
        assert_eq!(kit.sh("(sh -c 'kill -9 $$'; echo $?) 2>/dev/null; cat"), "137\n", "{rung}");
        kit.user = User { uid: 1000, gid: 50, groups: vec![7, 8] };
        kit.cwd = "/made/here".to_owned();
        kit.env.push("A=1 x".to_owned());
        let output = kit.sh("pwd; id -u; id -G; umask; env; ls /proc/self/fd 2>/dev/null | wc -l");
        assert!(output.starts_with("/made/here\n1000\n50 7 8\n0022\n"), "{rung}: {output}");
        assert!(output.contains(&format!("\n{PATH}\n")) && output.contains("\nA=1 x\n"), "{rung}: {output}");
        let stat = fs::metadata(kit.upper().join("made/here")).expect("kept");
        assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (1000, 50, 0o755), "{rung}");
        assert_eq!(kit.left(), ["made", "made/here"], "{rung}");
        assert!(matches!(kit.run(&["no-such"]).exit, Err(SandboxError::Exec { .. })), "{rung}");
    }
}

#[test]
fn rungs_agree_on_what_mounts_leave() {
    for mut kit in both() {
        let rung = kit.isolation;
        let source = kit.dir.path().join("source");
        fs::create_dir_all(source.join("sub")).expect("create");
        for name in ["in", "gone", "sub/deep"] {
            fs::write(source.join(name), "x").expect("write");
        }
        let base = kit.lowers[0].clone();
        fs::create_dir_all(base.join("etc")).expect("create");
        fs::write(base.join("etc/hosts"), "original").expect("write");
        let time = fs::metadata(base.join("etc")).expect("there").modified().expect("a time");
        kit.mount("/etc/bound", SandboxMountKind::Bind(source.clone()), false);
        kit.mount("/kept/ro", SandboxMountKind::Bind(source.join("sub/deep")), true);
        kit.mount("/etc/secret", file("s", 0o400), true);
        kit.mount("/memory", SandboxMountKind::Tmpfs(None), false);
        let output = kit.sh(
            "cat /etc/secret /etc/bound/sub/deep /kept/ro; grep -c localhost /etc/hosts; echo >/memory/x; echo >/dev/x
             echo new >/etc/bound/new; rm /etc/bound/gone; echo y >/etc/bound/in; echo n >/dev/null",
        );
        assert_eq!(output, "sxx2\n", "{rung}");
        for (name, want) in [("new", Some("new\n")), ("gone", None), ("in", Some("y\n")), ("sub/deep", Some("x"))] {
            assert_eq!(fs::read_to_string(source.join(name)).ok().as_deref(), want, "{rung}: {name}");
        }
        assert_eq!(fs::read_to_string(base.join("etc/hosts")).expect("there"), "original", "{rung}");
        assert_eq!(fs::metadata(base.join("etc")).expect("there").modified().expect("a time"), time, "{rung}");
        let want: &[&str] = if rung == Isolation::Root { &["etc"] } else { &["etc", "etc/hosts"] };
        assert_eq!(kit.left(), want, "{rung}");
        let beside = fs::read_dir(kit.dir.path()).expect("there").count();
        assert_eq!(beside, 4, "{rung}: base, source, upper, work");
    }
}

#[test]
fn chroot_kills_what_is_left_and_what_is_cancelled() {
    let Some(kit) = Kit::new(Isolation::Chroot) else { return };
    let script = "(busybox setsid sh -c 'sleep 4330; echo late >/late' &) ; (sleep 4331; echo late >/late) & echo now";
    let start = Instant::now();
    assert_eq!(kit.sh(script), "now\n");
    let cancel = kit.cancel.clone();
    let stop = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        cancel.set();
    });
    let ran = kit.run(&["/bin/sh", "-c", "trap '' TERM; (busybox setsid sleep 4332) & sleep 4333"]);
    stop.join().expect("joined");
    assert!(matches!(ran.exit, Err(SandboxError::Cancelled)), "{ran:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(kit.left(), [""; 0]);
    assert_eq!(running("sleep\x00433"), 0);
}

#[test]
fn chroot_works_without_cap_sys_admin() {
    if std::env::var_os("KILN_TEST_WITHOUT_ADMIN").is_some() {
        let probe = probe();
        assert_eq!(probe.isolation, Isolation::Chroot, "{probe:?}");
        let Some(mut kit) = Kit::new(Isolation::Chroot) else { return };
        assert_eq!(kit.sh("id -u; test -c /dev/null && echo dev"), "0\ndev\n");
        assert_eq!(kit.left(), [""; 0]);
        kit.no_network = true;
        assert!(kit.run(&["true"]).exit.is_ok(), "without sockets it has no network");
        return;
    }
    if Kit::root().is_none() {
        return;
    }
    let status = std::process::Command::new("setpriv")
        .args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "sandbox::tests::rungs::chroot_works_without_cap_sys_admin"])
        .env("KILN_TEST_WITHOUT_ADMIN", "1")
        .output()
        .expect("setpriv of util-linux");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}

#[test]
fn a_killed_kiln_takes_its_steps_along() {
    const RUNG: &str = "KILN_TEST_KILLED";
    if let Some(rung) = std::env::var_os(RUNG) {
        let rung = Isolation::ALL.into_iter().find(|isolation| isolation.as_str() == rung).expect("a rung");
        let Some(kit) = Kit::new(rung) else { return };
        // A new session and deaf to signals: only the sandbox itself can end this.
        kit.run(&["/bin/sh", "-c", "trap '' TERM HUP; busybox setsid sleep 4242 & sleep 4243"]);
        return;
    }
    if Kit::root().is_none() {
        return;
    }
    for rung in [Isolation::Root, Isolation::Chroot] {
        let mut kiln = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "sandbox::tests::rungs::a_killed_kiln_takes_its_steps_along"])
            .env(RUNG, rung.as_str())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("spawned");
        wait_until("the step runs", || running("sleep\x00424") == 2);
        kiln.kill().expect("killed");
        kiln.wait().expect("waited");
        wait_until("the step is gone", || running("sleep\x00424") == 0);
    }
}

/// How many processes there are whose command line starts so.
fn running(command: &str) -> usize {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let lines = processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    lines.filter(|line| line.starts_with(command)).count()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_overlay_can_be_tried() {
    let Some(kit) = Kit::root() else { return };
    let before = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    can_overlay_in(Isolation::Root, kit.dir.path()).expect("the temporary directory can hold an upper");
    assert!(can_overlay_in(Isolation::Root, Path::new("/proc")).is_err());
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("mounts"), before);
}
