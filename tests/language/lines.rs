//! LEX and EXP: how a file becomes instructions.

use super::{built, content, history, scratch};
use crate::kit::Kit;

#[test]
fn lex_1_and_3_only_lf_ends_a_line_and_cr_before_it_goes() {
    let image = scratch("FROM scratch\r\nLABEL a=\"x\ry\" \\\r\n  b=2\r\n", &[]);
    assert_eq!(image.config()["config"]["Labels"], serde_json::json!({ "a": "x\ry", "b": "2" }));
    let image = scratch("FROM scratch\r\nCOPY <<E /x\r\none\r\ntwo\r\nE\r\n", &[]);
    assert_eq!(content(&image, "/x"), "one\r\ntwo\r\n", "LEX-56: a heredoc keeps its line ends");
}

#[test]
fn lex_4_lines_have_a_bound() {
    let long = |length: usize| "x".repeat(length);
    let label = "LABEL a=";
    scratch(&format!("FROM scratch\n{label}{}\n", long(65535 - label.len())), &[]);
    for (text, message, line) in [
        (format!("FROM scratch\n{label}{}\n", long(65536 - label.len())), "dockerfile line greater than max", 2),
        (format!("FROM scratch\nCOPY <<E /x\n{}\nE\n", long(65536)), "unterminated heredoc", 2),
        (format!("#{}\nFROM scratch\n", long(65536)), "file with no instructions", 2),
    ] {
        Kit::new().dockerfile(&text).build().fails_with(1, &[message, &format!("Dockerfile:{line}:")]);
    }
}

#[test]
fn lex_7_instructions_in_any_case() {
    let image = scratch("fRoM scratch\nlabel a=b\nEnv c=d\n", &[]);
    assert_eq!(history(&image), ["LABEL a=b", "ENV c=d"]);
    let failed = Kit::new().dockerfile("FROM scratch\nfOo x\n").build();
    failed.fails_with(1, &["unknown instruction: fOo"]);
}

#[test]
fn lex_16_and_17_a_frontend_of_another_language_is_told_of() {
    let mut kit = Kit::new();
    let silent = kit.dockerfile("# syntax=docker/dockerfile:1.9\nFROM scratch\nLABEL a=b\n").build();
    assert!(!silent.stderr().contains("frontend"), "{}", silent.stderr());
    silent.succeeds();
    let told = kit.dockerfile("# syntax=acme/lang\nFROM scratch\nLABEL a=b\n").build();
    assert!(told.stderr().contains("the frontend acme/lang is not run"), "{}", told.stderr());
    told.succeeds();
}

#[test]
fn lex_19_a_directive_describes_nothing() {
    let text = "# syntax=docker/dockerfile:1\n# a what it is\nFROM scratch AS a\n";
    let output = Kit::new().dockerfile(text).run(&["--call=targets,format=json"]);
    let targets: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(targets["targets"][0]["description"], "what it is", "{targets}");
}

#[test]
fn lex_22_and_23_comments_within() {
    let image = scratch("FROM scratch\nLABEL a=b \\\n # note \\\n  c=d\n", &[]);
    assert_eq!(history(&image), ["LABEL a=b c=d"]);
    let image = scratch("FROM scratch\nCOPY <<E /x\n# kept\nE\n", &[]);
    assert_eq!(content(&image, "/x"), "# kept\n");
    let Some(image) = built("FROM busybox\nRUN echo a \\\n  # note\n > /x\n", &[]) else { return };
    assert_eq!(history(&image), ["RUN /bin/sh -c echo a  > /x # buildkit"]);
}

#[test]
fn lex_42_each_instruction_splits_its_own_way() {
    let text = "FROM scratch\nWORKDIR /a  b\nUSER  a b \nSTOPSIGNAL  SIGINT \nMAINTAINER  me  and you \nVOLUME /v  [x]\n\
                EXPOSE 1\t2\nENV a=1\x0bb=2\nLABEL k it is\nCMD echo  [\"a\"]\n";
    let image = scratch(text, &[]);
    let config = &image.config()["config"];
    assert_eq!(config["User"], "a b");
    assert_eq!(config["StopSignal"], "SIGINT");
    assert_eq!(image.config()["author"], "me  and you");
    assert_eq!(config["WorkingDir"], "/a  b");
    assert_eq!(config["Volumes"], serde_json::json!({ "/v": {}, "[x]": {} }));
    assert_eq!(config["ExposedPorts"], serde_json::json!({ "1/tcp": {}, "2/tcp": {} }));
    assert_eq!(config["Env"].as_array().unwrap()[1..], ["a=1", "b=2"]);
    assert_eq!(config["Labels"]["k"], "it is");
    assert_eq!(config["Cmd"], serde_json::json!(["/bin/sh", "-c", "echo  [\"a\"]"]));
}

#[test]
fn lex_71_errors_stand_at_a_line_of_their_instruction() {
    // At the word itself where there is one, in place of `dockerfile parse error on line N` with the first line.
    let failed = Kit::new().dockerfile("FROM scratch\n\nCOPY --b=c \\\n  a b\n").build();
    failed.fails_with(1, &["Dockerfile:3:"]);
    let failed = Kit::new().dockerfile("FROM scratch\nCOPY \\\n  a\n").build();
    failed.fails_with(1, &["COPY requires at least two arguments", "Dockerfile:3:"]);
}

#[test]
fn exp_7_the_body_of_a_run_is_the_shells() {
    let Some(image) = built("FROM busybox\nENV A=built\nRUN <<E\nA=run\necho $A \\$A > /x\nE\n", &[]) else { return };
    assert_eq!(content(&image, "/x"), "run $A\n");
    let image = scratch("FROM scratch\nENV A=built\nCOPY <<E /x\n$A \\$A\nE\n", &[]);
    assert_eq!(content(&image, "/x"), "built $A\n");
}

#[test]
fn exp_11_and_16_what_is_not_set_writes_nothing() {
    let image = scratch(
        "FROM scratch\nENV A=1\nARG A\nARG a=2\nLABEL A=$A a=$a n=${N-unset}\nARG N\nLABEL m=${N-unset}\n",
        &[],
    );
    let labels = serde_json::json!({ "A": "1", "a": "2", "n": "unset", "m": "unset" });
    assert_eq!(image.config()["config"]["Labels"], labels);
}

#[test]
fn exp_51_ports_are_sorted_before_they_are_expanded() {
    let image = scratch("FROM scratch\nENV P=\"90 70\"\nEXPOSE 80 $P 443\n", &[]);
    assert_eq!(history(&image)[1], "EXPOSE [90/tcp 70/tcp 443/tcp 80/tcp]");
}
