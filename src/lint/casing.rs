//! Upper and lower case of words, and blank lines: what the eye sees first.

use crate::dockerfile::{Command, Instruction, Lines, Span};

use super::Rule;
use super::findings::Findings;
use super::written::Written;

/// How a word is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Lower,
    Upper,
    Mixed,
}

impl Case {
    fn of(word: &str) -> Self {
        let has_lower = word.contains(char::is_lowercase);
        let has_upper = word.contains(char::is_uppercase);
        match (has_lower, has_upper) {
            (_, false) => Self::Lower,
            (false, true) => Self::Upper,
            (true, true) => Self::Mixed,
        }
    }
}

pub(super) fn check(written: &Written<'_>, findings: &mut Findings<'_>) {
    instruction_words(written, findings);
    for stage in &written.stages {
        from_as(stage.from, written, findings);
    }
    for instruction in written.globals.iter().copied().chain(written.in_stages()) {
        if instruction.empty_continuation {
            empty_continuation(instruction, &written.file.text, findings);
        }
    }
}

fn instruction_words(written: &Written<'_>, findings: &mut Findings<'_>) {
    let count = |case| written.in_stages().filter(|instruction| Case::of(&instruction.keyword_text) == case).count();
    let (majority, name) =
        if count(Case::Lower) > count(Case::Upper) { (Case::Lower, "lowercase") } else { (Case::Upper, "uppercase") };
    for instruction in written.in_stages() {
        let word = &instruction.keyword_text;
        if Case::of(word) != majority {
            let span = Span::new(instruction.span.start, instruction.span.start + word.len());
            let message = format!("Command '{word}' should match the case of the command majority ({name})");
            findings.add(Rule::ConsistentInstructionCasing, instruction, span, message);
        }
    }
}

fn from_as(from: &Instruction, written: &Written<'_>, findings: &mut Findings<'_>) {
    let Command::From { image, name: Some(name), .. } = &from.command else { return };
    // The name is the last word of the line, and the keyword the one before it.
    let Some(word) = from.original.split_whitespace().rev().nth(1) else { return };
    let case = Case::of(&from.keyword_text);
    if case == Case::Mixed || case == Case::of(word) {
        return;
    }
    let between = written.file.text.get(image.span.end..name.span.start).unwrap_or_default();
    let span = between.find(word).map_or(from.span, |at| {
        let start = image.span.end + at;
        Span::new(start, start + word.len())
    });
    let message = format!("'{word}' and '{}' keywords' casing do not match", from.keyword_text);
    findings.add(Rule::FromAsCasing, from, span, message);
}

/// It is told of at the last line of the instruction.
fn empty_continuation(instruction: &Instruction, text: &str, findings: &mut Findings<'_>) {
    let start = text[..instruction.span.end.min(text.len())].rfind('\n').map_or(0, |at| at + 1);
    let span = Span::new(start.max(instruction.span.start), instruction.span.end);
    let lines = Lines { first: instruction.lines.last, last: instruction.lines.last };
    let message = format!("Empty continuation line found in: {}", instruction.original);
    findings.add_on(Rule::NoEmptyContinuation, instruction, lines, span, message);
}
