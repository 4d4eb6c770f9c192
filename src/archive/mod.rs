//! Reading archives that others have made: tar entries, and what they are compressed with.

mod compression;
mod entries;

pub use compression::{Format, decompress, sniff};
pub use entries::{Entries, Entry};
