use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rootfs::{Directory, Inode, Meta, Node, RootFs, RootPath};

/// What a walk has found of one directory; there may be several for one.
pub(super) struct Found {
    directory: usize,
    /// It is excluded, and there only if it holds something (IGN-12).
    excluded: bool,
    /// Metadata; the one that has it tells that the directory exists.
    pub(super) meta: Option<Meta>,
    /// What is in it, but directories.
    pub(super) inodes: BTreeMap<Box<[u8]>, Node>,
    /// Each by the number that it has, which is higher than that of the one it is in.
    pub(super) directories: Vec<(Box<[u8]>, usize)>,
    /// What stands there instead.
    pub(super) replacement: Option<Arc<Inode>>,
}

impl Found {
    pub(super) fn new(directory: usize, excluded: bool) -> Self {
        Self { directory, excluded, meta: None, inodes: BTreeMap::new(), directories: Vec::new(), replacement: None }
    }
}

/// Puts together what the threads of a walk have found, each in its order.
pub(super) fn assemble(mut found: Vec<Found>) -> RootFs {
    // Numbers rise on the way down, so from the highest on all that a directory holds is complete.
    found.sort_unstable_by_key(|part| std::cmp::Reverse(part.directory));
    let mut finished: BTreeMap<usize, Node> = BTreeMap::new();
    let mut parts = found.into_iter().peekable();
    while let Some(first) = parts.next() {
        let (number, excluded) = (first.directory, first.excluded);
        let mut directory = Directory::default();
        let mut exists = false;
        let mut replacement = None;
        let mut next = Some(first);
        let (mut inodes, mut directories) = (Vec::new(), Vec::new());
        while let Some(part) = next {
            if let Some(meta) = part.meta {
                (directory.meta, exists) = (meta, true);
            }
            replacement = replacement.or(part.replacement);
            let below = part.directories.into_iter();
            directories.extend(below.filter_map(|(name, number)| Some((name, finished.remove(&number)?))));
            if !part.inodes.is_empty() {
                inodes.push(part.inodes);
            }
            next = parts.next_if(|part| part.directory == number);
        }
        // Most directories have one part, which is taken as it is; from all of several, a map is made in one go.
        directory.children = match <[_; 1]>::try_from(inodes) {
            Ok([only]) => only,
            Err(several) => several.into_iter().flatten().collect(),
        };
        directory.children.extend(directories);
        if let Some(inode) = replacement {
            finished.insert(number, Node::Inode(inode));
        } else if exists && !(excluded && directory.children.is_empty()) {
            finished.insert(number, directory.into());
        }
    }
    let mut root = RootFs::empty();
    if let Some(node) = finished.remove(&0) {
        root.insert(&RootPath::root(), node);
    }
    root
}
