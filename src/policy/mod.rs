//! Which images a build may stand on: what the user demands of them, by registry or repository, and whether it is met.
//!
//! A policy is data until [`Policy::verify`], which fetches signatures beside the image and holds them against public keys.
//! It counts for images by name, wherever their bytes are: in FROM, `--from` and mounts. What a named context puts in the place
//! of a name is the caller's own word, and no image of a registry.

mod bundle;
mod containers;
mod error;
mod file;
mod key;
mod payload;
mod rules;
mod signatures;

#[cfg(test)]
mod kit;

pub use error::Error;
pub use rules::Policy;
