//! The Dockerfile language: text to syntax tree and back (dockerfile.md, LEX and the syntax half of each instruction).
//!
//! `grammar/dockerfile.ebnf` is the truth about syntax; each production has one nom function of the same name here.

mod ast;
mod csv;
mod diagnostic;
mod directives;
mod duration;
mod fault;
mod file;
#[cfg(test)]
mod findings_tests;
mod flags;
#[cfg(test)]
mod grammar_tests;
mod heredoc;
mod instructions;
mod json;
mod layout;
mod lines;
mod locate;
mod parse;
mod print;
#[cfg(test)]
mod rules_tests;
mod suggest;
mod tokens;
mod words;

pub use ast::{
    AddFlags, ArgPair, Command, CommandLine, CopyFlags, Copying, Dockerfile, Flag, Heredoc, Instruction, Item,
    ItemKind, Keyword, Lines, Onbuild, Pair, Source, Span, Word,
};
pub use csv::csv_fields;
pub use diagnostic::{Diagnostic, Edit, Fix, Severity};
#[cfg(test)]
pub(crate) use grammar_tests::generated;
pub use heredoc::{attach_heredocs, opens_alone};
pub use layout::{Layout, LayoutLine};
pub use parse::{Parsed, parse, parse_trigger};
pub use suggest::suggest;
pub use tokens::Token;
