//! Commands that have no place in a RUN, or need a switch there.

use crate::lint::shell::{Call, ShellWord};

use super::report::Report;
use super::view::{Stage, Step};

/// Programs that make no sense in a container.
const SENSELESS: [&str; 10] = ["ssh", "vim", "shutdown", "service", "ps", "free", "top", "kill", "mount", "ifconfig"];

/// Digits of a user id that is not high.
const LOW: usize = 5;

pub(super) fn check(step: &Step<'_>, report: &mut Report<'_>) {
    let Some(run) = &step.run else { return };
    let mut tell = |code, word: Option<&ShellWord>| {
        if let Some(word) = word {
            let span = step.place_of(word, report.file);
            report.add(code, step.at, span, format!("`{}`", word.text));
        }
    };
    let called = |names: &[&str]| run.script.calls.iter().find(|call| names.contains(&call.name()));
    let program = |call: &'_ Call| call.words.first().cloned();
    tell("DL3001", called(&SENSELESS).and_then(program).as_ref());
    tell("DL3003", called(&["cd"]).and_then(program).as_ref());
    tell("DL3004", called(&["sudo"]).and_then(program).as_ref());
    tell("DL3046", run.script.of(&["useradd"]).find_map(high_id));
    let wget = run.script.of(&["wget"]).find(|call| floods(call));
    tell("DL3047", wget.and_then(program).as_ref());
    let links = run.script.of(&["ln"]).flat_map(|call| call.operands(&[]));
    tell("DL4005", links.into_iter().find(|word| word.text == "/bin/sh"));
    let sets = |call: &Call| call.arguments().iter().any(|word| word.text == "pipefail");
    if run.in_shell && run.script.has_pipe && !step.has_pipefail && !run.script.of(&["set"]).any(sets) {
        report.add("DL4006", step.at, step.at.span, ());
    }
}

/// DL4001: at the first step that uses the other one, and at each after it.
pub(super) fn downloads(stage: &Stage<'_>, report: &mut Report<'_>) {
    let (mut wget, mut curl) = (false, false);
    for step in &stage.steps {
        let Some(run) = &step.run else { continue };
        let has = |name| run.script.calls.iter().find(|call| call.name() == name);
        let (first, second) = (has("wget"), has("curl"));
        wget |= first.is_some();
        curl |= second.is_some();
        let word = first.or(second).and_then(|call| call.words.first());
        if let (true, Some(word)) = (wget && curl, word) {
            let span = step.place_of(word, report.file);
            report.add("DL4001", step.at, span, ());
        }
    }
}

/// The user id of many digits, where the log of last logins is not left alone.
fn high_id(call: &Call) -> Option<&ShellWord> {
    if call.has_flag(&["-l", "--no-log-init"]) {
        return None;
    }
    let is_high = |text: &str| text.len() > LOW && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if matches!(text, "-u" | "--uid") {
            return words.next().filter(|word| is_high(&word.text));
        }
        if text.strip_prefix("--uid=").or_else(|| text.strip_prefix("-u")).is_some_and(is_high) {
            return Some(word);
        }
    }
    None
}

fn floods(call: &Call) -> bool {
    let quiet = ["--progress", "-q", "--quiet", "-nv", "--no-verbose", "-o", "--output-file", "-a", "--append-output"];
    !call.has_flag(&quiet) && !call.has_flag(&["--version", "--help"])
}
