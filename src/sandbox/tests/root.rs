//! Rung `root`, rule by rule.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, Instant};

use super::*;

#[test]
fn run_7_exit_codes_and_signals() {
    let Some(kit) = Kit::root() else { return };
    for (script, want) in
        [("exit 0", Exit::Code(0)), ("exit 42", Exit::Code(42)), ("sh -c 'kill -TERM $$'; exit $?", Exit::Code(143))]
    {
        let ran = kit.run(&["/bin/sh", "-c", script]);
        assert_eq!(ran.exit.expect("runs"), want, "{script}");
    }
}

#[test]
fn run_1_output_of_both_streams_is_merged_and_input_is_empty() {
    let Some(kit) = Kit::root() else { return };
    assert_eq!(kit.sh("echo out; echo err >&2; cat; echo more >/dev/stdout"), "out\nerr\nmore\n");
}

#[test]
fn run_1_the_program_is_looked_up_in_path() {
    let Some(mut kit) = Kit::root() else { return };
    assert_eq!(kit.run(&["echo", "x"]).output, "x\n");
    for (row, path, program, want) in [
        ("not there", PATH, "no-such", std::io::ErrorKind::NotFound),
        ("no path", "A=b", "echo", std::io::ErrorKind::NotFound),
        ("not a program", PATH, "/tmp", std::io::ErrorKind::PermissionDenied),
        ("empty", PATH, "", std::io::ErrorKind::NotFound),
    ] {
        kit.env = vec![path.to_owned()];
        match kit.run(&[program]).exit {
            Err(SandboxError::Exec { program: named, source }) => {
                assert_eq!((named.as_str(), source.kind()), (program, want), "{row}");
            }
            other => panic!("{row}: {other:?}"),
        }
    }
}

#[test]
fn run_1_a_missing_interpreter_is_not_found() {
    let Some(kit) = Kit::root() else { return };
    let script = kit.lowers[0].join("script");
    fs::write(&script, "#!/no/such\n").expect("write");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let ran = kit.run(&["/script"]);
    assert!(
        matches!(ran.exit, Err(SandboxError::Exec { source, .. }) if source.kind() == std::io::ErrorKind::NotFound)
    );
}

#[test]
fn run_10_the_environment_is_exact() {
    let Some(mut kit) = Kit::root() else { return };
    kit.env = ["B=2", PATH, "A=1 x"].map(ToOwned::to_owned).to_vec();
    assert_eq!(kit.run(&["env"]).output, format!("B=2\n{PATH}\nA=1 x\n"));
}

#[test]
fn run_11_a_missing_working_directory_is_made_and_stays() {
    let Some(mut kit) = Kit::root() else { return };
    kit.cwd = "/made/here".to_owned();
    kit.user = User { uid: 1000, gid: 50, groups: vec![7, 8] };
    assert_eq!(kit.sh("pwd; id -u; id -g; id -G; umask"), "/made/here\n1000\n50\n50 7 8\n0022\n");
    let stat = fs::metadata(kit.upper().join("made/here")).expect("kept");
    assert_eq!((stat.uid(), stat.gid(), stat.mode() & 0o7777), (1000, 50, 0o755));
    kit.cwd = "/bin/busybox".to_owned();
    assert!(matches!(kit.run(&["true"]).exit, Err(SandboxError::Setup { .. })));
}

#[test]
fn run_13_network_files_are_seen_and_leave_nothing() {
    let Some(mut kit) = Kit::root() else { return };
    kit.hosts = vec![HostEntry { name: "example.test".into(), address: "192.0.2.7".into() }];
    let output = kit.sh("hostname; grep -c localhost /etc/hosts; grep example /etc/hosts; echo x >/etc/hosts || true");
    assert!(output.starts_with("buildkitsandbox\n2\n192.0.2.7\texample.test\n"), "{output}");
    assert!(output.contains("Read-only"), "{output}");
    assert_eq!(kit.left(), [""; 0]);
}

