//! What the key of a step counts of the files it reads.

use std::collections::btree_map;
use std::io;
use std::slice;

use crate::context::Digester;
use crate::rootfs::{Directory, Kind, Meta, Node, RootPath};

use super::selection::{Part, Selection};

/// Entries of one block, at most.
const MOST: usize = 512;
/// Bytes of one block that have to be read, as far as they come in several files.
const MOST_READ: u64 = 4 << 20;

/// The entries of a selection, always in the same order, some at a time: what they count as can be found out for several
/// blocks at once.
#[derive(Debug)]
pub struct Blocks<'a> {
    parts: slice::Iter<'a, Part>,
    /// A single source is named from its last component on, so that the directory it lies in does not count (SUM-5).
    is_single: bool,
    open: Vec<Open<'a>>,
    /// Of the last entry.
    name: String,
    threads: usize,
}

/// A directory whose entries come next.
#[derive(Debug)]
struct Open<'a> {
    children: btree_map::Iter<'a, Box<[u8]>, Node>,
    /// How much of the name stands before theirs.
    inside: usize,
}

/// Some entries with their names.
#[derive(Debug)]
pub struct Block<'a> {
    /// One after the other.
    names: String,
    /// Each with the end of its name.
    entries: Vec<(usize, &'a Node)>,
    threads: usize,
}

impl Selection {
    /// All entries, whose sums [`Block::each`] tells; `threads` read what is large and not digested yet.
    pub fn blocks(&self, threads: usize) -> Blocks<'_> {
        Blocks {
            parts: self.parts.iter(),
            is_single: self.parts.len() == 1,
            open: Vec::new(),
            name: String::new(),
            threads,
        }
    }
}

impl<'a> Blocks<'a> {
    /// The next entry; its name is in `name`.
    fn entry(&mut self) -> Option<&'a Node> {
        let node = loop {
            let Some(Open { children, inside }) = self.open.last_mut() else {
                let part = self.parts.next()?;
                let shown = match part.path.split_last() {
                    Some((_, name)) if self.is_single => RootPath::root().join(name),
                    _ => part.path.clone(),
                };
                self.name = shown.to_string().split_off(1);
                break &part.node;
            };
            self.name.truncate(*inside);
            match children.next() {
                Some((name, node)) => {
                    self.name.push_str(&String::from_utf8_lossy(name));
                    break node;
                }
                None => drop(self.open.pop()),
            }
        };
        if let Node::Directory(directory) = node {
            self.enter(directory);
        }
        Some(node)
    }

    fn enter(&mut self, directory: &'a Directory) {
        self.name.push('/');
        // The root has no name, and no slash before what is in it.
        let inside = if self.name.len() == 1 { 0 } else { self.name.len() };
        self.open.push(Open { children: directory.children.iter(), inside });
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let mut block = Block { names: String::new(), entries: Vec::new(), threads: self.threads };
        let mut unread = 0;
        while block.entries.len() < MOST && unread < MOST_READ {
            let Some(node) = self.entry() else { break };
            block.names.push_str(&self.name);
            block.entries.push((block.names.len(), node));
            unread += node.as_file().filter(|file| file.digest.get().is_none()).map_or(0, |file| file.size);
        }
        (!block.entries.is_empty()).then_some(block)
    }
}

impl Block<'_> {
    /// Calls `visit` for each entry, with the name as people know it, a directory's with a slash after it, and a checksum of
    /// kind, mode, owner, attributes, link target and content, but of no time (SUM-1 to SUM-9).
    ///
    /// Reads the files whose digests are not known yet.
    pub fn each(&self, visit: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
        let mut digester = Digester::new(self.threads);
        let mut start = 0;
        for (end, node) in &self.entries {
            visit(&self.names[start..*end], sum(node, &mut digester)?.to_hex().as_str())?;
            start = *end;
        }
        Ok(())
    }
}

/// SUM-1 to SUM-3. Everything of unknown length has its length before it, so that no two entries read alike.
fn sum(node: &Node, digester: &mut Digester) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut sized = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let (kind, content, numbers): (&[u8], &[u8], [u64; 2]) = match node {
        Node::Directory(_) => (b"directory", b"", [0, 0]),
        Node::Inode(inode) => match &inode.kind {
            Kind::File(file) => (b"file", &digester.digest(file)?.0, [file.size, 0]),
            Kind::Symlink(target) => (b"link", target, [0, 0]),
            Kind::CharDevice(major, minor) => (b"character device", b"", [(*major).into(), (*minor).into()]),
            Kind::BlockDevice(major, minor) => (b"block device", b"", [(*major).into(), (*minor).into()]),
            Kind::Fifo => (b"fifo", b"", [0, 0]),
        },
    };
    sized(kind);
    sized(content);
    let Meta { mode, uid, gid, xattrs, .. } = node.meta();
    for (name, value) in xattrs.iter().filter(|(name, _)| counts(name)) {
        sized(name);
        sized(value);
    }
    let mode = if node.as_symlink().is_some() { 0o777 } else { *mode };
    for number in [numbers[0], numbers[1], mode.into(), (*uid).into(), (*gid).into()] {
        hasher.update(&number.to_le_bytes());
    }
    Ok(hasher.finalize())
}

