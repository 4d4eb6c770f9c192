//! The Dockerfile language: text to syntax tree and back (dockerfile.md, LEX and the syntax half of each instruction).
//!
//! `grammar/dockerfile.ebnf` is the truth about syntax; each production has one nom function of the same name here.

mod ast;
mod bodies;
mod diagnostic;
mod flags;
mod grammar;
mod instruction;
mod lines;
mod parse;
mod suggest;

pub use ast::{
    AddFlags, ArgPair, Command, CommandLine, CopyFlags, Copying, Dockerfile, Flag, Heredoc, Instruction, Item,
    ItemKind, Keyword, Lines, Onbuild, Pair, Source, Span, Word,
};
pub use diagnostic::{Diagnostic, Severity};
pub use bodies::attach as attach_heredocs;
pub use grammar::heredocs::opens_alone;
pub use instruction::csv_fields;
pub use parse::{Parsed, parse, parse_trigger};
pub use suggest::suggest;
