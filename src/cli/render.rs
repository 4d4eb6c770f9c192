//! Diagnostics: in rustc's style for people, drawn by `annotate-snippets`, and as objects for machines.

use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use crate::build::SourceText;
use crate::dockerfile::{Diagnostic, Severity};
use crate::remote;

/// Longest part of a line that is underlined.
const MAX_UNDERLINED: usize = 2000;

/// Whether standard error takes colours.
pub(super) fn colours() -> bool {
    colours_on(std::io::stderr().is_terminal())
}

/// Whether what may be a terminal takes colours.
pub(super) fn colours_on(is_terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// A message about no place in a file.
pub(super) fn message(level: &str, text: &str, hint: Option<&str>, colours: bool) -> String {
    let tint = |code: u8, word: &str| if colours { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_owned() };
    let first = format!("{}: {}\n", tint(if level == "error" { 31 } else { 33 }, level), printable(text));
    let hint = hint.map(|hint| format!("{}: {}\n", tint(36, "hint"), printable(hint)));
    first + &hint.unwrap_or_default()
}

/// A warning in one line (LINT-8).
pub(super) fn warning_line(found: &Diagnostic, colours: bool) -> String {
    let line = found.lines.map(|lines| format!(" (line {})", lines.first)).unwrap_or_default();
    message("warning", &format!("{}: {}{line}", found.code, found.message), None, colours)
}

/// Without characters that steer a terminal: a message may quote any text of the user's.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

/// All of `found`, with an empty line between two.
pub(super) fn diagnostics(source: &SourceText, found: &[Diagnostic], colours: bool) -> String {
    let drawn: Vec<String> = found.iter().map(|found| diagnostic(source, found, colours)).collect();
    drawn.join("\n")
}

/// One diagnostic with the line it is about.
fn diagnostic(source: &SourceText, found: &Diagnostic, colours: bool) -> String {
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
        Severity::Style => Level::INFO.with_name("style"),
    };
    let title = level.primary_title(&found.message);
    // The names of lint rules are for people to write down; those of errors are not.
    let is_rule = found.severity != Severity::Error || !found.code.starts_with("D-");
    let title = if is_rule { title.id(&*found.code) } else { title };
    let mut group = Group::with_title(title);
    let place = Place::of(source, found);
    if let Some(place) = &place {
        let annotation = AnnotationKind::Primary.span(place.start - place.line_start..place.end - place.line_start);
        let annotation = match &found.label {
            Some(label) => annotation.label(label.as_str()),
            None => annotation,
        };
        // Logs have more readers than the Dockerfile.
        let line = remote::in_source(&source.text[place.line_start..place.line_end]);
        let snippet = Snippet::source(line).path(source.name.as_str()).line_start(place.line).annotation(annotation);
        group = group.element(snippet);
    }
    for note in &found.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &found.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// One diagnostic as an object: `code`, `severity`, `message`, `file`, `line` and `column` (from 1, the column in
/// characters), `last_line` of the instruction, `label`, `notes`, `help`; members that mean nothing here are null.
pub(super) fn diagnostic_json(source: &SourceText, found: &Diagnostic) -> Value {
    let place = Place::of(source, found);
    json!({
        "event": "diagnostic",
        "code": found.code,
        "severity": found.severity.as_str(),
        "message": found.message,
        "file": source.name,
        "line": place.as_ref().map(|place| place.line),
        "column": place.as_ref().map(|place| 1 + source.text[place.line_start..place.start].chars().count()),
        "last_line": found.lines.map(|lines| lines.last),
        "label": found.label,
        "notes": found.notes,
        "help": found.help,
    })
}

/// What to underline, and the line around it, in bytes of the text. All are at boundaries of characters.
struct Place {
    /// Counted from 1.
    line: usize,
    line_start: usize,
    line_end: usize,
    start: usize,
    end: usize,
}

impl Place {
    /// Where `found` is, cut to one line: the lines that follow in an instruction say nothing new.
    fn of(source: &SourceText, found: &Diagnostic) -> Option<Self> {
        let text = source.text.as_str();
        let (start, end) = match (found.span, found.lines) {
            (Some(span), _) => (span.start, span.end),
            (None, Some(lines)) if lines.first > 0 => whole_line(text, lines.first),
            _ => return None,
        };
        let start = boundary(text, start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        // A byte order mark has no width.
        let line_start =
            if text[line_start..].starts_with('\u{feff}') { start.min(line_start + 3) } else { line_start };
        let line_end = start + text[start..].find(['\r', '\n']).unwrap_or(text.len() - start);
        let end = boundary(text, end.max(start).min(line_end).min(start + MAX_UNDERLINED)).max(start);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        Some(Self { line, line_start, line_end, start, end })
    }
}

fn whole_line(text: &str, line: usize) -> (usize, usize) {
    let start = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    (start, text.len())
}

/// The boundary of characters at `at` or before it.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{Lines, Span, parse};

    fn rendered(text: &str) -> String {
        let parsed = parse(text.as_bytes());
        let source = SourceText { name: "Dockerfile".into(), text: parsed.file.text };
        parsed.diagnostics.iter().map(|found| diagnostic(&source, found, false)).collect()
    }

    #[test]
    fn unknown_instruction_names_the_nearest() {
        insta::assert_snapshot!(rendered("FROM scratch\nCOYP a b\n"), @"
            error: unknown instruction: COYP
             --> Dockerfile:2:1
              |
            2 | COYP a b
              | ^^^^
              |
              = help: did you mean `COPY`?
        ");
    }

    #[test]
    fn a_flag_in_a_continued_line_is_found() {
        insta::assert_snapshot!(rendered("FROM scratch\nCOPY a \\\n b\nRUN \\\n  --netwrk=none x\n"), @"
            error: unknown flag: --netwrk
             --> Dockerfile:5:3
              |
            5 |   --netwrk=none x
              |   ^^^^^^^^^^^^^
              |
              = help: did you mean `--network`?
        ");
    }

    #[test]
    fn notes_and_help_follow_the_excerpt() {
        let source = SourceText { name: "app.Dockerfile".into(), text: "FROM scratch\nRUN make \\\n  all\n".into() };
        let found = Diagnostic::error("D-51", Span { start: 13, end: 29 }, Lines { first: 2, last: 3 }, "it failed")
            .label("exit code 2")
            .note("it ran for 3.1s")
            .help("see its output above");
        insta::assert_snapshot!(diagnostic(&source, &found, false), @r"
            error: it failed
             --> app.Dockerfile:2:1
              |
            2 | RUN make \
              | ^^^^^^^^^^ exit code 2
              |
              = note: it ran for 3.1s
              = help: see its output above
        ");
        let object = diagnostic_json(&source, &found);
        assert_eq!((&object["line"], &object["column"], &object["last_line"]), (&json!(2), &json!(1), &json!(3)));
    }

    #[test]
    fn every_diagnostic_names_its_line() {
        let text = "\u{feff}FROM a\r\nCOPY \u{e4}\u{e4} x\r\n\tRUN x\n";
        let source = SourceText { name: "Dockerfile".into(), text: text.into() };
        let lines = Lines { first: 2, last: 2 };
        for (row, span, lines, want) in [
            ("at the byte order mark", Some(Span { start: 3, end: 7 }), None, "Dockerfile:1:1"),
            ("before it", Some(Span { start: 0, end: 7 }), None, "Dockerfile:1:1"),
            ("within a character", Some(Span { start: 17, end: 18 }), None, "Dockerfile:2:6"),
            ("lines only", None, Some(lines), "Dockerfile:2:1"),
            ("at the end", Some(Span { start: text.len(), end: text.len() }), None, "Dockerfile:4:1"),
            ("beyond the end", Some(Span { start: 900, end: 1000 }), None, "Dockerfile:4:1"),
            ("backwards", Some(Span { start: 11, end: 5 }), None, "Dockerfile:2:1"),
            ("lines beyond the end", None, Some(Lines { first: 90, last: 91 }), "Dockerfile:4:1"),
        ] {
            let found = Diagnostic { span, lines, ..Diagnostic::nowhere("D-1", "wrong") };
            let got = diagnostic(&source, &found, false);
            assert!(got.contains(&format!("--> {want}\n")), "{row}: {got}");
        }
        let nowhere = Diagnostic::nowhere("D-1", "wrong");
        assert_eq!(diagnostic(&source, &nowhere, false), "error: wrong\n");
    }

    #[test]
    fn messages_do_not_steer_the_terminal() {
        let got = message("error", "a\x1b[2Jb", Some("c\rd"), false);
        assert_eq!(got, "error: a[2Jb\nhint: cd\n");
        assert!(message("error", "a", None, true).starts_with("\x1b[1;31merror\x1b[0m: a"));
    }

    #[test]
    fn a_message_of_several_lines_stays_one_message() {
        let source = SourceText { name: "Dockerfile".into(), text: "RUN <<EOF\na\nb\nEOF\n".into() };
        let message = "process \"/bin/sh -c a\nb\n\" did not complete successfully: exit code: 1";
        let found = Diagnostic::error("D-51", Span { start: 0, end: 18 }, Lines { first: 1, last: 4 }, message);
        insta::assert_snapshot!(diagnostic(&source, &found, false), @r#"
            error: process "/bin/sh -c a
                   b
                   " did not complete successfully: exit code: 1
             --> Dockerfile:1:1
              |
            1 | RUN <<EOF
              | ^^^^^^^^^
        "#);
    }

    #[test]
    fn a_very_long_line_is_cut() {
        let source = SourceText { name: "Dockerfile".into(), text: format!("RUN {}\n", "x".repeat(60_000)) };
        let found = Diagnostic::error("D-1", Span { start: 0, end: 60_004 }, Lines { first: 1, last: 1 }, "wrong");
        assert!(diagnostic(&source, &found, false).len() < 10_000);
    }
}
