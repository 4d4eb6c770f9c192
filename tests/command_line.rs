//! What callers of the program rely on: exit codes, what goes to which stream, the files of results.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::{Kit, text};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exit_1_wrong_arguments_and_wrong_dockerfiles() {
    let mut kit = Kit::new();
    kit.dockerfile("FROM scratch\nCOYP a b\nRUN --netwrk=none x\n");
    for (row, flags, wanted) in [
        ("unknown flag", &["--no-such-flag"][..], &["--no-such-flag"][..]),
        ("not built", &["--sbom"], &["error: `--sbom` is not supported yet", "hint: "]),
        ("several errors", &[], &["Dockerfile:2:1", "did you mean `COPY`?", "Dockerfile:3:5", "has 2 errors"]),
    ] {
        let output = kit.run(flags);
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{row}: {stderr}");
        assert!(output.stdout.is_empty(), "{row}");
        for text in wanted {
            assert!(stderr.contains(text), "{row}: no {text:?} in:\n{stderr}");
        }
    }
}

#[test]
fn meta_1_and_iidfile_name_the_same_image_as_quiet() {
    let mut kit = Kit::new();
    kit.dockerfile("FROM scratch\nCOPY a /a\n").file("a", "x");
    let (id, metadata) = (kit.path("id"), kit.path("metadata.json"));
    fs::write(&id, "old").unwrap();
    let files = ["--iidfile", text(&id), "--metadata-file", text(&metadata), "-t", "app"];
    let output = kit.run(&files);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
    let id = fs::read_to_string(id).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    assert_eq!(value["containerimage.config.digest"], id.as_str());
    assert_eq!(value["image.name"], "docker.io/library/app:latest");

    let output = kit.run(&["--progress", "auto", "-q"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{id}\n"));
    assert_eq!(stderr(&output), "");
}

#[test]
fn cli_a_failed_build_leaves_no_old_id() {
    let mut kit = Kit::new();
    kit.dockerfile("FROM scratch\nCOPY absent /a\n");
    let id = kit.path("id");
    fs::write(&id, "old").unwrap();
    assert_eq!(kit.run(&["--iidfile", text(&id)]).status.code(), Some(1));
    assert!(!id.exists());
}

#[test]
fn cli_every_line_of_json_progress_is_an_object() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN echo said; exit 3\n");
    let output = kit.run(&["--progress", "json"]);
    let lines: Vec<serde_json::Value> =
        stderr(&output).lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["schema"] == 1));
    let of = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("no {event}"));
    assert_eq!(of("output")["data"], "said\n");
    assert_eq!(of("diagnostic")["line"], 2);
    assert_eq!(of("failure")["exit"], 1);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn cli_quiet_still_shows_all_that_a_failed_step_said() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN echo fine\nRUN seq 1 2000; exit 3\n");
    let output = kit.run(&["--progress", "quiet"]);
    let stderr = stderr(&output);
    assert!(!stderr.contains("fine"), "{stderr}");
    assert_eq!(stderr.lines().filter(|line| line.parse::<u32>().is_ok()).count(), 2000);
    assert!(stderr.contains("exit code: 3") && stderr.contains("Dockerfile:3:1"), "{stderr}");
}

#[test]
fn exit_1_a_signal_stops_the_build_soon() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN sleep 1000\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln"));
    command.args(["build", "--progress=plain", "--store"]).arg(kit.path("store")).arg("-f").arg(kit.path("Dockerfile"));
    let child = command.args(kit.flags()).arg(kit.path("context")).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    assert!(stderr(&output).contains("the build was stopped"), "{}", stderr(&output));
}
