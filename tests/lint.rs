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

/// What is wrong with a log of SARIF 2.1.0: the members that the standard asks for, and that indexes and names agree.
fn wrong_in_sarif(log: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ask = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    ask(log["version"] == "2.1.0" && log["$schema"].is_string(), "version");
    for run in log["runs"].as_array().unwrap() {
        let driver = &run["tool"]["driver"];
        ask(driver["name"] == "kiln", "tool.driver.name");
        let rules = driver["rules"].as_array().unwrap();
        for rule in rules {
            ask(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "rule");
            ask(
                rule.get("helpUri").is_none_or(|uri| uri.as_str().is_some_and(|uri| uri.starts_with("https://"))),
                "helpUri",
            );
        }
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            ask(rules[index]["id"] == result["ruleId"], "ruleIndex");
            ask(matches!(result["level"].as_str(), Some("error" | "warning" | "note")), "level");
            ask(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()), "message");
            let place = &result["locations"][0]["physicalLocation"];
            ask(place["artifactLocation"]["uri"].as_str().is_some_and(|uri| !uri.contains(' ')), "uri");
            let number = |name: &str| place["region"][name].as_u64().unwrap_or_default();
            let (start, end) = ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
            ask(start.0 > 0 && start.1 > 0 && start <= end, "region");
        }
    }
    wrong
}

#[test]
fn sarif_is_whole_in_both_commands() {
    let mut kit = kit();
    let (stdout, stderr, code) = lint(&kit, &["--format=sarif"]);
    let log: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert_eq!((wrong_in_sarif(&log), code), (Vec::new(), Some(1)));
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 6);

    kit.dockerfile("FROM scratch AS app\nMAINTAINER m\nWORKDIR x\nRUN --mount=type=foo x\n");
    for (flag, code) in [("--call=check,format=sarif", 1), ("--call=check,format=sarif,ignorestatus=1", 0)] {
        let output = kit.run(&[flag]);
        let log: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((wrong_in_sarif(&log), output.status.code()), (Vec::new(), Some(code)));
        let results = log["runs"][0]["results"].as_array().unwrap();
        let codes: Vec<_> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
        assert_eq!(codes, ["D-35", "MaintainerDeprecated", "WorkdirRelativePath"]);
    }
    let broken = json!({ "version": "2.1.0", "runs": [{ "tool": { "driver": { "name": "kiln", "rules": [] } }, "results": [] }] });
    assert_eq!(wrong_in_sarif(&broken), ["version"]);
}

#[test]
fn fixes_are_written_and_the_rest_is_told() {
    let mut kit = kit();
    kit.dockerfile("FROM debian:12\r\n# who\r\nmaintainer m\r\nENV k a b\r\nCMD x\r\n");
    let path = kit.path("Dockerfile");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = kit.path("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let output = kit.kiln(&["lint", "--fix", "--rules=checks", "--format=json", text(&link)]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("mended 3 in "), "{stderr}");
    let left: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((left.len(), &left[0]["code"], output.status.code()), (1, &json!("JSONArgsRecommended"), Some(1)));
    let label = "LABEL org.opencontainers.image.authors=\"m\"";
    let want = format!("FROM debian:12\r\n# who\r\n{label}\r\nENV k=\"a b\"\r\nCMD x\r\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), want);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(link.is_symlink());
    let files: Vec<_> = fs::read_dir(kit.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(files.iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "{files:?}");

    // A file that needs nothing is not written, nor one that cannot be read or is not UTF-8.
    for bytes in [&b"FROM a:1\nRUN x\n"[..], b"FROM a:1\nCOYP x\nrun y\n", b"FROM a:1\nrun \xff\n"] {
        fs::write(&path, bytes).unwrap();
        let before = path.metadata().unwrap().modified().unwrap();
        kit.kiln(&["lint", "--fix", text(&path)]);
        assert_eq!((fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap()), (bytes.to_vec(), before));
    }
    let (stdout, _, _) = lint(kit.dockerfile("FROM a:1\nrun x\n"), &[]);
    assert!(stdout.ends_with("hint: `--fix` mends 1 of them\n"), "{stdout}");
    assert_eq!(kit.kiln(&["lint", "--fix", "-"]).status.code(), Some(1));
}