#[test]
fn run_14_stubs_leave_nothing_and_times_stay() {
    let Some(mut kit) = Kit::root() else { return };
    let source = kit.dir.path().join("source");
    fs::create_dir(&source).expect("create");
    fs::write(source.join("in"), "x").expect("write");
    fs::create_dir(kit.lowers[0].join("etc")).expect("create");
    symlink("/tmp", kit.lowers[0].join("link")).expect("link");
    let time = fs::metadata(kit.lowers[0].join("tmp")).expect("there").modified().expect("a time");
    kit.mount("/deep/er/dir", SandboxMountKind::Bind(source.clone()), true);
    kit.mount("/tmp/file", SandboxMountKind::Bind(source.join("in")), false);
    kit.mount("/link/memory", SandboxMountKind::Tmpfs(Some(1 << 20)), false);
    kit.mount("/link/memory/inner/s", file("secret", 0o400), true);
    kit.mount("/dev/pipes/EOF", file("#!/bin/sh\necho script", 0o755), true);
    let output = kit.sh(
        "cat /deep/er/dir/in /tmp/file /tmp/memory/inner/s; /dev/pipes/EOF; echo y >/tmp/file; touch /tmp/memory/gone
         touch /deep/er/dir/no 2>/dev/null || echo protected",
    );
    assert_eq!(output, "xxsecretscript\nprotected\n");
    assert_eq!(fs::read_to_string(source.join("in")).expect("there"), "y\n");
    assert_eq!(kit.left(), ["etc", "tmp"]);
    assert_eq!(fs::metadata(kit.upper().join("tmp")).expect("there").modified().expect("a time"), time);
}

#[test]
fn run_37_the_root_is_no_target() {
    let Some(mut kit) = Kit::root() else { return };
    symlink("/", kit.lowers[0].join("up")).expect("link");
    for target in ["/", "/up", "/tmp/.."] {
        kit.mounts.clear();
        kit.mount(target, SandboxMountKind::Tmpfs(None), false);
        assert!(matches!(kit.run(&["true"]).exit, Err(SandboxError::Mount { .. })), "{target}");
    }
}

#[test]
fn run_37_links_lead_nowhere_outside() {
    let Some(mut kit) = Kit::root() else { return };
    let outside = kit.dir.path().join("outside");
    symlink(format!("../../../../../..{}", outside.display()), kit.lowers[0].join("up")).expect("link");
    kit.mount("/up/x", SandboxMountKind::Tmpfs(None), false);
    assert_eq!(kit.sh("ls -d /up/x"), "/up/x\n");
    assert!(!outside.exists());
    assert_eq!(kit.left(), ["tmp"]);
}

#[test]
fn run_15_dev_proc_and_sys_are_the_steps_own() {
    let Some(kit) = Kit::root() else { return };
    let output = kit.sh(
        "echo s >/dev/shm/x; mkdir /dev/made; echo n >/dev/null; head -c 4 /dev/zero | wc -c; test -c /dev/full
         echo x 2>/dev/null >/proc/sysrq-trigger || echo protected; cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l
         mknod /dev/disk b 254 0; cat /dev/disk; mknod /disk b 254 0; cat /disk; rm /disk; ls -d /sys/class",
    );
    assert!(output.starts_with("4\nprotected\n0\n0\n"), "{output}");
    assert_eq!(output.matches("Permission denied").count(), 2, "{output}");
    assert!(output.ends_with("/sys/class\n"), "{output}");
    assert_eq!(kit.left(), [""; 0]);
}

#[test]
fn run_1_the_process_is_the_first_of_its_namespace() {
    let Some(kit) = Kit::root() else { return };
    assert_eq!(kit.sh("echo $$; (sleep 0 & ) ; ls -d /proc/[0-9]* | wc -l").lines().next(), Some("1"));
}

#[test]
fn m_21_capabilities() {
    let Some(mut kit) = Kit::root() else { return };
    let caps = |kit: &Kit| kit.sh("grep Cap /proc/self/status | tr -s '\\t' ' '");
    let set = "00000000a80425fb";
    let none = "0000000000000000";
    let want = |p, e, b| format!("CapInh: {none}\nCapPrm: {p}\nCapEff: {e}\nCapBnd: {b}\nCapAmb: {none}\n");
    assert_eq!(caps(&kit), want(set, set, set));
    kit.user = User { uid: 1000, gid: 1000, groups: vec![] };
    assert_eq!(caps(&kit), want(none, none, set));
    kit.user = User::default();
    kit.insecure = true;
    assert_ne!(caps(&kit), want(set, set, set));
    assert_eq!(kit.sh("grep -E 'Seccomp:|NoNewPrivs' /proc/self/status | tr -d '\\t'"), "NoNewPrivs:0\nSeccomp:0\n");
}

