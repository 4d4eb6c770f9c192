//! The images of the store as people handle them: found by what they type, listed, described, named, saved and loaded.

mod describe;
mod error;
mod find;
mod list;
mod load;
mod place;
mod save;

pub use describe::{Description, Past, describe, history};
pub use error::Error;
pub use find::{Found, find};
pub use list::{Listed, list};
pub use load::{Loaded, load, take};
pub use place::Place;
pub use save::bundle;
