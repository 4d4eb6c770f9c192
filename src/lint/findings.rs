use std::collections::BTreeMap;

use crate::dockerfile::{Diagnostic, Dockerfile, Fix, Instruction, Lines, Span};

use super::{CheckOptions, Rule};

/// Collects what is found, unless its rule is off at that place.
pub(super) struct Findings<'a> {
    options: &'a CheckOptions,
    /// Each instruction by its first line.
    instructions: BTreeMap<usize, &'a Instruction>,
    found: Vec<Diagnostic>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(file: &'a Dockerfile, options: &'a CheckOptions) -> Self {
        let instructions = file.instructions().map(|instruction| (instruction.lines.first, instruction)).collect();
        Self { options, instructions, found: Vec::new() }
    }

    /// The instruction that begins on a line.
    pub(super) fn instruction(&self, line: usize) -> Option<&'a Instruction> {
        self.instructions.get(&line).copied()
    }

    /// A finding at `span` of an instruction.
    pub(super) fn add(&mut self, rule: Rule, at: &Instruction, span: Span, message: impl Into<String>) {
        self.add_on(rule, at, at.lines, span, message, None);
    }

    /// A finding with what mends it.
    pub(super) fn add_with(
        &mut self,
        rule: Rule,
        at: &Instruction,
        span: Span,
        message: impl Into<String>,
        fix: Option<Fix>,
    ) {
        self.add_on(rule, at, at.lines, span, message, fix);
    }

    /// A finding on lines of its own.
    pub(super) fn add_on(
        &mut self,
        rule: Rule,
        at: &Instruction,
        lines: Lines,
        span: Span,
        message: impl Into<String>,
        fix: Option<Fix>,
    ) {
        if self.options.has_on(rule, &CheckOptions::of_comments(at)) {
            self.found.push(Diagnostic::warning(rule.name(), span, lines, message).fix(fix));
        }
    }

    /// In the order of lines; of those on one line, in the order found.
    pub(super) fn sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| found.lines.map(|lines| lines.first));
        self.found
    }
}
