//! The same image from every rung, and nothing left of a build that was killed.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::{Kit, processes_with, root};

const STEPS: &str = "FROM busybox\n\
    RUN mkdir /d && echo one > /d/a && ln /d/a /d/b && ln -s a /d/c && rm /etc/group && chown 7:8 /d/a && chmod 4755 /d/b\n\
    COPY f /d/\n\
    RUN rm -r /d && mkdir -p /d/e && touch /d/e/x && mknod /fifo p\n\
    WORKDIR /w/x\n";

#[test]
fn every_rung_gives_the_same_manifest_when_times_are_pinned() {
    if !root() {
        return;
    }
    let mut digests = Vec::new();
    for isolation in ["root", "rootless", "single-id", "chroot"] {
        let Some(mut kit) = Kit::with_busybox() else { return };
        kit.file("f", "text").dockerfile(STEPS).flag(&["--isolation", isolation]);
        digests.push(pinned_digest(&mut kit));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

/// What a step finds is told by nothing but the layers below, whatever earlier steps have left in a work tree.
#[test]
fn every_rung_shows_a_step_the_same_files_and_times() {
    if !root() {
        return;
    }
    let seen = "(echo /etc; find /d /w /etc/passwd /etc/group) | sort | xargs stat -c '%n %Y %a %u %s %F' | sed '/directory/s/ [0-9]* directory//' > /seen";
    let steps = [
        "mkdir -p /d/sub && echo one > /d/one && ln /d/one /d/two && ln -s one /d/three && echo x > /d/sub/x",
        "touch /etc/passing && rm /etc/passing && touch /d/sub && chown 0 /d/one",
        seen,
        "ln /d/one /d/four && echo more >> /d/four",
        "mv /d/sub /d/sub2 && ln /etc/passwd /w/passwd && cat /d/f /d/one /d/two /d/four > /all",
        "mv /d /w/d && mkdir /d && chmod 700 /etc",
        seen,
    ];
    let dockerfile = format!("FROM busybox\nWORKDIR /w\nCOPY f /d/f\nRUN {}\n", steps.join("\nRUN "));
    let mut digests = Vec::new();
    for isolation in ["root", "rootless", "single-id", "chroot"] {
        let Some(mut kit) = Kit::with_busybox() else { return };
        kit.file("f", "text").dockerfile(&dockerfile).flag(&["--isolation", isolation]);
        digests.push(pinned_digest(&mut kit));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

/// What a step does to the directories of its mounts counts once there is something in them.
#[test]
fn run_14_every_rung_keeps_the_same_of_mount_points() {
    if !root() {
        return;
    }
    let dockerfile = "FROM busybox AS tools\n\
        FROM scratch\n\
        COPY --from=tools /bin /bin\n\
        RUN chmod 700 /etc && touch /etc\n\
        RUN test $(stat -c %a /etc) = 755 && mkdir /etc/x && echo one > /etc/x/y && chmod 711 /etc\n\
        RUN rm -r /etc/x && stat -c '%n %a' /etc > /seen && grep -q 711 /seen\n";
    let mut digests = Vec::new();
    for isolation in ["root", "rootless", "single-id", "chroot"] {
        let Some(mut kit) = Kit::with_busybox() else { return };
        kit.dockerfile(dockerfile).flag(&["--isolation", isolation]);
        digests.push(pinned_digest(&mut kit));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

/// Builds with pinned times, and gives the digest of the manifest.
fn pinned_digest(kit: &mut Kit) -> String {
    kit.env("SOURCE_DATE_EPOCH", "1600000000");
    let (archive, metadata) = (kit.path("pinned.tar"), kit.path("metadata.json"));
    let spec = format!("type=oci,dest={},rewrite-timestamp=true", archive.display());
    let output = kit.run(&["--metadata-file", metadata.to_str().unwrap(), "-o", &spec]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&std::fs::read(metadata).unwrap()).unwrap();
    metadata["containerimage.digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_build_that_is_killed_in_a_run_leaves_nothing_behind() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    let marker = format!("sleep 7{:03}", std::process::id() % 1000);
    kit.dockerfile(&format!("FROM busybox\nRUN {marker}\n"));
    let out = kit.path("killed.tar");
    let mut child = kit.command(&["-o", out.to_str().unwrap()]).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the step runs", || processes_with(&marker) > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the step is gone", || processes_with(&marker) == 0);
    assert!(!out.exists());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let store = kit.path("store");
    assert!(!mounts.contains(store.to_str().unwrap()), "{mounts}");
    kit.dockerfile("FROM busybox\nRUN true\n");
    let output = kit.run(&["-o", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.exists());
    // The keeper of the dead build's step may hold a lock for a moment longer.
    wait_until("a later build has swept", || {
        kit.run(&["-o", out.to_str().unwrap()]);
        std::fs::read_dir(store.join("kiln/tmp")).unwrap().count() == 0
    });
}

#[test]
fn a_build_that_is_killed_while_writing_leaves_no_broken_archive() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    // Bytes that do not compress, so that there is something to write.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(4 << 20)
    .flatten()
    .collect();
    kit.dockerfile("FROM busybox\nCOPY noise /\n");
    std::fs::write(kit.path("context/noise"), noise).unwrap();
    let out = kit.path("killed.tar");
    for delay in [60, 120, 200, 300, 450] {
        let mut child = kit.command(&["-o", out.to_str().unwrap()]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        if out.exists() {
            let listed = Command::new("tar").arg("-tf").arg(&out).output().unwrap();
            assert!(listed.status.success(), "an archive under the final name is whole");
            std::fs::remove_file(&out).unwrap();
        }
    }
    let output = kit.run(&["-o", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
