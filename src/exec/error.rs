use std::io;

use crate::dockerfile::Diagnostic;
use crate::plan::Step;

/// Why a build did not get to its end.
#[derive(Debug)]
pub enum ExecError {
    /// A step failed.
    Step(Box<Diagnostic>),
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
        Self::step("io", step, format!("{doing}: {error}"))
    }
}

impl From<io::Error> for ExecError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
