use super::{Lines, Span};

/// How grave a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Severity {
    /// The build goes on.
    Warning,
    /// The build stops.
    Error,
}

/// Something to tell about a place in the Dockerfile. Rendered only at the edge, by `cli`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// The rule of the specification (`D-7`) or the lint rule's name (`StageNameCasing`).
    pub code: &'static str,
    /// How grave.
    pub severity: Severity,
    /// One line, in the wording of the reference builder, without `dockerfile parse error on line N:`.
    pub message: String,
    /// The bytes to underline; `None` when no place in the file is to blame.
    pub span: Option<Span>,
    /// The physical lines of the instruction, for machine-readable forms.
    pub lines: Option<Lines>,
    /// What to write below the underlined bytes: the cause, where `message` does not say it.
    pub label: Option<String>,
    /// Further facts, one line each.
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: &'static str, span: Span, lines: Lines, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span: Some(span),
            lines: Some(lines),
            label: None,
            notes: Vec::new(),
            help: None,
        }
    }

    /// A warning at `span`.
    pub fn warning(code: &'static str, span: Span, lines: Lines, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, lines, message) }
    }

    /// An error about no place in particular.
    pub fn nowhere(code: &'static str, message: impl Into<String>) -> Self {
        Self { span: None, lines: None, ..Self::error(code, Span::default(), Lines::default(), message) }
    }

    /// With the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With one more fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// With words below the underlined bytes.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}
