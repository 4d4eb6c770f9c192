//! The regular files of a walk, as far as an index wants to know them. There may be a million: each takes 32 bytes.

use std::sync::{Arc, Weak};

use crate::rootfs::{Content, ContentDigest, Inode, Kind, RootPath, Time};

use super::index::{Remembered, Stamp};

/// What an index knew of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Memory {
    /// Nothing, or nothing certain.
    Nothing,
    /// All but the digest.
    Stamp,
    /// The digest too.
    Digest,
}

/// Files of one directory.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) directory: RootPath,
    files: Vec<Tracked>,
    /// Names of those that have several: the inode knows only one. By place in `files`.
    names: Vec<(usize, Box<[u8]>)>,
}

/// One file. It holds no inode, since who copies files asks whether an inode has one holder; size, mode and time are the
/// inode's.
#[derive(Debug)]
struct Tracked {
    inode: Weak<Inode>,
    number: u64,
    changed_seconds: i64,
    changed_nanos: u32,
    memory: Memory,
}

impl Run {
    pub(super) fn new(directory: RootPath) -> Self {
        Self { directory, files: Vec::new(), names: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Adds the file of this `name`; with `linked`, it has others.
    pub(super) fn add(&mut self, name: &[u8], linked: bool, inode: &Arc<Inode>, stamp: &Stamp, memory: Memory) {
        if linked {
            self.names.push((self.files.len(), name.into()));
        }
        let Time { seconds: changed_seconds, nanos: changed_nanos } = stamp.changed();
        let (inode, number) = (Arc::downgrade(inode), stamp.inode());
        self.files.push(Tracked { inode, number, changed_seconds, changed_nanos, memory });
    }

    /// Gives back what the vectors have grown too large by.
    pub(super) fn shrink(&mut self) {
        self.files.shrink_to_fit();
    }

    /// Whether an index would say nothing of these files that it has not said before.
    pub(super) fn is_known(&self) -> bool {
        self.files.iter().all(|file| match file.memory {
            Memory::Nothing => false,
            Memory::Stamp => file.inode.upgrade().is_none_or(|inode| digest(&inode).is_none()),
            Memory::Digest => true,
        })
    }

    /// The inodes with their names.
    pub(super) fn inodes(&self) -> impl Iterator<Item = (Arc<Inode>, Option<&[u8]>, Stamp)> {
        let mut names = self.names.iter().peekable();
        self.files.iter().enumerate().filter_map(move |(place, file)| {
            let name = names.next_if(|(of, _)| *of == place).map(|(_, name)| &**name);
            let inode = file.inode.upgrade()?;
            let changed = Time { seconds: file.changed_seconds, nanos: file.changed_nanos };
            let stamp = Stamp::of_inode(&inode, file.number, changed)?;
            Some((inode, name, stamp))
        })
    }
}

/// What an index keeps of a file.
pub(super) fn remembered<'a>(inode: &'a Inode, name: Option<&'a [u8]>, stamp: Stamp) -> Option<Remembered<'a>> {
    let xattrs = inode.meta.xattrs.iter().map(|(name, value)| (&**name, &**value)).collect();
    Some(Remembered { name: name.or_else(|| own_name(inode))?, stamp, digest: digest(inode), xattrs })
}

fn own_name(inode: &Inode) -> Option<&[u8]> {
    match &inode.kind {
        Kind::File(file) => match &file.content {
            Content::At { path, .. } => path.components().next_back(),
            Content::Inline(_) => None,
        },
        _ => None,
    }
}

fn digest(inode: &Inode) -> Option<ContentDigest> {
    match &inode.kind {
        Kind::File(file) => file.digest.get().copied(),
        _ => None,
    }
}
