//! The rules of hadolint under their numbers: a second set, over the syntax tree and the commands of RUN alone.
//!
//! A word that holds a variable is given the benefit of the doubt: what is in it only a build knows.

mod catalogue;
mod commands;
mod copying;
mod labels;
mod leftovers;
mod managers;
mod options;
mod packages;
mod pragma;
mod report;
mod settings;
mod snippets;
mod stages;
mod switches;
#[cfg(test)]
mod tests;
mod view;

use crate::dockerfile::{Diagnostic, Dockerfile};

use report::Report;
use view::View;

pub use catalogue::{CATALOGUE, Numbered};
pub use options::{HadolintOptions, LabelKind};
pub use snippets::{Remark, Snippet, snippets};

/// All findings that `options` and pragmas leave on, in the order of their lines; the code is the rule's number.
///
/// `remarks` are what a linter of shells has found in [`snippets()`].
pub fn hadolint(file: &Dockerfile, options: &HadolintOptions, remarks: &[Remark]) -> Vec<Diagnostic> {
    let view = View::of(file);
    let mut report = Report::new(file, options);
    stages::check(&view, &mut report);
    settings::check(&view, &mut report);
    copying::check(&view, &mut report);
    labels::check(&view, &mut report);
    for stage in &view.stages {
        for step in &stage.steps {
            packages::check(step, &mut report);
            switches::check(step, &mut report);
            commands::check(step, &mut report);
        }
        commands::downloads(stage, &mut report);
    }
    leftovers::check(&view, &mut report);
    snippets::report(&view, remarks, &mut report);
    report.sorted()
}

/// A word without the quotes around it.
fn bare(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}
