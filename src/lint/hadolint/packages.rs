//! Package managers: versions should be pinned.

use crate::lint::shell::{Call, ShellWord, after};

use super::managers::{MANAGERS, Manager, RPM_FLAGS};
use super::report::Report;
use super::view::Step;

pub(super) fn check(step: &Step<'_>, report: &mut Report<'_>) {
    let Some(run) = &step.run else { return };
    for manager in &MANAGERS {
        let mut calls = run.script.calls.iter();
        if let Some(word) = calls.find_map(|call| unpinned(manager, call)) {
            let span = step.place_of(word, report.file);
            report.add(manager.code, step.at, span, format!("`{}`", word.text));
        }
    }
    modules(step, report);
}

/// The first package of a call without a version.
fn unpinned<'a>(manager: &Manager, call: &'a Call) -> Option<&'a ShellWord> {
    let words = installed(manager, call)?;
    // The version, or a file that has them all, is named by a flag.
    let elsewhere = match manager.code {
        "DL3013" => call.has_flag(&["-c", "--constraint"]),
        "DL3028" => call.has_flag(&["-v", "--version"]),
        _ => false,
    };
    words.into_iter().find(|word| !elsewhere && !word.expands && !(manager.is_pinned)(&word.text))
}

fn installed<'a>(manager: &Manager, call: &'a Call) -> Option<Vec<&'a ShellWord>> {
    if manager.programs.contains(&call.name()) || (manager.code == "DL3013" && is_pip(call.name())) {
        let mut words = call.after(manager.verbs, manager.with_value)?;
        // What follows the package are arguments of the program that is run.
        if call.after(&["run"], manager.with_value).is_some() {
            words.truncate(1);
        }
        return Some(words);
    }
    if manager.code == "DL3013" { after(pip_module(call)?, manager.verbs, manager.with_value) } else { None }
}

/// `pip`, `pip3`, `pip3.12`.
pub(super) fn is_pip(name: &str) -> bool {
    name.strip_prefix("pip").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// What follows `python -m pip`.
pub(super) fn pip_module(call: &Call) -> Option<&[ShellWord]> {
    if !call.name().starts_with("python") {
        return None;
    }
    let at = call.words.windows(2).position(|pair| pair[0].text == "-m" && is_pip(&pair[1].text))?;
    call.words.get(at + 2..)
}

/// `dnf module install nodejs:20` names a stream.
fn modules(step: &Step<'_>, report: &mut Report<'_>) {
    let Some(run) = &step.run else { return };
    for (code, programs) in [("DL3033", &["yum"][..]), ("DL3041", &["dnf", "dnf5", "microdnf"])] {
        let mut words = run.script.of(programs).flat_map(|call| {
            let words = call.after(&["module"], RPM_FLAGS).unwrap_or_default();
            let is_install = words.first().is_some_and(|word| matches!(word.text.as_str(), "install" | "enable"));
            words.into_iter().skip(1).filter(move |_| is_install)
        });
        if let Some(word) = words.find(|word| !word.expands && !word.text.contains(':')) {
            let span = step.place_of(word, report.file);
            report.add(code, step.at, span, format!("`{}`", word.text));
        }
    }
}
