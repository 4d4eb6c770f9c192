//! What an image is set to: user, directory, ports, variables, commands.

use std::collections::BTreeSet;

use crate::dockerfile::{Command, CommandLine, Instruction, Pair, Word};
use crate::lint::contents::{defined, is_secret};
use crate::lint::fixes;

use super::bare;
use super::report::Report;
use super::view::{Stage, View};

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    for instruction in &view.globals {
        secrets(instruction, report);
    }
    for stage in &view.stages {
        let mut known = BTreeSet::new();
        for step in &stage.steps {
            match step.command() {
                Command::Workdir(path) if !is_absolute(bare(&path.text)) => report.at("DL3000", step, path.span, ()),
                Command::Expose(ports) => {
                    for port in ports.iter().filter(|port| has_impossible(&port.text)) {
                        report.at("DL3011", step, port.span, ());
                    }
                }
                Command::Cmd(CommandLine::Shell(line)) | Command::Entrypoint(CommandLine::Shell(line)) => {
                    report.at("DL3025", step, line.span, ());
                }
                Command::Maintainer(_) => {
                    let fix = fixes::maintainer(report.file, step.at);
                    report.at("DL4000", step, step.at.span, fix);
                }
                Command::Env(pairs) => {
                    own_variables(pairs, &known, |word| report.at("DL3044", step, word.span, ()));
                    known.extend(pairs.iter().map(|pair| pair.name.text.clone()));
                }
                Command::Arg(pairs) => known.extend(pairs.iter().map(|pair| pair.name.text.clone())),
                _ => {}
            }
        }
        for instruction in stage.own() {
            secrets(instruction, report);
        }
    }
    users(view, report);
}

/// From the root, from a variable, or from a Windows drive.
pub(super) fn is_absolute(path: &str) -> bool {
    let mut characters = path.chars();
    let (first, second) = (characters.next(), characters.next());
    matches!(first, Some('/' | '\\' | '$')) || (first.is_some_and(|c| c.is_ascii_alphabetic()) && second == Some(':'))
}

/// The last USER of the image: of the last stage, or of one below it where that says nothing.
fn users(view: &View<'_>, report: &mut Report<'_>) {
    let user = |stage: &&Stage<'_>| {
        let user = |at: &Instruction| if let Command::User(word) = &at.command { Some(word.clone()) } else { None };
        stage.own().rev().find_map(|at| user(at).map(|word| (at.clone(), word)))
    };
    let stages = view.final_stages();
    if let Some((at, word)) = stages.iter().find_map(user) {
        let name = bare(&word.text).split(':').next().unwrap_or_default();
        if matches!(name, "root" | "0") {
            report.add("DL3002", &at, word.span, ());
        }
    }
    // Names are resolved by whoever runs the image: only its own last USER can be meant.
    if let Some((at, word)) = stages.first().and_then(user) {
        let name = bare(&word.text).split(':').next().unwrap_or_default();
        if !name.contains('$') && !name.bytes().all(|byte| byte.is_ascii_digit()) {
            report.add("DL3066", &at, word.span, ());
        }
    }
}

fn has_impossible(text: &str) -> bool {
    let ports = bare(text).split('/').next().unwrap_or_default();
    ports
        .split(['-', ':'])
        .any(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_err())
}

/// References to what the same instruction defines, unless it was known before (then the old value is meant).
fn own_variables<'a>(pairs: &'a [Pair], known: &BTreeSet<String>, mut tell: impl FnMut(&'a Word)) {
    let defined: BTreeSet<&str> = pairs.iter().map(|pair| pair.name.text.as_str()).collect();
    for pair in pairs {
        let used = variables(&pair.value.text);
        let is_own = |name: &&str| *name != pair.name.text && defined.contains(*name);
        if used.iter().any(|name| is_own(name) && !known.contains(*name)) {
            tell(&pair.value);
        }
    }
}

/// The names after `$` and `${`.
fn variables(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '\\', '\'']) {
        let after = &rest[at + 1..];
        match rest.as_bytes()[at] {
            b'\\' => rest = after.char_indices().nth(1).map_or("", |(next, _)| &after[next..]),
            b'\'' => rest = after.find('\'').map_or("", |end| &after[end + 1..]),
            _ => {
                let name = after.strip_prefix('{').unwrap_or(after);
                let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
                if end > 0 {
                    found.push(&name[..end]);
                }
                rest = &name[end..];
            }
        }
    }
    found
}

fn secrets(at: &Instruction, report: &mut Report<'_>) {
    for name in defined(&at.command).into_iter().filter(|name| is_secret(&name.text)) {
        report.add("DL3064", at, name.span, format!("`{}`", name.text));
    }
}
