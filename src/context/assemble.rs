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
    pub(super) children: Vec<(Box<[u8]>, Child)>,
    /// What stands there instead.
    pub(super) replacement: Option<Arc<Inode>>,
}

/// One entry of a directory.
pub(super) enum Child {
    /// The directory of this number, higher than that of the one it is in.
    Directory(usize),
    /// Anything else.
    Inode(Arc<Inode>),
}

impl Child {
    pub(super) fn is_directory(&self) -> bool {
        matches!(self, Self::Directory(_))
    }
}

impl Found {
    pub(super) fn new(directory: usize, excluded: bool) -> Self {
        Self { directory, excluded, meta: None, children: Vec::new(), replacement: None }
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
        let mut children = Vec::new();
        let mut next = Some(first);
        while let Some(part) = next {
            if let Some(meta) = part.meta {
                (directory.meta, exists) = (meta, true);
            }
            replacement = replacement.or(part.replacement);
            children.push(part.children);
            next = parts.next_if(|part| part.directory == number);
        }
        // From a sequence that is sorted for the most part, a map is made in one go, and without gaps.
        directory.children = children
            .into_iter()
            .flatten()
            .filter_map(|(name, child)| match child {
                Child::Inode(inode) => Some((name, Node::Inode(inode))),
                Child::Directory(number) => finished.remove(&number).map(|node| (name, node)),
            })
            .collect();
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
