//! Root filesystems on disk: what a step changed in an overlay's upper or in a work tree, and the way back from
//! entries to files (layers.md, DIFF).

mod meta;
mod overlay;
mod sys;
mod tree_files;
mod work_diff;
mod work_tree;
#[cfg(test)]
mod work_tree_tests;
mod write;

pub use meta::{Nodes, make_node, make_whiteout, read_xattrs, set_meta, set_opaque, set_owner};
pub use overlay::{diff, set_times, settle};
pub use sys::has_no_xattrs;
pub use tree_files::TreeFiles;
pub use work_tree::WorkTree;
pub use write::{unpack, write};
