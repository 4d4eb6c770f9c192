//! What the store holds, whether it is sound, and what may go from it.
//!
//! A **unit** is what people know and what is used as a whole: an image, the records of one step, a cache mount. Units need
//! **objects**, blobs and layers, which they share: an object goes with the last unit that needs it. Units go in the order of
//! their last use, and those that somebody uses who works in the store at the moment stay ([`crate::store::Gate`]).

mod check;
mod error;
mod needs;
mod prune;
mod units;
mod usage;

#[cfg(test)]
mod tests;

pub use check::{Checked, Finding, check, repair};
pub use error::Error;
pub use prune::{Limits, Pruned, Removed, prune};
pub use units::Kind;
pub use usage::{Usage, usage};
