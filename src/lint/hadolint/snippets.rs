//! The shell text of each RUN, for a linter of shells, and what that says of it.

use std::collections::BTreeSet;

use crate::dockerfile::{Dockerfile, Severity};
use crate::lint::contents::defined;

use super::report::Report;
use super::view::View;

/// A shell text in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snippet {
    /// The text, continuations removed.
    pub text: String,
    /// What reads it: `sh`, `bash`, `dash`, `ksh`.
    pub shell: String,
    /// The variables that ARG and ENV define somewhere in the file.
    pub variables: BTreeSet<String>,
}

/// What was found in a snippet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// The number of the snippet in [`snippets`].
    pub snippet: usize,
    /// `SC2086`.
    pub code: String,
    /// How grave.
    pub level: Severity,
    /// The bytes of the snippet's text that are meant.
    pub start: usize,
    /// One after the last of them.
    pub end: usize,
    /// What there is to say.
    pub message: String,
}

/// The shell texts of a file, in file order.
pub fn snippets(file: &Dockerfile) -> Vec<Snippet> {
    let view = View::of(file);
    let variables = variables(file);
    let runs = view.stages.iter().flat_map(|stage| &stage.steps).filter_map(|step| step.run.as_ref());
    let snippet = |run: &super::view::Run| {
        let shell = match run.shell.as_str() {
            known @ ("bash" | "dash" | "ksh") => known,
            "ash" | "busybox" => "dash",
            _ => "sh",
        };
        Snippet { text: run.text.clone(), shell: shell.to_owned(), variables: variables.clone() }
    };
    runs.filter(|run| run.in_shell).map(snippet).collect()
}

fn variables(file: &Dockerfile) -> BTreeSet<String> {
    let is_name = |name: &&str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let all = file.instructions().flat_map(|at| defined(&at.command)).map(|word| word.text.as_str());
    all.filter(is_name).map(str::to_owned).collect()
}

/// Tells of `remarks` at their places.
pub(super) fn report(view: &View<'_>, remarks: &[Remark], report: &mut Report<'_>) {
    let steps = view.stages.iter().flat_map(|stage| &stage.steps);
    let steps: Vec<_> = steps.filter(|step| step.run.as_ref().is_some_and(|run| run.in_shell)).collect();
    for remark in remarks {
        let Some(step) = steps.get(remark.snippet) else { continue };
        let span = step.place_in_run(remark.start..remark.end.max(remark.start + 1), report.file);
        report.foreign(remark.code.clone(), remark.level, step.at, span, remark.message.clone());
    }
}
