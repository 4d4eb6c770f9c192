//! What planning sees in passing. None of it stops a build: `lint` judges.

use std::cell::RefCell;

use crate::dockerfile::{Instruction, Keyword, Lines, Span, suggest};
use crate::image::Platform;

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
#[derive(Default, Debug)]
pub(super) struct Remarks(RefCell<Vec<Remark>>);

impl Unknown {
    pub(super) fn new<'a>(name: String, known: impl IntoIterator<Item = &'a str>) -> Self {
        let near = suggest(&name, known).map(str::to_owned);
        Self { name, near }
    }
}

impl Remarks {
    pub(super) fn add(&self, at: &Instruction, span: Span, kind: RemarkKind) {
        self.0.borrow_mut().push(Remark { lines: at.lines, span, kind });
    }

    pub(super) fn take(self) -> Vec<Remark> {
        self.0.into_inner()
    }
}