#[test]
fn dangerous_calls_are_refused_and_setuid_programs_work() {
    let Some(kit) = Kit::root() else { return };
    let output = kit.sh("grep -E 'Seccomp:|NoNewPrivs' /proc/self/status | tr -d '\\t'; busybox unshare -U true 2>&1
         busybox mount -t tmpfs x /tmp 2>&1; true");
    assert!(output.starts_with("NoNewPrivs:0\nSeccomp:2\n"), "{output}");
    assert_eq!(output.matches("Operation not permitted").count() + output.matches("denied").count(), 2, "{output}");
}

#[test]
fn no_descriptor_is_passed_on() {
    let Some(kit) = Kit::root() else { return };
    let _open = fs::File::open("/bin/busybox").expect("open");
    // The fourth is the directory that `ls` reads.
    assert_eq!(kit.run(&["ls", "/proc/self/fd"]).output, "0\n1\n2\n3\n");
}

#[test]
fn what_is_left_in_the_background_is_killed() {
    let Some(kit) = Kit::root() else { return };
    let start = Instant::now();
    assert_eq!(kit.sh("(sleep 30; echo late >/late) & echo now"), "now\n");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(kit.left(), [""; 0]);
}

#[test]
fn a_step_that_closes_its_output_is_waited_for() {
    let Some(kit) = Kit::root() else { return };
    kit.sh("exec >&- 2>&-; sleep 0.2; echo x >/late");
    assert_eq!(kit.left(), ["late"]);
}

#[test]
fn cancelling_kills_everything() {
    let Some(kit) = Kit::root() else { return };
    let cancel = kit.cancel.clone();
    let start = Instant::now();
    let stop = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        cancel.set();
    });
    let ran = kit.run(&["/bin/sh", "-c", "trap '' TERM; (sleep 31) & sleep 32"]);
    stop.join().expect("joined");
    assert!(matches!(ran.exit, Err(SandboxError::Cancelled)), "{ran:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn nothing_stays_mounted_and_the_upper_is_free() {
    let Some(kit) = Kit::root() else { return };
    let before = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    for round in 0..5 {
        kit.sh(&format!("echo {round} >/round"));
        assert_eq!(fs::read_to_string(kit.upper().join("round")).expect("there"), format!("{round}\n"));
    }
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("mounts"), before);
}

#[test]
fn a_hundred_lowers_and_none() {
    let Some(mut kit) = Kit::root() else { return };
    for number in 0..100 {
        let lower = kit.dir.path().join(format!("a:b,c\\{number}"));
        fs::create_dir(&lower).expect("create");
        fs::write(lower.join("top"), number.to_string()).expect("write");
        kit.lowers.push(lower);
    }
    assert_eq!(kit.sh("cat /top"), "99");
    let root = Root::Overlay { lowers: vec![], upper: kit.lowers[0].clone(), work: kit.dir.path().join("work") };
    assert_eq!(kit.run_in(&root, &["ls", "/"]).output, "bin\ndev\netc\nproc\nsys\ntmp\n");
}

#[test]
fn a_directory_can_be_the_root() {
    let Some(kit) = Kit::root() else { return };
    let root = Root::Directory(kit.lowers[0].clone());
    assert_eq!(kit.run_in(&root, &["sh", "-c", "echo x >/new; cat /new"]).output, "x\n");
    assert!(kit.lowers[0].join("new").exists());
    assert!(!kit.lowers[0].join("etc").exists());
}

#[test]
fn run_20_without_network_there_is_loopback_only() {
    let Some(mut kit) = Kit::root() else { return };
    kit.no_network = true;
    assert_eq!(kit.sh("ip -o link | wc -l; ip -o link show up | grep -c LOOPBACK"), "1\n1\n");
}

#[test]
fn steps_run_at_once() {
    let kits: Vec<_> = (0..4).filter_map(|_| Kit::root()).collect();
    std::thread::scope(|scope| {
        for kit in &kits {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(kit.sh("echo a >/x; sleep 0.05; cat /x"), "a\n");
                }
            });
        }
    });
}

#[test]
fn the_rung_files_says_that_it_cannot() {
    let Some(mut kit) = Kit::root() else { return };
    kit.isolation = Isolation::Files;
    assert!(matches!(kit.run(&["true"]).exit, Err(SandboxError::Unsupported { .. })));
}
