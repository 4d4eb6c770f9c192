//! Failures as people and machines meet them: message, causes, way out, exit code.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use serde_json::{Value, json};

use crate::build::{BuildError, SourceText};
use crate::dockerfile::{Diagnostic, Severity};
use crate::images;
use crate::policy;
use crate::registry;
use crate::store::StoreError;
use crate::transfer;
use crate::upkeep;

use super::{out, render};

/// What kind of failure it is: fixes the exit code (EXIT-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The arguments are wrong.
    Usage,
    /// The Dockerfile or one of its steps failed.
    Dockerfile,
    /// The store cannot be used.
    Store,
    /// The machine or a registry failed.
    Machine,
    /// kiln is at fault.
    Internal,
    /// Disk or memory ran out.
    Exhausted,
    /// A signal came.
    Interrupted,
}

impl Kind {
    /// The one table of exit codes.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::Dockerfile | Self::Store | Self::Machine => 1,
            Self::Internal => 100,
            Self::Exhausted => 102,
            Self::Interrupted => 130,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Dockerfile => "dockerfile",
            Self::Store => "store",
            Self::Machine => "machine",
            Self::Internal => "internal",
            Self::Exhausted => "exhausted",
            Self::Interrupted => "interrupted",
        }
    }
}

/// How messages are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// For people.
    Text,
    /// One JSON object a line (`--progress=json`).
    Json,
}

/// A failure, ready to be printed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    message: String,
    hint: Option<String>,
    diagnostics: Option<Box<(SourceText, Vec<Diagnostic>)>>,
}

impl Failure {
    fn new(kind: Kind, message: String, hint: Option<&str>) -> Self {
        Self { kind, message, hint: hint.map(str::to_owned), diagnostics: None }
    }

    /// Something is wrong with the arguments.
    pub(super) fn usage(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::new(Kind::Usage, message.into(), hint)
    }

    /// Something went wrong while `doing`.
    pub(super) fn machine(doing: &str, error: &(dyn Error + 'static)) -> Self {
        Self::of(Kind::Machine, format!("{doing}: {}", chain(error)), error)
    }

    /// The store failed while `doing`.
    pub(super) fn store(doing: &str, error: &(dyn Error + 'static)) -> Self {
        Self::of(Kind::Store, format!("{doing}: {}", chain(error)), error)
    }

    /// A defect of kiln has ended it; the panic's message is already printed.
    pub(super) fn internal() -> Self {
        let hint = "this is a defect of kiln; please report it with the lines above and the Dockerfile";
        Self::new(Kind::Internal, "kiln has stopped at an internal error".to_owned(), Some(hint))
    }

    /// A signal came.
    pub(super) fn interrupted() -> Self {
        let message = "the build was stopped; the steps that were done are kept in the cache".to_owned();
        Self::new(Kind::Interrupted, message, None)
    }

    /// The user has broken it off.
    pub(super) fn stopped() -> Self {
        Self::new(Kind::Interrupted, "stopped".to_owned(), None)
    }

    /// The same, said of the flag `name`.
    pub(super) fn about(self, name: &str) -> Self {
        Self { message: format!("{name} {}", self.message), ..self }
    }

    /// The cause decides over the kind where disk or memory has run out, and over the hint where one is known.
    fn of(kind: Kind, message: String, error: &(dyn Error + 'static)) -> Self {
        let cause = io_kind(error);
        let hint = match cause {
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                Some("free some space, or put the store elsewhere with `--store DIR`")
            }
            Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) if kind == Kind::Store => {
                Some("name a directory that you can write to with `--store DIR`")
            }
            _ => None,
        };
        let is_exhausted =
            matches!(cause, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory));
        Self::new(if is_exhausted { Kind::Exhausted } else { kind }, message, hint)
    }

    /// Prints it on standard error.
    pub(super) fn print(&self, form: Form) {
        match form {
            Form::Text => out::stderr(self.text(render::colours()).as_bytes()),
            Form::Json => self.objects().iter().for_each(out::json),
        }
    }

    /// In rustc's style.
    fn text(&self, colours: bool) -> String {
        let Some((source, diagnostics)) = self.diagnostics.as_deref() else {
            return render::message("error", &self.message, self.hint.as_deref(), colours);
        };
        let mut text = render::diagnostics(source, diagnostics, colours);
        let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
        if errors > 1 {
            text.push('\n');
            text.push_str(&render::message("error", &format!("{} has {errors} errors", source.name), None, colours));
        }
        text
    }

    /// One object for each diagnostic, and a last one, `failure`, with `kind`, `exit`, `message` and `hint`.
    fn objects(&self) -> Vec<Value> {
        let mut objects = Vec::new();
        if let Some((source, diagnostics)) = self.diagnostics.as_deref() {
            objects.extend(diagnostics.iter().map(|found| render::diagnostic_json(source, found)));
        }
        objects.push(json!({
            "event": "failure",
            "kind": self.kind.as_str(),
            "exit": self.kind.exit_code(),
            "message": self.message,
            "hint": self.hint,
        }));
        objects
    }
}

