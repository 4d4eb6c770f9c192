//! Failures as people meet them: message, causes, way out, exit code.

use std::error::Error;

use crate::build::{BuildError, SourceText};
use crate::dockerfile::{Diagnostic, Severity};

use super::{out, render};

/// What kind of failure it is: fixes the exit code (EXIT-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The arguments are wrong.
    Usage,
    /// The Dockerfile or one of its steps failed.
    Dockerfile,
    /// The machine, the store or a registry failed.
    Machine,
    /// Disk or memory ran out.
    Exhausted,
    /// A signal came.
    Interrupted,
}

impl Kind {
    /// The one table of exit codes.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::Dockerfile | Self::Machine => 1,
            Self::Exhausted => 102,
            Self::Interrupted => 130,
        }
    }
}

/// A failure, ready to be printed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    message: String,
    hint: Option<String>,
    diagnostics: Option<(SourceText, Vec<Diagnostic>)>,
}

impl Failure {
    /// Something is wrong with the arguments.
    pub(super) fn usage(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self { kind: Kind::Usage, message: message.into(), hint: hint.map(str::to_owned), diagnostics: None }
    }

    /// Something went wrong while `doing`.
    pub(super) fn machine(doing: &str, error: &(dyn Error + 'static)) -> Self {
        let kind = if is_exhaustion(error) { Kind::Exhausted } else { Kind::Machine };
        Self { kind, message: format!("{doing}: {}", chain(error)), hint: None, diagnostics: None }
    }

    /// Prints it on standard error, in rustc's style.
    pub(super) fn print(&self) {
        let mut text = String::new();
        if let Some((source, diagnostics)) = &self.diagnostics {
            for found in diagnostics {
                text.push_str(&render::diagnostic(source, found));
            }
            let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
            if errors > 1 {
                text.push_str(&render::message("error", &format!("{errors} errors"), None));
            }
        } else {
            text.push_str(&render::message("error", &self.message, self.hint.as_deref()));
        }
        out::stderr(text.as_bytes());
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Dockerfile { source_text, diagnostics } => Self {
                kind: Kind::Dockerfile,
                message: String::new(),
                hint: None,
                diagnostics: Some((source_text, diagnostics)),
            },
            BuildError::Usage { message, help } => Self { kind: Kind::Usage, message, hint: help, diagnostics: None },
            BuildError::Cancelled => Self {
                kind: Kind::Interrupted,
                message: "the build was stopped; finished steps are kept in the cache".to_owned(),
                hint: None,
                diagnostics: None,
            },
            other => {
                let kind = if is_exhaustion(&other) { Kind::Exhausted } else { Kind::Machine };
                Self { kind, message: chain(&other), hint: None, diagnostics: None }
            }
        }
    }
}

/// A message with its causes, each told once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

fn is_exhaustion(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind;
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory)
        {
            return true;
        }
        at = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_1_codes() {
        for (kind, code) in [
            (Kind::Usage, 1),
            (Kind::Dockerfile, 1),
            (Kind::Machine, 1),
            (Kind::Exhausted, 102),
            (Kind::Interrupted, 130),
        ] {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(Failure::machine("cannot write", &full).kind, Kind::Exhausted);
    }
}
