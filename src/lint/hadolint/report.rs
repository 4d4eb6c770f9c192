use std::borrow::Cow;

use crate::dockerfile::{Diagnostic, Dockerfile, Fix, Instruction, Severity, Span, Word};

use super::catalogue::Numbered;
use super::options::HadolintOptions;
use super::pragma::Pragmas;
use super::view::{Stage, Step};

/// Collects what is found, unless its rule is off at that place.
pub(super) struct Report<'a> {
    pub(super) file: &'a Dockerfile,
    pub(super) options: &'a HadolintOptions,
    pub(super) pragmas: Pragmas<'a>,
    found: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a Dockerfile, options: &'a HadolintOptions) -> Self {
        Self { file, options, pragmas: Pragmas::of(file), found: Vec::new() }
    }

    /// A finding of `code` at `span` of an instruction, with `detail` behind what the rule asks for.
    pub(super) fn add(&mut self, code: &'static str, at: &Instruction, span: Span, detail: impl Into<Detail>) {
        let Some(rule) = Numbered::of_code(code) else { return };
        let Some(level) = self.options.level(rule) else { return };
        if self.pragmas.ignore(code, at.span.start) {
            return;
        }
        let Detail { text, fix } = detail.into();
        let message = match text {
            Some(detail) => format!("{}: {detail}", rule.description),
            None => rule.description.to_owned(),
        };
        let found = Diagnostic { severity: level, ..Diagnostic::warning(code, span, at.lines, message) };
        self.found.push(found.fix(fix));
    }

    /// The same at a place of a step.
    pub(super) fn at(&mut self, code: &'static str, step: &Step<'_>, span: Span, detail: impl Into<Detail>) {
        self.add(code, step.at, step.place(span), detail);
    }

    /// The same at the FROM of a stage.
    pub(super) fn from(&mut self, code: &'static str, stage: &Stage<'_>, word: &Word, detail: impl Into<Detail>) {
        self.add(code, stage.from, word.span, detail);
    }

    /// What another program has found in a RUN, under its own number.
    pub(super) fn foreign(&mut self, code: String, level: Severity, at: &Instruction, span: Span, message: String) {
        let level = self.options.levels.get(&code).copied().unwrap_or(level);
        if !self.options.ignore.contains(&code) && !self.pragmas.ignore(&code, at.span.start) {
            let found = Diagnostic::warning(Cow::Owned(code), span, at.lines, message);
            self.found.push(Diagnostic { severity: level, ..found });
        }
    }

    /// In the order of lines; of those on one line, in the order of numbers.
    pub(super) fn sorted(mut self) -> Vec<Diagnostic> {
        let key = |found: &Diagnostic| {
            (found.lines.map(|lines| lines.first), found.code.clone(), found.span.map(|span| span.start))
        };
        self.found.sort_by_cached_key(key);
        self.found
    }
}

/// What there is to say of a finding besides the rule.
#[derive(Default)]
pub(super) struct Detail {
    text: Option<String>,
    fix: Option<Fix>,
}

impl From<()> for Detail {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self { text: Some(text), fix: None }
    }
}

impl From<Option<Fix>> for Detail {
    fn from(fix: Option<Fix>) -> Self {
        Self { text: None, fix }
    }
}
