//! Steps that misuse how they are started, what they may leave, and where their files lie.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::images;
use super::stage::{Holes, Stage, attack, ensure, rungs};
use crate::kit::{Image, installed, output_of};

/// The builder's own program, run in the step: it could then be overwritten through `/proc/self/exe` (CVE-2019-5736).
#[test]
fn the_program_of_a_step_is_never_kiln_itself() {
    let mut holes = Holes::default();
    for rung in rungs() {
        let Some(mut stage) = Stage::new(rung) else { return };
        let script = |name: &str, line: &str| super::tar::file(name, line);
        let mut entries = vec![
            super::tar::symlink("kiln", "/proc/self/exe"),
            super::tar::symlink("bin/thread", "/proc/thread-self/exe"),
            script("script", "#!/proc/self/exe\n"),
            script("twice", "#! /script x\n"),
            script("relative", "#!kiln\n"),
        ];
        // With its libraries it could run.
        let libraries = output_of("ldd", &[env!("CARGO_BIN_EXE_kiln")]);
        for path in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            entries.push(super::tar::program(path.trim_start_matches('/'), &fs::read(path).unwrap()));
        }
        images::based(&stage.kit.path("evil"), &stage.kit.path("base"), &entries);
        stage.kit.flag(&["--build-context", &format!("evil=oci-layout://{}", stage.kit.path("evil").display())]);
        for program in [
            "/proc/self/exe",
            "/proc/1/exe",
            "/kiln",
            "thread",
            "/script",
            "/twice",
            "/relative",
            "/proc/self/root/kiln",
        ] {
            stage.kit.dockerfile(&format!(
                "FROM evil\nRUN chmod 755 /script /twice /relative\nRUN [\"{program}\", \"--version\"]\n"
            ));
            let output = stage.run(&["--no-cache"]);
            let stderr = String::from_utf8_lossy(&output.stderr);
            let refused = stderr.contains("cannot execute") && output.status.code() == Some(1);
            holes.note(program, rung.name, ensure(refused, || stderr.into_owned()));
        }
    }
    holes.none();
}

/// A set-user-id program of an image is one of the machine's, too, where somebody else can reach it in the store.
#[test]
fn nobody_else_reaches_files_of_images_in_the_store() {
    for rung in rungs() {
        let Some(mut stage) = Stage::new(rung) else { return };
        stage.kit.dockerfile(
            "FROM busybox\nRUN --mount=type=cache,target=/c cp /bin/busybox /su && chmod 4755 /su && cp -p /su /c/su && chmod 4755 /c/su\n",
        );
        let output = stage.build(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut found = 0;
        for entry in walkdir::WalkDir::new(stage.kit.path("store")) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() && entry.metadata().unwrap().mode() & 0o4000 != 0 {
                found += 1;
                let closed = entry.path().ancestors().any(|above| {
                    above.starts_with(stage.kit.path("store"))
                        && fs::metadata(above).unwrap().mode().trailing_zeros() >= 6
                });
                assert!(closed, "{} can be reached, on {}", entry.path().display(), rung.name);
            }
        }
        assert!(found > 0, "the test finds no such file, on {}", rung.name);
    }
}

/// More directories within each other than any path has room for, or a thread's stack.
#[test]
fn a_bottomless_directory_leaves_nothing_in_the_store() {
    for rung in rungs() {
        let Some(mut stage) = Stage::new(rung) else { return };
        let Some(program) = attack() else { return };
        stage.kit.file("attack", "");
        fs::copy(program, stage.kit.path("context/attack")).unwrap();
        stage
            .kit
            .dockerfile("FROM busybox\nCOPY --chmod=755 attack /\nRUN mkdir /deep && cd /deep && /attack deep 6000\n");
        let output = stage.run(&[]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "on {}: {:?} {stderr}", rung.name, output.status);
        assert!(!stderr.contains("panicked"), "on {}: {stderr}", rung.name);
        let left = fs::read_dir(stage.kit.path("store/kiln/tmp")).unwrap().count();
        assert_eq!(left, 0, "on {}: {stderr}", rung.name);
    }
}

