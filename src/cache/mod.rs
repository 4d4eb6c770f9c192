//! Step keys, what they were made of, and the records of what steps gave.
//!
//! A key is the digest of a [`Preimage`]: everything that can change what a step yields, and nothing else
//! (cache.md, KEY). The record keeps the whole preimage, so that a later miss can be explained by comparing.
//!
//! Each step has two keys. The key by history chains the keys of the steps before it. The key by content
//! names the state it starts from by what is in it, times left out: when an earlier step ran anew and gave
//! the same files, the steps after it still hit (early cutoff).

mod content;
mod inputs;
mod key;
mod record;

pub use content::{base_content, layer_content, stack_content};
pub use inputs::{Input, Inputs, Listed, Part, Parts};
pub use key::{Brief, Key, Parent, Preimage};
pub use record::{LayerRecord, Record};
