//! What planning sees in passing. None of it stops a build: `lint` judges.

use std::cell::{Cell, RefCell};

use crate::dockerfile::{CommandLine, Instruction, Keyword, Lines, Span, suggest};
use crate::image::Platform;

use super::evaluate::{Evaluator, Source};
use super::expand::Unset;
use super::scope::HIDDEN;

/// With how many names those without meaning are compared: of thousands in a file the last ones get no suggestion.
const COMPARISONS: usize = 100_000;

/// Something seen at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// The lines of its instruction, of which the first tells it from all others.
    pub lines: Lines,
    /// The words that are meant.
    pub span: Span,
    /// What was seen.
    pub kind: RemarkKind,
}

/// What was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RemarkKind {
    /// A stage's instruction uses a variable that nothing defines.
    UndefinedVariable(Unknown),
    /// FROM uses an argument that no ARG before the first FROM declares.
    UndeclaredInFrom(Unknown),
    /// Without build arguments this text after FROM would name no image.
    NoImageByDefault(String),
    /// The first WORKDIR since the base image is this relative path.
    RelativeWorkdir(String),
    /// A CMD or ENTRYPOINT has the shell form, and no SHELL is in force.
    ShellForm(Keyword),
    /// The base image is for another platform than the one asked for.
    OtherPlatform {
        /// The base as named.
        image: String,
        /// What it is for.
        found: Platform,
        /// What was asked for.
        wanted: Platform,
    },
    /// A word of EXPOSE, after expansion.
    Exposed(String),
    /// An ARG, and what it is now.
    Argument {
        /// Its name.
        name: String,
        /// Build argument, default, or what was declared before.
        value: Option<String>,
    },
    /// FROM uses this argument, declared before.
    ArgumentInFrom(String),
}

/// A name without meaning.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    /// The name.
    pub name: String,
    /// The name that may be meant.
    pub near: Option<String>,
}

/// Where remarks are collected.
#[derive(Debug)]
pub(super) struct Remarks {
    all: RefCell<Vec<Remark>>,
    /// Names that unknown ones may still be compared with.
    comparisons: Cell<usize>,
}

impl Default for Remarks {
    fn default() -> Self {
        Self { all: RefCell::default(), comparisons: Cell::new(COMPARISONS) }
    }
}

impl Remarks {
    pub(super) fn add(&self, at: &Instruction, span: Span, kind: RemarkKind) {
        self.all.borrow_mut().push(Remark { lines: at.lines, span, kind });
    }

    pub(super) fn take(self) -> Vec<Remark> {
        self.all.into_inner()
    }

    /// A name without meaning, and the one among `known` that may be meant.
    pub(super) fn unknown<'a>(&self, name: String, known: impl Iterator<Item = &'a str>) -> Unknown {
        let left = &self.comparisons;
        let counted = known.take(left.get()).inspect(|_| left.set(left.get().saturating_sub(1)));
        let near = suggest(&name, counted).map(str::to_owned);
        Unknown { name, near }
    }
}

impl Evaluator<'_> {
    /// Remarks on what was used though unset. An ARG without a value is declared all the same, and a base that is not
    /// known may define anything.
    pub(super) fn undefined(&self, source: &Source<'_>, span: Span, unset: Unset) {
        let scope = &self.scope;
        if !scope.is_known {
            return;
        }
        for name in unset {
            if !scope.args.contains(&name) && !HIDDEN.contains(&name.as_str()) {
                let known = scope.variables.names().chain(scope.args.iter());
                self.remark(source, span, RemarkKind::UndefinedVariable(self.planner.remarks.unknown(name, known)));
            }
        }
    }

    /// A trigger stands in no file that could be mended: nothing is said of it.
    pub(super) fn remark(&self, source: &Source<'_>, span: Span, kind: RemarkKind) {
        if !source.is_trigger {
            self.planner.remarks.add(source.at, span, kind);
        }
    }

    pub(super) fn remark_on_shell_form(&self, source: &Source<'_>, command: &CommandLine, keyword: Keyword) {
        if matches!(command, CommandLine::Shell(_)) && self.scope.config.shell.is_empty() {
            self.remark(source, source.at.span, RemarkKind::ShellForm(keyword));
        }
    }
}
