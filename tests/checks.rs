//! Build checks, and what may be asked of a Dockerfile in place of a build.

use serde_json::{Value, json};

use crate::kit::Kit;

/// A file with one finding, and a step that nothing can run.
const WARNED: &str = "FROM scratch AS app\nMAINTAINER m\nRUN never\n";

/// Standard output, standard error and the exit code.
fn run(kit: &Kit, flags: &[&str]) -> (String, String, Option<i32>) {
    let output = kit.run(flags);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn lint_1_and_8_a_build_tells_of_warnings_in_a_line_each() {
    let mut kit = Kit::new();
    kit.dockerfile("FROM scratch\nMAINTAINER m\nENV A b\n");
    let (_, stderr, code) = run(&kit, &["--progress=plain"]);
    assert_eq!(code, Some(0), "{stderr}");
    for text in ["MaintainerDeprecated: Maintainer instruction", "(line 2)\n", "LegacyKeyValueFormat: ", "(line 3)\n"] {
        assert!(stderr.contains(text), "no {text:?} in:\n{stderr}");
    }
}

#[test]
fn lint_7_error_true_stops_before_the_first_step() {
    let mut kit = Kit::new();
    kit.dockerfile(&format!("# check=error=true\n{WARNED}"));
    let (_, stderr, code) = run(&kit, &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("lint violation found for rules: MaintainerDeprecated"), "{stderr}");
    assert!(stderr.contains("warning[MaintainerDeprecated]") && stderr.contains("Dockerfile:3:1"), "{stderr}");
    assert!(!stderr.contains("never"), "{stderr}");
}

#[test]
fn call_1_and_2_a_check_runs_nothing_and_its_code_tells() {
    let mut kit = Kit::new();
    for (dockerfile, flags, code, wanted) in [
        (WARNED, &["--check"][..], 1, "1 warning has been found!\n\nWARNING: MaintainerDeprecated - http"),
        (WARNED, &["--call=check,ignorestatus=true"], 0, "1 warning has been found!"),
        ("FROM scratch\nRUN never\n", &["--check"], 0, "Check complete, no warnings found.\n"),
        (WARNED, &["--check", "--target=x"], 1, "MaintainerDeprecated"),
    ] {
        let (stdout, stderr, got) = run(kit.dockerfile(dockerfile), flags);
        assert_eq!(got, Some(code), "{flags:?}: {stderr}");
        assert!(stdout.contains(wanted), "{flags:?}: {stdout}");
    }
    let (stdout, stderr, code) = run(kit.dockerfile("FROM scratch\nCOYP a b\n"), &["--check"]);
    assert_eq!((stdout.as_str(), code), ("", Some(1)));
    assert!(stderr.contains("did you mean `COPY`?"), "{stderr}");
}

#[test]
fn call_2_json_has_findings_and_the_error() {
    let mut kit = Kit::new();
    kit.dockerfile(WARNED);
    let (stdout, stderr, code) = run(&kit, &["--call=check,format=json", "--target=x"]);
    let object: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(1), "{stderr}");
    assert_eq!(object["warnings"][0]["ruleName"], "MaintainerDeprecated");
    let range = json!([{ "start": { "line": 2 }, "end": { "line": 2 } }]);
    assert_eq!(object["warnings"][0]["location"]["ranges"], range);
    assert_eq!(object["sources"][0]["filename"], "Dockerfile");
    assert_eq!(object["buildError"]["message"], "target stage \"x\" could not be found");
}

#[test]
fn lint_9_a_check_without_a_target_looks_at_every_stage() {
    let mut kit = Kit::new();
    kit.dockerfile("FROM scratch AS unused\nWORKDIR x\nFROM scratch AS app\n");
    assert_eq!(run(&kit, &["--check"]).2, Some(1));
    assert_eq!(run(&kit, &["--check", "--target=app"]).2, Some(0));
}

#[test]
fn call_3_outline_lists_what_the_target_takes() {
    let mut kit = Kit::new();
    kit.dockerfile(
        "# TAG which one\nARG TAG=latest\nARG OTHER=1\nFROM scratch AS unused\nARG GONE\nFROM scratch AS app\nARG TAG\n\
         ARG DEPTH=2\nRUN --mount=type=secret,id=token,required x\n",
    );
    let (stdout, stderr, code) = run(&kit, &["--call=outline,format=json", "--build-arg=TAG=v1"]);
    assert_eq!(code, Some(0), "{stderr}");
    let object: Value = serde_json::from_str(&stdout).unwrap();
    let arguments: Vec<_> =
        object["args"].as_array().unwrap().iter().map(|one| (&one["name"], &one["value"])).collect();
    assert_eq!(arguments, [(&json!("TAG"), &json!("v1")), (&json!("DEPTH"), &json!("2"))]);
    assert_eq!(object["args"][0]["description"], "which one");
    assert_eq!((&object["secrets"][0]["name"], &object["secrets"][0]["required"]), (&json!("token"), &json!(true)));
}

#[test]
fn call_4_targets_need_no_base_image() {
    let mut kit = Kit::new();
    kit.dockerfile("# build compiles\nFROM registry.invalid/x AS build\nFROM build AS app\n");
    let (stdout, stderr, code) = run(&kit, &["--call=targets"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stdout, "TARGET          DESCRIPTION\nbuild           compiles\napp (default)\n");
}
