//! What holds a step back: limits of processes, of time, of memory and processors; and what it cannot reach of kiln's own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::{Kit, installed, output_of, root, skipped};

fn text(image: &crate::kit::Image, path: &str) -> String {
    String::from_utf8(image.file_of_image(path).unwrap().content).unwrap()
}

/// Runs a build of `kit` by way of another program.
fn through(program: &str, arguments: &[&str], kit: &Kit) -> std::process::Output {
    let build = kit.command(&[]);
    let mut command = Command::new(program);
    command.args(arguments).arg(build.get_program()).args(build.get_args()).output().unwrap()
}

#[test]
fn cli_ulimits_hold_on_every_rung() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--ulimit", "nofile=64:128", "--ulimit", "fsize=1024:2048"])
        .dockerfile("FROM busybox\nRUN echo $(ulimit -Sn) $(ulimit -Hn) > /a; head -c 4096 /dev/zero > /b || true\n");
    for isolation in ["root", "rootless", "single-id", "chroot"] {
        kit.new_store().flag(&["--isolation", isolation]);
        let image = kit.build().succeeds();
        kit.without_flag(&["--isolation", isolation]);
        assert_eq!(text(&image, "/a"), "64 128\n", "{isolation}");
        assert_eq!(image.file_of_image("/b").unwrap().content.len(), 1024, "{isolation}");
    }
}

#[test]
fn key_3_ulimits_and_the_cgroup_count_but_times_and_resources_do_not() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN true\n").build().succeeds();
    for (flags, runs) in [
        (["--step-timeout", "1h"], false),
        (["--memory", "1g"], false),
        (["--ulimit", "nofile=64"], true),
        (["--cgroup-parent", "kiln-key-test"], true),
    ] {
        // The cgroup itself is not wanted here.
        if flags[0] == "--cgroup-parent" && !root() {
            continue;
        }
        kit.flag(&flags);
        let built = kit.build();
        kit.without_flag(&flags);
        assert_eq!(!built.steps_run().is_empty(), runs, "{flags:?}: {}", built.stderr());
    }
    if let Some(top) = cgroups() {
        let _absent = fs::remove_dir(Path::new(&top).join("kiln-key-test"));
    }
}

#[test]
fn cli_a_limit_above_kilns_own_is_refused() {
    if !root() || !installed("setpriv") || !installed("prlimit") {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--ulimit", "nofile=512:100000"]).dockerfile("FROM busybox\n\nRUN true\n");
    let lowered = ["--nofile=512:512", "setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"];
    let output = through("prlimit", &lowered, &kit);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in
        ["cannot set the limit nofile=512:100000: kiln itself has 512 at most", "Dockerfile:3:", "CAP_SYS_RESOURCE"]
    {
        assert!(stderr.contains(part), "no {part:?} in:\n{stderr}");
    }
}

/// What a program had in memory must not end in a layer.
#[test]
fn a_crash_leaves_no_core_file_unless_asked_for() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN echo $(ulimit -Sc) $(ulimit -Hc) > /limits\n");
    let archive = kit.path("out.tar").display().to_string();
    for (flag, want) in [(["--ulimit", "stack=8388608"], "0 unlimited\n"), (["--ulimit", "core=7:9"], "0 0\n")] {
        kit.flag(&flag).flag(&["-o", &archive]);
        let output = through("prlimit", &["--core=unlimited"], &kit);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // The shell counts in blocks.
        assert_eq!(text(&crate::kit::Image::read(Path::new(&archive)), "/limits"), want, "{flag:?}");
        kit.without_flag(&flag).without_flag(&["-o", &archive]);
    }
}

/// Whether any process of the machine was started with this argument.
fn is_running(argument: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    })
}

#[test]
fn a_step_that_takes_too_long_is_killed_with_all_it_started() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    // Nobody else sleeps as long.
    let long = "4711.25";
    kit.flag(&["--step-timeout", "700ms"]).dockerfile(&format!(
        "FROM busybox\nRUN true\nRUN sleep {long} & trap '' TERM INT; echo begun; sleep {long}; sleep {long}\n"
    ));
    for isolation in ["root", "single-id", "chroot"] {
        kit.new_store().flag(&["--isolation", isolation]);
        let began = Instant::now();
        kit.build().fails_with(1, &["begun", "killed after 700ms", "--> Dockerfile:3:", "`--step-timeout`"]);
        assert!(began.elapsed() < Duration::from_secs(20), "{isolation}: {:?}", began.elapsed());
        assert!(!is_running(long), "{isolation}");
        kit.without_flag(&["--isolation", isolation]);
    }
}

/// Where cgroups of version 2 are mounted.
fn cgroups() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let top = line.and_then(|line| line.split(' ').nth(4)).map(str::to_owned);
    if top.is_none() {
        skipped("no cgroups of version 2 are mounted");
    }
    top
}

