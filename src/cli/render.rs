//! Diagnostics in rustc's style, drawn by `annotate-snippets`.

use std::io::IsTerminal;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::build::SourceText;
use crate::dockerfile::{Diagnostic, Severity};

/// Longest text that is drawn with its surroundings; a line longer than that is named only.
const MAX_EXCERPT: usize = 2000;

/// A message about no place in a file.
pub(super) fn message(level: &str, text: &str, hint: Option<&str>) -> String {
    let mut out = format!("{level}: {text}\n");
    if let Some(hint) = hint {
        out.push_str("hint: ");
        out.push_str(hint);
        out.push('\n');
    }
    out
}

/// One diagnostic with the excerpt it is about.
pub(super) fn diagnostic(source: &SourceText, found: &Diagnostic) -> String {
    draw(source, found, colours())
}

fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn draw(source: &SourceText, found: &Diagnostic, colours: bool) -> String {
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&found.message));
    if let Some(span) = found.span {
        let start = span.start.min(source.text.len());
        let end = span.end.clamp(start, source.text.len());
        // Several lines are shown by the first: the rest says nothing new.
        let shown = source.text.get(start..end).map_or(0, |text| text.find(['\r', '\n']).unwrap_or(text.len()));
        let end = start + shown.min(MAX_EXCERPT);
        let annotation = AnnotationKind::Primary.span(start..end);
        let annotation = match &found.label {
            Some(label) => annotation.label(label.as_str()),
            None => annotation,
        };
        let snippet = Snippet::source(source.text.as_str()).path(source.name.as_str()).line_start(1).annotation(annotation);
        group = group.element(snippet);
    }
    for note in &found.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &found.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.render(&[group]).to_string();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    fn rendered(text: &str) -> String {
        let parsed = parse(text.as_bytes());
        let source = SourceText { name: "Dockerfile".into(), text: text.into() };
        parsed.diagnostics.iter().map(|found| draw(&source, found, false)).collect()
    }

    #[test]
    fn unknown_instruction_names_the_nearest() {
        insta::assert_snapshot!(rendered("FROM scratch\nCOYP a b\n"), @r"
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
        insta::assert_snapshot!(rendered("FROM scratch\nCOPY a \\\n b\nRUN \\\n  --netwrk=none x\n"), @r"
        error: unknown flag: --netwrk
         --> Dockerfile:5:3
          |
        5 |   --netwrk=none x
          |   ^^^^^^^^^^^^^
          |
          = help: did you mean `--network`?
        ");
    }
}
