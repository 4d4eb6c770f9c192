use nom::error::{ContextError, ErrorKind, ParseError};

use super::{Diagnostic, Lines, Span};

/// What every production returns: the rest of the text and what was read.
pub(super) type Read<'a, T> = nom::IResult<&'a str, T, Fault<'a>>;

/// Why a production did not match, or (with a cause) why nothing else can.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    /// The bytes to blame: a slice of the text that was parsed.
    pub(super) at: &'a str,
    /// The bytes whose lines are to be named, where they are not those of `at`.
    pub(super) over: Option<&'a str>,
    production: Option<&'static str>,
    cause: Option<Box<Cause>>,
}

/// What to tell.
#[derive(Debug)]
struct Cause {
    code: &'static str,
    message: String,
    label: Option<String>,
    help: Option<String>,
}

impl<'a> Fault<'a> {
    /// A finding about `at`, which ends the parsing of the instruction when it is made a failure.
    pub(super) fn new(at: &'a str, code: &'static str, message: impl Into<String>) -> Self {
        let cause = Cause { code, message: message.into(), label: None, help: None };
        Self { at, over: None, production: None, cause: Some(Box::new(cause)) }
    }

    /// With the way out.
    pub(super) fn help(mut self, help: Option<String>) -> Self {
        if let Some(cause) = &mut self.cause {
            cause.help = help;
        }
        self
    }

    /// With words below the underlined bytes.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(cause) = &mut self.cause {
            cause.label = Some(label.into());
        }
        self
    }

    /// Blames `at` instead.
    pub(super) fn moved(self, at: &str) -> Fault<'_> {
        Fault { at, over: None, production: self.production, cause: self.cause }
    }

    /// Names the lines of `over` instead of those of the underlined bytes.
    pub(super) fn over(mut self, over: &'a str) -> Self {
        self.over = Some(over);
        self
    }

    /// Makes it final: no other alternative is tried.
    pub(super) fn fail<T>(self) -> Read<'a, T> {
        Err(nom::Err::Failure(self))
    }

    /// The finding as data, once the place is known.
    pub(super) fn diagnostic(self, span: Span, lines: Lines) -> Diagnostic {
        let Some(cause) = self.cause else {
            let message = format!("cannot read {}", self.production.unwrap_or("instruction"));
            return Diagnostic::error("syntax", span, lines, message);
        };
        let diagnostic = Diagnostic::error(cause.code, span, lines, cause.message);
        Diagnostic { label: cause.label, help: cause.help, ..diagnostic }
    }
}

impl<'a> ParseError<&'a str> for Fault<'a> {
    fn from_error_kind(input: &'a str, _: ErrorKind) -> Self {
        Self { at: input, over: None, production: None, cause: None }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'a> ContextError<&'a str> for Fault<'a> {
    fn add_context(_: &'a str, production: &'static str, other: Self) -> Self {
        // The innermost production says most precisely what was being read.
        Self { production: other.production.or(Some(production)), ..other }
    }
}
