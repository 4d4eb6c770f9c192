use std::borrow::Cow;

use super::{Lines, Span};

/// How grave a finding is, from the least.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Severity {
    /// A matter of taste.
    Style,
    /// Worth knowing.
    Info,
    /// The build goes on.
    Warning,
    /// The build stops.
    Error,
}

impl Severity {
    /// In lower case, as machine-readable forms have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Style => "style",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A change that certainly mends what was found, and changes nothing else: edits that do not overlap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fix {
    /// In any order.
    pub edits: Vec<Edit>,
}

/// One edit of the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edit {
    /// What is taken out; nothing, for an insertion.
    pub span: Span,
    /// What is put in its place.
    pub text: String,
}

impl Fix {
    /// A fix that replaces one stretch.
    pub fn replace(span: Span, text: impl Into<String>) -> Self {
        Self { edits: vec![Edit { span, text: text.into() }] }
    }
}

/// Something to tell about a place in the Dockerfile. Rendered only at the edge, by `cli`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// The rule of the specification (`D-7`) or the lint rule's name (`StageNameCasing`, `DL3008`).
    pub code: Cow<'static, str>,
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
    /// What mends it, where that is certain.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: impl Into<Cow<'static, str>>, span: Span, lines: Lines, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            severity: Severity::Error,
            message: message.into(),
            span: Some(span),
            lines: Some(lines),
            label: None,
            notes: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// A warning at `span`.
    pub fn warning(code: impl Into<Cow<'static, str>>, span: Span, lines: Lines, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, lines, message) }
    }

    /// An error about no place in particular.
    pub fn nowhere(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
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

    /// With what mends it.
    #[must_use]
    pub fn fix(mut self, fix: Option<Fix>) -> Self {
        self.fix = fix;
        self
    }
}