/// Whether an extended attribute is part of a checksum (SUM-1).
fn counts(name: &[u8]) -> bool {
    name == b"security.capability" || !(name.starts_with(b"security.") || name.starts_with(b"system."))
}

#[cfg(test)]
mod tests {
    use super::super::select;
    use super::super::testing::{directory, file, link, op, path, tree};
    use super::*;
    use crate::rootfs::{Inode, RootFs, Time};

    fn source() -> RootFs {
        tree([
            directory("d", 0o755, 0, 0),
            file("d/f", "one"),
            file("d/sub/g", "two"),
            link("d/l", "f"),
            file("e/f", "one"),
            link("lf", "d/f"),
        ])
    }

    fn sums(root: &RootFs, text: &str) -> Vec<(String, String)> {
        let mut sums = Vec::new();
        let mut push = |name: &str, value: &str| {
            sums.push((name.to_owned(), value.to_owned()));
            Ok(())
        };
        let selection = select(root, &op(text)).unwrap();
        selection.blocks(1).try_for_each(|block| block.each(&mut push)).unwrap();
        sums.sort();
        sums
    }

    fn with_file(edit: impl FnOnce(&mut Inode)) -> RootFs {
        let mut root = source();
        let Some(Node::Inode(inode)) = root.get(&path("d/f")) else { unreachable!() };
        let mut inode = (*inode).clone();
        edit(&mut inode);
        assert!(root.insert(&path("d/f"), inode.into()));
        root
    }

    #[test]
    fn sum_5_names_are_those_that_people_know() {
        let root = source();
        for (text, want) in [
            ("COPY d /", &["d/", "d/f", "d/l", "d/sub/", "d/sub/g"][..]),
            ("COPY d/sub /", &["sub/", "sub/g"]),
            ("COPY d/f e/f /", &["d/f", "e/f"]),
            ("COPY lf /", &["lf"]),
            ("COPY d/sub/. /", &["sub/", "sub/g"]),
            ("COPY --exclude=d . /", &["/", "e/", "e/f", "lf"]),
            ("COPY --parents d/sub/g /", &["/", "d/", "d/sub/", "d/sub/g"]),
            ("COPY none* /", &[]),
            ("COPY <<here /", &[]),
        ] {
            let names: Vec<_> = sums(&root, text).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, want, "{text}");
        }
    }

    #[test]
    fn sum_5_and_6_the_directory_does_not_count_and_links_are_followed() {
        let root = source();
        assert_eq!(sums(&root, "COPY d/f /"), sums(&root, "COPY e/f /"));
        assert_eq!(sums(&root, "COPY lf /")[0].1, sums(&root, "COPY d/f /")[0].1);
        assert_ne!(sums(&root, "COPY d/l /"), sums(&root, "COPY d /"));
    }

    #[test]
    fn sum_1_and_2_what_counts() {
        let before = sums(&source(), "COPY d /");
        let attribute = |name: &'static [u8]| {
            move |inode: &mut Inode| {
                inode.meta.xattrs.insert(name.into(), (*b"v").into());
            }
        };
        for (row, root, counts) in [
            ("mode", with_file(|inode| inode.meta.mode = 0o600), true),
            ("owner", with_file(|inode| inode.meta.uid = 5), true),
            ("group", with_file(|inode| inode.meta.gid = 5), true),
            ("content", with_file(|inode| inode.kind = Kind::File(crate::rootfs::File::inline(*b"ONE"))), true),
            ("kind", with_file(|inode| inode.kind = Kind::Fifo), true),
            ("device", with_file(|inode| inode.kind = Kind::CharDevice(1, 2)), true),
            ("attribute", with_file(attribute(b"user.x")), true),
            ("capability", with_file(attribute(b"security.capability")), true),
            ("label", with_file(attribute(b"security.selinux")), false),
            ("time", with_file(|inode| inode.meta.mtime = Time { seconds: 5, nanos: 5 }), false),
        ] {
            assert_eq!(sums(&root, "COPY d /") != before, counts, "{row}");
        }
    }
}
