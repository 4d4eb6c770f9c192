//! Package managers: switches that a build needs.

use std::ops::Range;

use crate::dockerfile::{Command, Dockerfile, Edit, Fix};
use crate::lint::shell::{Call, ShellWord};

use super::packages::{is_pip, pip_module};
use super::report::Report;
use super::view::{Run, Step};

type Judge = fn(&Run, &Call) -> bool;

/// Rules, and whether a call breaks them.
const RULES: [(&str, Judge); 8] = [
    ("DL3014", |_, call| is(call, &["apt-get"], &["install"]) && !apt_says_yes(call)),
    ("DL3015", |_, call| is(call, &["apt-get"], &["install"]) && !without_recommended(call)),
    ("DL3019", |run, call| {
        is(call, &["apk"], &["add"])
            && !call.has_flag(&["--no-cache"])
            && !run.is_scratch("/var/cache/apk")
            && !run.is_scratch("/etc/apk/cache")
    }),
    ("DL3027", |_, call| call.name() == "apt"),
    ("DL3030", |_, call| {
        is(call, &["yum"], &["install", "groupinstall", "localinstall", "reinstall"])
            && !call.has_flag(&["-y", "--assumeyes"])
    }),
    ("DL3034", |_, call| {
        let verbs = ["install", "in", "remove", "rm", "patch", "source-install", "si", "update", "up"];
        is(call, &["zypper"], &verbs) && !call.has_flag(&["-n", "--non-interactive", "-y", "--no-confirm"])
    }),
    ("DL3035", |_, call| is(call, &["zypper"], &["dist-upgrade", "dup"])),
    ("DL3038", |_, call| {
        is(call, &["dnf", "microdnf", "dnf5"], &["install", "groupinstall", "localinstall", "reinstall"])
            && !call.has_flag(&["-y", "--assumeyes"])
    }),
];

pub(super) fn check(step: &Step<'_>, report: &mut Report<'_>) {
    let Some(run) = &step.run else { return };
    for (code, is_wrong) in RULES {
        if let Some(call) = run.script.calls.iter().find(|call| is_wrong(run, call)) {
            let span = step.place_in_run(whole(call), report.file);
            let fix = if code == "DL3027" { apt_get(step, run, report.file) } else { None };
            report.add(code, step.at, span, fix);
        }
    }
}

/// DL3027: apt-get in place of every `apt` of a RUN, where all of them do the same with it. `apt upgrade` installs more than
/// its twin, and `apt install` keeps no archives unless the RUN removes them anyway.
fn apt_get(step: &Step<'_>, run: &Run, file: &Dockerfile) -> Option<Fix> {
    const SAME: [&str; 6] = ["update", "remove", "purge", "autoremove", "clean", "autoclean"];
    let cleans = run.calls(&["apt", "apt-get"], &["clean"]) || run.removes("/var/cache/apt/archives");
    let mut edits = Vec::new();
    for call in run.script.calls.iter().filter(|call| call.name() == "apt") {
        let (program, verb) = (call.words.first()?, call.operands(&["-t", "-o", "-c"]).first()?.text.as_str());
        let span = step.place_of(program, file);
        let is_written = file.text.get(span.start..span.end) == Some("apt");
        if !is_written || !(SAME.contains(&verb) || (verb == "install" && cleans)) {
            return None;
        }
        edits.push(Edit { span, text: "apt-get".to_owned() });
    }
    Some(Fix { edits })
}

/// DL3042, for which the variables of the stage count. `has_variable` says whether they switch the cache off.
pub(super) fn pip_cache(step: &Step<'_>, has_variable: bool, report: &mut Report<'_>) {
    let Some(run) = &step.run else { return };
    let exported = |call: &Call| {
        let words: &[ShellWord] = if call.words.is_empty() || call.name() == "export" { &call.words } else { &[] };
        call.assignments
            .iter()
            .chain(words)
            .any(|word| word.text.strip_prefix("PIP_NO_CACHE_DIR=").is_some_and(switches_off))
    };
    let installs = |call: &Call| {
        (is_pip(call.name()) || pip_module(call).is_some())
            && call.arguments().iter().any(|word| word.text == "install")
            && !call.has_flag(&["--no-cache-dir"])
    };
    let is_kept = |call: &&Call| installs(call) && !exported(call);
    if has_variable
        || run.has_scratch_named(".cache")
        || run.script.calls.iter().any(|call| call.name() == "export" && exported(call))
    {
        return;
    }
    if let Some(call) = run.script.calls.iter().find(is_kept) {
        let span = step.place_in_run(whole(call), report.file);
        report.add("DL3042", step.at, span, ());
    }
}

/// Whether an ENV or ARG switches pip's cache off; `None` where it says nothing of it.
pub(super) fn pip_variable(command: &Command) -> Option<bool> {
    let value = match command {
        Command::Env(pairs) => {
            pairs.iter().rfind(|pair| pair.name.text == "PIP_NO_CACHE_DIR").map(|pair| &pair.value.text)
        }
        Command::Arg(args) => args
            .iter()
            .rfind(|arg| arg.name.text == "PIP_NO_CACHE_DIR")
            .and_then(|arg| arg.default.as_ref())
            .map(|word| &word.text),
        _ => None,
    }?;
    Some(switches_off(super::bare(value)))
}

/// For pip any value means that there is to be no cache, `0` and `off`, too.
fn switches_off(value: &str) -> bool {
    !value.is_empty()
}

/// From the program to the last argument.
pub(super) fn whole(call: &Call) -> Range<usize> {
    let start = call.words.first().map_or(0, |word| word.range.start);
    start..call.words.last().map_or(start, |word| word.range.end)
}

fn is(call: &Call, programs: &[&str], verbs: &[&str]) -> bool {
    programs.contains(&call.name())
        && call.operands(&["-t", "-o", "-c"]).first().is_some_and(|word| verbs.contains(&word.text.as_str()))
}

/// `-y`, or quiet twice, which means it.
fn apt_says_yes(call: &Call) -> bool {
    let quiet = |word: &ShellWord| match word.text.as_str() {
        "--quiet" => 1,
        "--quiet=2" | "-q=2" => 2,
        text if text.starts_with('-') && !text.starts_with("--") => text.matches('q').count(),
        _ => 0,
    };
    call.has_flag(&["-y", "--yes", "--assume-yes"]) || call.arguments().iter().map(quiet).sum::<usize>() >= 2
}

fn without_recommended(call: &Call) -> bool {
    let is_off = |word: &ShellWord| {
        let text = word.text.to_ascii_lowercase();
        text.split_once("apt::install-recommends=")
            .is_some_and(|(_, value)| matches!(value, "0" | "false" | "no" | "off"))
    };
    call.has_flag(&["--no-install-recommends"]) || call.arguments().iter().any(is_off)
}
