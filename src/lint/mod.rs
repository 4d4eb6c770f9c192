//! Build checks (lint.md): rules over the syntax tree and the plan, which give warnings.
//!
//! What the text alone shows is judged in the whole file. What needs evaluation is judged in the stages of the plan,
//! from what planning saw in passing ([`crate::plan::Remark`]): nothing is expanded twice.

mod casing;
mod contents;
mod definitions;
mod evaluated;
mod findings;
mod fixes;
#[cfg(test)]
mod fixes_tests;
pub mod hadolint;
mod ignored;
mod mend;
mod offline;
mod options;
mod rule;
mod shell;
mod stage_names;
#[cfg(test)]
mod tests;
mod written;

use crate::context::Patterns;
use crate::dockerfile::{Diagnostic, Dockerfile};
use crate::plan::{Remark, Stage};

use findings::Findings;
use written::Written;

pub use mend::{Changed, Mended, mend};
pub use offline::{Offline, offline};
pub use options::CheckOptions;
pub use rule::Rule;

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The file.
    pub file: &'a Dockerfile,
    /// The stages of the plan; none where planning failed.
    pub stages: &'a [Stage],
    /// What planning saw.
    pub remarks: &'a [Remark],
    /// The ignore rules of the build context, where it has some.
    pub ignore: Option<&'a Patterns>,
}

/// All findings that `options` leave on, as warnings in the order of their lines; the code is the rule's name.
pub fn lint(subject: Subject<'_>, options: &CheckOptions) -> Vec<Diagnostic> {
    let written = Written::of(subject.file);
    let mut findings = Findings::new(subject.file, options);
    casing::check(&written, &mut findings);
    stage_names::check(&written, &mut findings);
    definitions::check(&written, &mut findings);
    contents::check(&written, subject.stages, &mut findings);
    evaluated::check(subject.file, subject.remarks, &mut findings);
    if let Some(ignore) = subject.ignore {
        ignored::check(subject.stages, ignore, &mut findings);
    }
    findings.sorted()
}

/// The error that findings are where `error=true` (LINT-7, D-95).
pub fn violation(findings: &[Diagnostic], options: &CheckOptions) -> Option<Diagnostic> {
    if findings.is_empty() || !options.are_errors() {
        return None;
    }
    let mut rules: Vec<&str> = findings.iter().map(|found| &*found.code).collect();
    rules.sort_unstable();
    rules.dedup();
    let found = Diagnostic::nowhere("D-95", format!("lint violation found for rules: {}", rules.join(", ")));
    Some(found.help("`# check=error=true` makes warnings errors; `skip=RULE` in it leaves one out"))
}
