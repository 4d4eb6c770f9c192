//! `kiln fmt`: files are put into the usual layout, and build what they built before.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::corpus;
use crate::kit::{Kit, root, text};

const UGLY: &str = "from   scratch\n\n\n\ncopy  a  \\\nb /\n";
const TIDY: &str = "FROM scratch\n\nCOPY a \\\n    b /\n";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Builds with pinned times; the manifest's digest, and how many steps ran and did not.
fn build(kit: &Kit) -> (String, String) {
    let metadata = kit.path("metadata.json");
    let archive = format!("type=oci,dest={},rewrite-timestamp=true", kit.path("out.tar").display());
    let output = kit.run(&["--metadata-file", text(&metadata), "-o", &archive]);
    assert!(output.status.success(), "{}", stderr(&output));
    let metadata: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    let summary =
        stderr(&output).lines().find_map(|line| Some(line.strip_prefix("built in ")?.split_once(": ")?.1.to_owned()));
    (metadata["containerimage.digest"].as_str().unwrap().to_owned(), summary.expect("a summary"))
}

#[test]
fn a_formatted_file_builds_the_same_image_out_of_the_same_steps() {
    let Some(mut kit) = corpus::kit() else { return };
    kit.env("SOURCE_DATE_EPOCH", "1600000000");
    for (name, path) in corpus::dockerfiles("busybox-") {
        kit.new_store().dockerfile(&fs::read_to_string(path).unwrap());
        let (digest, _) = build(&kit);
        let dockerfile = kit.path("Dockerfile");
        assert!(kit.kiln(&["fmt", text(&dockerfile)]).status.success());
        let (of_formatted, summary) = build(&kit);
        assert_eq!(of_formatted, digest, "{name}");
        assert!(summary.starts_with("0 steps ran"), "{name}: other keys: {summary}");
        assert_eq!(build(kit.new_store()).0, digest, "{name}, built anew");
        assert!(kit.kiln(&["fmt", "--check", text(&dockerfile)]).status.success(), "{name}: twice is not once");
    }
}

#[test]
fn files_are_rewritten_and_keep_their_modes() {
    let mut kit = Kit::new();
    let (file, link) = (kit.path("Dockerfile"), kit.path("link"));
    kit.dockerfile(UGLY);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("Dockerfile", &link).unwrap();
    let output = kit.kiln(&["fmt", text(&link)]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), format!("formatted {}\n", link.display())));
    assert_eq!(fs::read_to_string(&file).unwrap(), TIDY);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let output = kit.kiln(&["fmt", text(&file)]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 3, "the file, the link and the context");
}

#[test]
fn a_file_keeps_its_owner() {
    if !root() {
        return;
    }
    let mut kit = Kit::new();
    let file = kit.path("Dockerfile");
    kit.dockerfile(UGLY);
    std::os::unix::fs::chown(&file, Some(7), Some(8)).unwrap();
    assert!(kit.kiln(&["fmt", text(&file)]).status.success());
    let meta = fs::metadata(&file).unwrap();
    assert_eq!((std::os::unix::fs::MetadataExt::uid(&meta), std::os::unix::fs::MetadataExt::gid(&meta)), (7, 8));
}

#[test]
fn a_check_names_the_files_shows_the_difference_and_changes_nothing() {
    let mut kit = Kit::new();
    let (file, tidy) = (kit.path("Dockerfile"), kit.path("tidy"));
    kit.dockerfile(UGLY);
    fs::write(&tidy, TIDY).unwrap();
    let output = kit.kiln(&["fmt", "--check", text(&file), text(&tidy)]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(shown.starts_with(&format!("{} is not formatted\n", file.display())), "{shown}");
    assert!(shown.contains("-from   scratch\n") && shown.contains("+COPY a \\\n"), "{shown}");
    assert!(!shown.contains("tidy"), "{shown}");
    assert_eq!(fs::read_to_string(&file).unwrap(), UGLY);
    assert_eq!(kit.kiln(&["fmt", "--check", text(&tidy)]).status.code(), Some(0));
}

#[test]
fn what_cannot_be_read_is_told_of_and_left_and_the_rest_is_done() {
    let mut kit = Kit::new();
    let (wrong, bytes, file) = (kit.path("wrong"), kit.path("bytes"), kit.path("Dockerfile"));
    kit.dockerfile(UGLY);
    fs::write(&wrong, "from  scratch\ncoyp a b\n").unwrap();
    fs::write(&bytes, b"from  scratch\nLABEL a=\xff\n").unwrap();
    let absent = kit.path("absent");
    let output = kit.kiln(&["fmt", text(&wrong), text(&bytes), text(&absent), text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    for told in ["did you mean `COPY`?", "bytes: invalid utf-8", "absent: No such file", "formatted "] {
        assert!(stderr(&output).contains(told), "no {told:?} in:\n{}", stderr(&output));
    }
    assert_eq!(fs::read_to_string(&wrong).unwrap(), "from  scratch\ncoyp a b\n");
    assert_eq!(fs::read(&bytes).unwrap(), b"from  scratch\nLABEL a=\xff\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), TIDY);
}

#[test]
fn standard_input_goes_to_standard_output() {
    for (flags, code, want) in
        [(&["fmt", "-"][..], 0, TIDY), (&["fmt", "--check", "-"], 1, "standard input is not formatted\n")]
    {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(UGLY.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(want), "{output:?}");
    }
}
