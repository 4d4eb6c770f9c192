//! Build contexts: which files of a directory belong to one, and what they are (context.md).

mod glob;
mod patterns;
mod rule;
mod spanning;
mod tokens;
mod trie;

pub use glob::{ComponentGlob, has_wildcards};
pub use patterns::{Patterns, Verdict};
pub use rule::PatternError;
