//! `kiln lint`: sets of rules, forms, exit codes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::kit::{Kit, text};

/// A finding of each level, one of both sets among them.
const FILE: &str = "FROM debian:12\nLABEL Big=1\nRUN apt-get update\nRUN cd /x\nMAINTAINER m\nUSER 1\n";

/// A kit without other programs, so that the machine's shellcheck does not meddle.
fn kit() -> Kit {
    let mut kit = Kit::new();
    let bin = kit.path("bin");
    fs::create_dir(&bin).unwrap();
    kit.env("PATH", text(&bin));
    kit.dockerfile(FILE);
    kit
}

/// Standard output, standard error and the exit code.
fn lint(kit: &Kit, flags: &[&str]) -> (String, String, Option<i32>) {
    let file = kit.path("Dockerfile");
    let output = kit.kiln(&[&["lint"], flags, &[text(&file)]].concat());
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// `LINE CODE LEVEL` of what is found.
fn findings(kit: &Kit, flags: &[&str]) -> Vec<String> {
    let (stdout, stderr, _) = lint(kit, &[flags, &["--format=json"]].concat());
    let objects: Vec<Value> = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    let field = |object: &Value, name: &str| object[name].as_str().unwrap().to_owned();
    objects.iter().map(|one| format!("{} {} {}", one["line"], field(one, "code"), field(one, "level"))).collect()
}

#[test]
fn hadolint_and_checks_are_sets_of_rules() {
    let kit = kit();
    let numbered = ["2 DL3048 style", "3 DL3009 info", "4 DL3003 warning", "4 DL3059 info", "5 DL4000 error"];
    assert_eq!(findings(&kit, &["--rules=checks"]), ["5 MaintainerDeprecated warning"]);
    assert_eq!(findings(&kit, &["--rules=hadolint"]), numbered);
    assert_eq!(findings(&kit, &[]).len(), 6);
    let flags = ["--ignore=DL3048,DL3059", "--ignore", "MaintainerDeprecated", "--style=DL4000", "--error=DL3057"];
    assert_eq!(findings(&kit, &flags), ["1 DL3057 error", "3 DL3009 info", "4 DL3003 warning", "5 DL4000 style"]);
}

#[test]
fn exit_1_lint_fails_from_a_threshold_on() {
    let mut kit = kit();
    for (dockerfile, flags, code) in [
        (FILE, &[][..], 1),
        (FILE, &["--failure-threshold=error"], 1),
        (FILE, &["--failure-threshold=error", "--ignore=DL4000"], 0),
        (FILE, &["-t", "none"], 0),
        ("FROM a:1\nLABEL Big=1\n", &[], 0),
        ("FROM a:1\nLABEL Big=1\n", &["-t", "style"], 1),
        ("FROM a:1\n", &["-t", "style"], 0),
        ("FROM a:1\nCOYP a b\n", &["-t", "none"], 1),
        ("FROM a:1\nRUN --mount=type=foo x\n", &["-t", "none"], 1),
        ("FROM a:1\n", &["--require-label=a:colour"], 1),
        ("FROM a:1\n", &["--require-label=a:url", "-t", "warning"], 0),
        ("FROM x.example/a:1\n", &["--trusted-registry=docker.io"], 1),
        ("# check=error=true\nFROM scratch\nMAINTAINER m\n", &["--rules=checks", "-t", "error"], 1),
    ] {
        let (stdout, stderr, got) = lint(kit.dockerfile(dockerfile), flags);
        assert_eq!(got, Some(code), "{dockerfile:?} {flags:?}: {stdout}{stderr}");
    }
}

#[test]
fn hadolint_text_shows_the_line() {
    let (stdout, stderr, _) = lint(&kit(), &["--rules=hadolint", "--ignore=DL3048,DL3059,DL3009"]);
    for text in ["warning[DL3003]: use WORKDIR", "Dockerfile:4:5", "4 | RUN cd /x", "error[DL4000]", "2 findings\n"] {
        assert!(stdout.contains(text), "no {text:?} in:\n{stdout}");
    }
    assert_eq!(stderr.matches("no program `shellcheck`").count(), 1, "{stderr}");
}

#[test]
fn lint_reads_several_files_and_standard_input() {
    let kit = kit();
    let second = kit.path("second");
    fs::write(&second, "FROM a\n").unwrap();
    let first = kit.path("Dockerfile");
    let output = kit.kiln(&["lint", "--format=json", "--rules=hadolint", text(&first), text(&second)]);
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(objects.len(), 6);
    assert_eq!(objects[5]["file"], text(&second));
    assert_eq!((&objects[5]["column"], &objects[5]["endColumn"]), (&json!(6), &json!(7)));

    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_kiln"));
    let output =
        command.args(["lint", "--format=json", "--rules=hadolint", "-"]).write_stdin("FROM a\n").output().unwrap();
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((objects.len(), &objects[0]["file"], &objects[0]["code"]), (1, &json!("-"), &json!("DL3006")));

    let output = kit.kiln(&["lint", text(&kit.path("absent"))]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read"));
}

#[test]
fn lint_the_ignore_file_beside_the_dockerfile_counts() {
    let mut kit = kit();
    kit.dockerfile("FROM scratch\nCOPY x /\n");
    fs::write(kit.path("Dockerfile.dockerignore"), "x\n").unwrap();
    assert_eq!(findings(&kit, &[]), ["2 CopyIgnoredFile warning"]);
}

#[test]
fn hadolint_shell_rules_are_those_of_shellcheck() {
    let mut kit = kit();
    // What it is given decides what it finds: that the text, the variables and the dialect reach it is seen in the result.
    let program = "#!/bin/sh\nread first\nread second\ncase \"$first $second $*\" in\n  'export V=1 echo   $x'*--shell\\ bash*)\n\
                   echo '{\"comments\":[{\"line\":2,\"endLine\":2,\"column\":8,\"endColumn\":10,\"level\":\"info\",\
                   \"code\":2086,\"message\":\"quote it\"}]}' ;;\n  *) echo '{\"comments\":[]}' ;;\nesac\n";
    let path = kit.path("bin/shellcheck");
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    kit.dockerfile("FROM a:1\nENV V=1\nSHELL [\"/bin/bash\", \"-c\"]\nRUN echo \\\n  $x\n");
    assert_eq!(findings(&kit, &[]), ["5 SC2086 info"]);
    assert_eq!(findings(&kit, &["--ignore=SC2086"]), [""; 0]);
    assert_eq!(findings(&kit, &["--rules=checks"]), [""; 0]);
    kit.dockerfile("FROM a:1\nENV V=1\nSHELL [\"/bin/bash\", \"-c\"]\n# hadolint ignore=SC2086\nRUN echo \\\n  $x\n");
    assert_eq!(findings(&kit, &[]), [""; 0]);
    let (_, stderr, _) = lint(&kit, &[]);
    assert!(!stderr.contains("shellcheck"), "{stderr}");
}
