//! Findings for people, and as objects with the members that hadolint's have.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Linted;
use crate::cli::region::LineIndex;
use crate::cli::render;

/// Each with its line of the file, in rustc's style, and how many there are.
pub(super) fn text(all: &[Linted], is_terminal: bool) -> String {
    let colours = render::colours_on(is_terminal);
    let mut text = String::new();
    for linted in all {
        for found in &linted.found {
            text.push_str(&render::diagnostics(&linted.source, std::slice::from_ref(found), colours));
            text.push('\n');
        }
    }
    let found = || all.iter().flat_map(|linted| &linted.found);
    let _infallible = match found().count() {
        0 => writeln!(text, "no findings"),
        1 => writeln!(text, "1 finding"),
        count => writeln!(text, "{count} findings"),
    };
    let fixable = found().filter(|found| found.fix.as_ref().is_some_and(|fix| !fix.edits.is_empty())).count();
    if fixable > 0 {
        let _infallible = writeln!(text, "hint: `--fix` mends {fixable} of them");
    }
    text
}

/// One array: `file`, `line`, `column`, `level`, `code`, `message` as hadolint has them, and `endLine`, `endColumn`.
pub(super) fn json(all: &[Linted]) -> String {
    let mut objects: Vec<Value> = Vec::new();
    for linted in all {
        let index = LineIndex::of(&linted.source.text);
        for found in &linted.found {
            let region = index.of_finding(found);
            objects.push(json!({
                "file": linted.source.name,
                "line": region.map(|region| region.line),
                "column": region.map(|region| region.column),
                "endLine": region.map(|region| region.end_line),
                "endColumn": region.map(|region| region.end_column),
                "level": found.severity.as_str(),
                "code": found.code,
                "message": found.message,
                "fixable": found.fix.is_some(),
            }));
        }
    }
    format!("{:#}\n", Value::from(objects))
}
