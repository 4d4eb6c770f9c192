use crate::dockerfile::{Diagnostic, Instruction, Lines, Span, Word};

use super::expand::ExpandError;

/// Where an instruction stands; a trigger's is the FROM that runs it (ONB-3).
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) span: Span,
    pub(super) lines: Lines,
    /// The trigger's text, for the notes of its errors.
    trigger: Option<&'a str>,
}

/// What is wrong with a value, before it is known where it stands.
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Problem {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// With the nearest of the words that would have been right.
    pub(super) fn suggest<'w>(mut self, word: &str, among: impl IntoIterator<Item = &'w str>) -> Self {
        self.help = suggest(word, among);
        self
    }

    /// EXP-40: what could not be expanded, and why.
    pub(super) fn expansion(text: &str, error: &ExpandError) -> Self {
        let code = if matches!(error, ExpandError::Required { .. }) { "D-17" } else { "D-16" };
        Self::new(code, format!("failed to process \"{text}\": {error}"))
    }
}

impl<'a> Place<'a> {
    pub(super) fn of(instruction: &Instruction) -> Self {
        Self { span: instruction.span, lines: instruction.lines, trigger: None }
    }

    /// The place of a trigger that `from` runs.
    pub(super) fn trigger(from: &Instruction, text: &'a str) -> Self {
        Self { span: from.span, lines: from.lines, trigger: Some(text) }
    }

    /// The bytes of `word`, where it has a place of its own.
    pub(super) fn of_word(self, word: &Word) -> Span {
        if self.trigger.is_some() || word.span == Span::default() { self.span } else { word.span }
    }

    pub(super) fn error(self, problem: Problem) -> Diagnostic {
        self.error_at(self.span, problem)
    }

    pub(super) fn error_at(self, span: Span, problem: Problem) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(problem.code, span, self.lines, problem.message);
        diagnostic.help = problem.help;
        self.finish(diagnostic)
    }

    pub(super) fn warning(self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        self.finish(Diagnostic::warning(code, self.span, self.lines, message))
    }

    fn finish(self, diagnostic: Diagnostic) -> Diagnostic {
        match self.trigger {
            Some(text) => diagnostic.note(format!("in the ONBUILD trigger `{text}`")),
            None => diagnostic,
        }
    }
}

/// `did you mean …?`, when one of `among` is near enough.
pub(super) fn suggest<'w>(word: &str, among: impl IntoIterator<Item = &'w str>) -> Option<String> {
    nearest(word, among).map(|near| format!("did you mean `{near}`?"))
}

fn nearest<'w>(word: &str, among: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let lower = word.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&lower, &other.to_lowercase());
    let (far, near) = among.into_iter().map(|other| (distance(other), other)).min()?;
    (far <= 1 + lower.chars().count() / 4).then_some(near)
}
