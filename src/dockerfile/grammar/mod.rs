//! One nom function for each production of `grammar/dockerfile.ebnf`, of the same name. A test holds both lists to each other.
//!
//! The productions read one logical line: continuations are joined before, so that nothing here knows of them but
//! [`lexical::continuation`].

pub(super) mod arguments;
pub(super) mod heredocs;
pub(super) mod instructions;
pub(super) mod json;
pub(super) mod lexical;

use nom::IResult;
use nom::error::{ContextError, ErrorKind, ParseError};

/// What a production gives.
pub(super) type Res<'a, T> = IResult<&'a str, T, Failure<'a>>;

/// Why a production does not apply, or why nothing can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure<'a> {
    /// What is to blame: a slice of the logical line.
    pub(super) at: &'a str,
    /// The production that was being read.
    pub(super) reading: &'static str,
    /// Set where no other reading is possible (`cut`).
    pub(super) fault: Option<Fault>,
}

/// A mistake of the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// The rule (`D-20`).
    pub(super) code: &'static str,
    /// In the wording of the reference builder.
    pub(super) message: String,
    /// The way out.
    pub(super) help: Option<String>,
}

impl<'a> ParseError<&'a str> for Failure<'a> {
    fn from_error_kind(at: &'a str, _: ErrorKind) -> Self {
        Self { at, reading: "", fault: None }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'a> ContextError<&'a str> for Failure<'a> {
    fn add_context(_: &'a str, reading: &'static str, mut other: Self) -> Self {
        if other.reading.is_empty() {
            other.reading = reading;
        }
        other
    }
}

/// The user's mistake at `at`: no other production is tried.
pub(super) fn wrong<'a, T>(at: &'a str, code: &'static str, message: impl Into<String>) -> Res<'a, T> {
    wrong_but(at, code, message, None)
}

/// As [`wrong`], with the way out.
pub(super) fn wrong_but<'a, T>(at: &'a str, code: &'static str, message: impl Into<String>, help: Option<String>) -> Res<'a, T> {
    let fault = Some(Fault { code, message: message.into(), help });
    Err(nom::Err::Failure(Failure { at, reading: "", fault }))
}
