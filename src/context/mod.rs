//! Build contexts: which files of a directory or an archive belong to one, and what they are (context.md).
//!
//! A directory is walked once, by descriptors, with the ignore rules applied on the way down. No content is read
//! then: digests come from an index of earlier builds, whose entries are trusted only as long as nothing can have changed
//! without a trace, and the others are found out for the files that a step needs.

mod assemble;
mod digests;
mod directory;
mod enter;
mod entry;
mod glob;
mod ignore_file;
mod in_order;
mod index;
mod patterns;
mod pieces;
mod rule;
mod spanning;
mod tar_context;
mod tokens;
mod tracked;
mod trie;
mod walk;

pub use digests::Digester;
pub use directory::{Context, ContextError, read_tree};
pub use glob::ComponentGlob;
pub use ignore_file::ignore_file;
pub use in_order::in_order;
pub use patterns::{Patterns, Verdict};
pub use rule::PatternError;
pub use tar_context::{from_tar, is_archive};