impl fmt::Display for Failure {
    /// All of it, without colours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(false))
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let shown = |kind, message: String, source_text, diagnostics| Self {
            diagnostics: Some(Box::new((source_text, diagnostics))),
            ..Self::new(kind, message, None)
        };
        let message = error.to_string();
        match error {
            BuildError::Dockerfile { source_text, diagnostics } => {
                shown(Kind::Dockerfile, message, source_text, diagnostics)
            }
            BuildError::Exhausted { source_text, diagnostics } => {
                shown(Kind::Exhausted, message, source_text, diagnostics)
            }
            BuildError::Usage { message, help } => Self::usage(message, help.as_deref()),
            BuildError::Cancelled => Self::interrupted(),
            BuildError::Store(error) => Self::of(Kind::Store, chain(&error), &error),
            BuildError::Transfer(error) => Self::from(error),
            BuildError::Git(error) => {
                let failure = Self::of(Kind::Machine, chain(&error), &error);
                Self { hint: error.help().map(str::to_owned).or(failure.hint), ..failure }
            }
            BuildError::Download(error) => {
                let failure = Self::of(Kind::Machine, chain(&error), &error);
                Self { hint: error.help().or(failure.hint), ..failure }
            }
            other => Self::of(Kind::Machine, chain(&other), &other),
        }
    }
}

impl From<transfer::Error> for Failure {
    fn from(error: transfer::Error) -> Self {
        if let transfer::Error::Cancelled = error {
            return Self::new(Kind::Interrupted, error.to_string(), None);
        }
        let failure = Self::of(Kind::Machine, chain(&error), &error);
        Self { hint: error.help().or(failure.hint), ..failure }
    }
}

impl From<policy::Error> for Failure {
    fn from(error: policy::Error) -> Self {
        Self::usage(chain(&error), error.help().as_deref())
    }
}

impl From<registry::Error> for Failure {
    fn from(error: registry::Error) -> Self {
        Self::from(transfer::Error::Registry(error))
    }
}

impl From<images::Error> for Failure {
    fn from(error: images::Error) -> Self {
        let kind = match error {
            images::Error::Transfer(error) => return Self::from(error),
            images::Error::Unknown { .. }
            | images::Error::Ambiguous { .. }
            | images::Error::Place { .. }
            | images::Error::Name(_) => Kind::Usage,
            images::Error::Store(_) => Kind::Store,
            _ => Kind::Machine,
        };
        let failure = Self::of(kind, chain(&error), &error);
        Self { hint: error.help().or(failure.hint), ..failure }
    }
}

impl From<upkeep::Error> for Failure {
    fn from(error: upkeep::Error) -> Self {
        let failure = Self::of(Kind::Store, chain(&error), &error);
        Self { hint: error.help().or(failure.hint), ..failure }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::store("cannot open the store", &error)
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

/// The kind of the first I/O error among the causes.
fn io_kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        at = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_1_codes() {
        for (kind, code) in [
            (Kind::Usage, 1),
            (Kind::Dockerfile, 1),
            (Kind::Store, 1),
            (Kind::Machine, 1),
            (Kind::Internal, 100),
            (Kind::Exhausted, 102),
            (Kind::Interrupted, 130),
        ] {
            assert_eq!(kind.exit_code(), code, "{kind:?}");
        }
    }

    #[test]
    fn exit_1_the_cause_decides_whether_something_ran_out() {
        for (kind, want) in [
            (ErrorKind::StorageFull, Kind::Exhausted),
            (ErrorKind::QuotaExceeded, Kind::Exhausted),
            (ErrorKind::OutOfMemory, Kind::Exhausted),
            (ErrorKind::NotFound, Kind::Machine),
        ] {
            let failure = BuildError::Machine { doing: "store the image".into(), source: io::Error::from(kind) };
            assert_eq!(Failure::from(failure).kind, want, "{kind:?}");
        }
    }

    #[test]
    fn a_failure_names_its_causes_and_the_way_out() {
        let full = io::Error::from(ErrorKind::StorageFull);
        let failure = Failure::store("cannot open the store", &full);
        insta::assert_snapshot!(failure, @"
            error: cannot open the store: no storage space
            hint: free some space, or put the store elsewhere with `--store DIR`
        ");
    }

    #[test]
    fn several_errors_are_counted() {
        let parsed = crate::dockerfile::parse(b"FROM scratch\nFOO\nBAR\n");
        let source_text = SourceText { name: "Dockerfile".into(), text: parsed.file.text };
        let failure = Failure::from(BuildError::Dockerfile { source_text, diagnostics: parsed.diagnostics });
        insta::assert_snapshot!(failure, @"
            error: unknown instruction: FOO
             --> Dockerfile:2:1
              |
            2 | FOO
              | ^^^

            error: unknown instruction: BAR
             --> Dockerfile:3:1
              |
            3 | BAR
              | ^^^

            error: Dockerfile has 2 errors
        ");
        let events: Vec<_> = failure.objects().iter().map(|object| object["event"].clone()).collect();
        assert_eq!(events, ["diagnostic", "diagnostic", "failure"]);
    }
}