/// A process that leaves its parent, session and group behind, and waits for the builder to go through the files.
#[test]
fn nothing_that_a_step_starts_outlives_it() {
    for rung in rungs() {
        let Some(mut stage) = Stage::new(rung) else { return };
        let marker = format!("46{:05}", std::process::id());
        stage.kit.dockerfile(&format!(
            "FROM busybox\nRUN (busybox setsid sh -c '(busybox nohup sh -c \"trap : TERM HUP INT; busybox sleep {marker}; echo x > /late\" &) &' &); sleep 0.2\nRUN sleep 0.2; ls / > /list\n"
        ));
        let output = stage.build(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(running(&marker), 0, "on {}", rung.name);
        assert!(Image::read(&stage.kit.path("out.tar")).file_of_image("/late").is_none());
    }
}

fn running(marker: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|process| {
            fs::read(process.path().join("cmdline"))
                .is_ok_and(|line| line.windows(marker.len()).any(|part| part == marker.as_bytes()))
        })
        .count()
}

/// Keys typed into the terminal from which kiln was started would be commands of whoever sits there.
#[test]
fn a_step_has_nothing_of_the_builders_terminal() {
    let Some(program) = attack() else { return };
    if !installed("script") {
        return;
    }
    for rung in rungs() {
        let Some(mut stage) = Stage::new(rung) else { return };
        stage.kit.file("attack", "").dockerfile(concat!(
            "FROM busybox\nCOPY --chmod=755 attack /attack\n",
            "RUN ! /attack terminal\nRUN ! /attack typing\nRUN ! busybox tty\n"
        ));
        fs::copy(program, stage.kit.path("context/attack")).unwrap();
        let build = stage.command(&[]);
        let words = [build.get_program()].into_iter().chain(build.get_args());
        let line: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''"))).collect();
        let output = Command::new("script")
            .args(["-qec", &line.join(" "), "/dev/null"])
            .env("HOME", stage.kit.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "on {}: {}", rung.name, String::from_utf8_lossy(&output.stdout));
    }
}

/// Pipes, sockets and devices where files are expected: a read of them would never end.
#[test]
fn special_files_of_a_context_hold_nothing_up() {
    let Some(rung) = rungs().first() else { return };
    let Some(mut stage) = Stage::new(rung) else { return };
    stage.kit.file("a", "x").dockerfile("FROM busybox\nCOPY . /in/\n");
    let context = stage.kit.path("context");
    let made = Command::new("sh")
        .args(["-c", "mkfifo pipe && mknod zero c 1 5 && mknod disk b 8 0"])
        .current_dir(&context)
        .status()
        .unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(context.join("socket")).unwrap();
    let start = Instant::now();
    let output = stage.build(&[]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["pipe", "zero", "disk"] {
        stage.kit.dockerfile(&format!("FROM busybox\nADD {name} /in/\nRUN --mount=source={name},target=/m true\n"));
        let output = stage.build(&[]);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// A claim is kiln's own: a layer, an archive or a file of the context that brings one would give a file to somebody, or make it
/// a device.
#[test]
fn a_claim_from_outside_is_none() {
    for rung in rungs() {
        let Some(mut stage) = Stage::new(rung) else { return };
        let claimed = super::tar::claimed("f", "0 0 b8:0");
        images::based(&stage.kit.path("evil"), &stage.kit.path("base"), std::slice::from_ref(&claimed));
        stage.kit.flag(&["--build-context", &format!("evil=oci-layout://{}", stage.kit.path("evil").display())]);
        stage.kit.file("g", "x").file("c.tar", "");
        fs::write(stage.kit.path("context/c.tar"), super::tar::tar(&[claimed])).unwrap();
        let name = "user.kiln.claim";
        rustix::fs::setxattr(stage.kit.path("context/g"), name, b"7 7", rustix::fs::XattrFlags::empty()).unwrap();
        stage.kit.dockerfile(concat!(
            "FROM evil\nADD c.tar /added/\nCOPY g /g\n",
            "RUN mv /f /f2 && mv /added/f /added/f2 && mv /g /g2 && touch /r\n",
            "RUN stat -c '%u %F' /f2 /added/f2 /g2 > /stat\n",
        ));
        let output = stage.build(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = Image::read(&stage.kit.path("out.tar")).flattened();
        for path in ["f2", "added/f2", "g2"] {
            let entry = &tree[path];
            assert_eq!(
                (&entry.kind, entry.uid, &*entry.content),
                (&crate::kit::EntryKind::File, 0, &b"x"[..]),
                "{path}, on {}",
                rung.name
            );
        }
        let stat = String::from_utf8_lossy(&tree["stat"].content).into_owned();
        assert_eq!(stat, "0 regular file\n".repeat(3), "on {}", rung.name);
    }
}
