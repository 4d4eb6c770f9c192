//! Upper and lower case of words, and blank lines: what the eye sees first.

use crate::dockerfile::{Command, Dockerfile, Fix, Instruction, Lines, Span, Word};

use super::Rule;
use super::findings::Findings;
use super::fixes;
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

    fn of_word(self, word: &str) -> String {
        if self == Self::Lower { word.to_lowercase() } else { word.to_uppercase() }
    }
}

pub(super) fn check(written: &Written<'_>, findings: &mut Findings<'_>) {
    instruction_words(written, findings);
    for stage in &written.stages {
        from_as(stage.from, written, findings);
    }
    for instruction in written.globals.iter().copied().chain(written.in_stages()) {
        if instruction.empty_continuation {
            empty_continuation(instruction, written.file, findings);
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
            let fix = Fix::replace(span, majority.of_word(word));
            findings.add_with(Rule::ConsistentInstructionCasing, instruction, span, message, Some(fix));
        }
    }
}

fn from_as(from: &Instruction, written: &Written<'_>, findings: &mut Findings<'_>) {
    let Command::From { name: Some(_), .. } = &from.command else { return };
    // The name is the last word of the line, and the keyword the one before it.
    let line = from.original.as_str();
    let name = line.rfind(char::is_whitespace).map_or(line, |at| &line[at..]).trim_start();
    let before = line[..line.len() - name.len()].trim_end();
    let start = before.rfind(char::is_whitespace).map_or(0, |at| before.len() - before[at..].trim_start().len());
    let word = &before[start..];
    let case = Case::of(&from.keyword_text);
    if case == Case::Mixed || case == Case::of(word) {
        return;
    }
    let whole = Word { text: from.original.clone(), span: from.span };
    let span = written.file.locate(&whole, start..before.len());
    let is_found = written.file.text.get(span.start..span.end) == Some(word);
    let message = format!("'{word}' and '{}' keywords' casing do not match", from.keyword_text);
    let fix = is_found.then(|| Fix::replace(span, case.of_word(word)));
    findings.add_with(Rule::FromAsCasing, from, span, message, fix);
}

/// It is told of at the last line of the instruction.
fn empty_continuation(instruction: &Instruction, file: &Dockerfile, findings: &mut Findings<'_>) {
    let text = &file.text;
    let start = text[..instruction.span.end.min(text.len())].rfind('\n').map_or(0, |at| at + 1);
    let span = Span::new(start.max(instruction.span.start), instruction.span.end);
    let lines = Lines { first: instruction.lines.last, last: instruction.lines.last };
    let message = format!("Empty continuation line found in: {}", instruction.original);
    let fix = fixes::without_blank_lines(file, instruction);
    findings.add_on(Rule::NoEmptyContinuation, instruction, lines, span, message, Some(fix));
}