#[test]
fn cli_a_step_runs_in_a_cgroup_below_the_parent_and_leaves_none() {
    if !root() {
        return;
    }
    let (Some(top), Some(mut kit)) = (cgroups(), Kit::with_busybox()) else { return };
    let parent = format!("kiln-test-of-{}", std::process::id());
    let place = Path::new(&top).join(&parent);
    if fs::create_dir(&place).is_err() {
        return skipped("cgroups cannot be made here");
    }
    kit.flag(&["--cgroup-parent", &format!("/{parent}")])
        .dockerfile("FROM busybox\nRUN cat /proc/self/cgroup > /own; sleep 2\n");
    for isolation in ["root", "chroot"] {
        kit.new_store().flag(&["--isolation", isolation]);
        let mut build =
            kit.command(&["-o", kit.path("files").to_str().unwrap()]).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        let has_processes = || {
            fs::read_dir(&place).unwrap().flatten().any(|entry| {
                fs::read_to_string(entry.path().join("cgroup.procs")).is_ok_and(|processes| !processes.is_empty())
            })
        };
        while !has_processes() && build.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let seen = has_processes();
        assert!(build.wait().unwrap().success(), "{isolation}");
        assert!(seen, "{isolation}: no step was in the cgroup");
        assert!(
            fs::read_dir(&place).unwrap().flatten().all(|entry| !entry.path().is_dir()),
            "{isolation}: one is left"
        );
        if isolation == "root" {
            let own = fs::read_to_string(kit.path("files/own")).unwrap();
            assert!(own.lines().any(|line| line == "0::/"), "a step sees no cgroup above its own: {own}");
        }
        kit.without_flag(&["--isolation", isolation]);
    }
    fs::remove_dir(&place).unwrap();
}

/// Enforced where that is delegated, else a warning; `kiln doctor` knows before.
#[test]
fn cli_memory_is_limited_or_a_warning_says_why_not() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--memory", "32m"])
        .dockerfile("FROM busybox\n\nRUN head -c 200m /dev/zero | tail > /dev/null\n".replace("tail", "sort").as_str());
    let report: serde_json::Value = serde_json::from_slice(&kit.kiln(&["doctor", "--json"]).stdout).unwrap();
    let enforced = report["limits"]["enforced"].as_array().unwrap();
    if enforced.iter().any(|controller| controller == "memory") {
        return kit.build().fails_with(102, &["it ran out of memory", "Dockerfile:3:", "`--memory`"]);
    }
    skipped("the controller `memory` is not delegated");
    kit.dockerfile("FROM busybox\nRUN true\nRUN true\n");
    let built = kit.build();
    built.succeeds();
    let warning =
        format!("limits of memory and processors are not enforced: {}", report["limits"]["reason"].as_str().unwrap());
    assert_eq!(built.stderr().matches(&warning).count(), 1, "{}", built.stderr());
}

/// keyctl(2), by number, since hardly any base has a program for it.
#[cfg(target_arch = "x86_64")]
const KEYCTL: u32 = 250;
#[cfg(not(target_arch = "x86_64"))]
const KEYCTL: u32 = 219;

#[test]
fn a_step_has_a_keyring_of_its_own() {
    if !root() || !installed("perl") {
        return;
    }
    let mut kit = Kit::new();
    // The number of the session's keyring.
    let ask = format!("print(syscall({KEYCTL}, 0, -3, 1), qq(\\n))");
    let outside = output_of("perl", &["-e", &ask]);
    kit.flag(&["--build-context", "tools=host:sh,perl", "--allow", "security.insecure"]).dockerfile(&format!(
        "FROM tools\nRUN --security=insecure perl -e '{ask}' > /own\nRUN perl -e '{ask}; print $!+0' > /filtered\n"
    ));
    for isolation in ["root", "chroot"] {
        kit.new_store().flag(&["--isolation", isolation]);
        let image = kit.build().succeeds();
        kit.without_flag(&["--isolation", isolation]);
        let own = text(&image, "/own");
        assert!(own.trim().parse::<i64>().unwrap() > 0 && own != outside, "{isolation}: {own} and {outside}");
        assert!(text(&image, "/filtered").starts_with("-1\n"), "{isolation}: {}", text(&image, "/filtered"));
    }
}

#[test]
fn doctor_tells_of_filters_limits_and_root_filesystems() {
    let kit = Kit::new();
    let told = kit.kiln(&["doctor"]);
    let told = String::from_utf8(told.stdout).unwrap();
    for line in ["isolation: ", "system calls: ", "limits: ", "root filesystem: "] {
        assert!(told.lines().any(|told| told.starts_with(line)), "no {line:?} in:\n{told}");
    }
    let store = kit.path("store");
    let report = kit.kiln(&["doctor", "--json", "--store", store.to_str().unwrap()]).stdout;
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert!(report["system_calls"]["filtered"].is_boolean(), "{report:#}");
    let driver = report["root_filesystem"]["driver"].as_str().unwrap();
    assert!(["overlay", "work-tree"].contains(&driver), "{report:#}");
    assert!(!store.exists(), "to ask makes no store");
}
