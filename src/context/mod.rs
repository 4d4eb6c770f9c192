//! Build contexts: which files of a directory belong to one, and what they are (context.md).

mod glob;
mod patterns;
mod spanning;
mod tokens;
mod trie;

pub use glob::{ComponentGlob, has_wildcards};
pub use patterns::{PatternError, Patterns, Verdict};
