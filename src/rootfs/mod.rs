//! A root filesystem as data: what every layer, snapshot and COPY speaks about.
//!
//! [`RootFs`] is an immutable tree of shared directories: a clone costs nothing, and two states are compared
//! by walking only what they do not share. [`Changes`] is the difference of two states in the order in which
//! a layer tar holds it, one value an entry. Nothing here touches a disk except through [`Files`], which the
//! owner of the bytes implements.
//!
//! Two names of one file are hard links when they hold the same `Arc<Inode>`.

mod changes;
mod chmod;
mod claim;
mod entry;
mod implied;
mod kept;
mod path;
mod tree;
pub mod users;

pub use changes::{Change, Changes};
pub use chmod::{Chmod, ChmodError};
pub use claim::{Birth, CLAIM, CLAIMED_ID, Claim, Claims, Device};
pub use entry::{Content, ContentDigest, Digested, Directory, File, Files, Inode, Kind, Meta, Node, Time, Xattrs};
pub use kept::Kept;
pub use path::{PathError, RootPath};
pub use tree::{ResolveError, Resolved, RootFs};
