use std::error::Error;
use std::io::{self, ErrorKind};

use crate::dockerfile::Diagnostic;
use crate::plan::Step;

/// Why a build did not get to its end.
#[derive(Debug)]
pub enum ExecError {
    /// A step failed.
    Step(Box<Diagnostic>),
    /// A step failed because disk or memory ran out.
    Exhausted(Box<Diagnostic>),
    /// The user stopped the build.
    Cancelled,
    /// The store or the machine failed, at no step's fault.
    Io(io::Error),
}

impl ExecError {
    /// `step` failed for the reason that `message` gives in the reference's words.
    pub(super) fn step(code: &'static str, step: &Step, message: impl Into<String>) -> Self {
        Self::Step(Box::new(Diagnostic::error(code, step.span, step.lines, message)))
    }

    /// `step` failed because the machine did.
    pub(super) fn io(step: &Step, doing: &str, error: &io::Error) -> Self {
        Self::step("io", step, format!("{doing}: {error}")).caused_by(error)
    }

    /// The same, as an error of its own kind where the cause is that disk or memory ran out.
    pub(super) fn caused_by(self, cause: &(dyn Error + 'static)) -> Self {
        match self {
            Self::Step(found) if is_exhausted(cause) => Self::Exhausted(found),
            other => other,
        }
    }

    /// With the way out.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Step(found) => Self::Step(Box::new(found.help(help))),
            Self::Exhausted(found) => Self::Exhausted(Box::new(found.help(help))),
            other => other,
        }
    }
}

/// Whether the first I/O error among the causes says so.
fn is_exhausted(error: &(dyn Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory);
        }
        at = error.source();
    }
    false
}

impl From<io::Error> for ExecError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
