//! COPY, ADD and WORKDIR on root filesystems as data.
//!
//! Nothing is read or written but the members of archives, which are unpacked into a scratch directory: copied
//! files go on pointing at the bytes they had. [`select()`] finds what the sources name, without a look at the
//! destination, so that a key can be made of it first; [`copy()`] then puts it there.
//!
//! Every copied file is an inode of its own, although its bytes are shared: in a root filesystem two names of
//! one `Arc<Inode>` are hard links, and two copies of one file are not (COPY-34).

mod chown;
mod destination;
mod error;
mod filter;
mod make_directories;
mod merge;
mod nearest;
mod select;
mod selection;
mod sources;
mod sums;
mod unpack;
mod workdir;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod unpack_tests;

pub use chown::{needs_lookup, unknown_names};
pub use destination::{Env, Scratch, copy};
pub use error::CopyError;
pub use nearest::nearest;
pub use select::{select, select_path};
pub use selection::Selection;
pub use sums::{Block, Blocks};
pub use workdir::workdir;
