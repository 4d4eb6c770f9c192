use std::io;
use std::sync::Arc;

use crate::rootfs::{Inode, Kind, Meta, Node, RootPath};

/// What the sources of a COPY or ADD name, before any look at the destination.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub(super) parts: Vec<Part>,
}

/// What one source, or one match of its wildcards, names. Hard links stay within it (COPY-34).
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The path as people know it; its last name is the one that a file keeps.
    pub(super) path: RootPath,
    /// The file, or the directory whose contents are copied, with only what is taken of it.
    pub(super) node: Node,
    /// Whether a file that is an archive is unpacked (ADD-3, ADD-6).
    pub(super) unpack: bool,
    /// `--parents`: directories that the destination has keep what they have.
    pub(super) keeps_directories: bool,
}

impl Selection {
    /// A file that was fetched under the name `name`: mode, owner and time as given, 0600 and 0:0 for a download
    /// (ADD-10). With `unpack`, it is unpacked if it is an archive (`--unpack`, ADD-6).
    pub fn of_file(name: &str, inode: Inode, unpack: bool) -> Self {
        let path = RootPath::clamped(name.as_bytes());
        let node = inode.into();
        Self { parts: vec![Part { path, node, unpack, keeps_directories: false }] }
    }

    /// What stands at `path`, whatever it is: for mounts, and for trees that were fetched (ADD-20).
    pub fn of_node(path: &str, node: Node) -> Self {
        let path = RootPath::clamped(path.as_bytes());
        Self { parts: vec![Part { path, node, unpack: false, keeps_directories: false }] }
    }

    /// All of `later` comes after what is here.
    pub fn append(&mut self, later: Self) {
        self.parts.extend(later.parts);
    }

    /// Whether no source names anything (COPY-15).
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many names have what they name itself copied, not what is in it: all but directories.
    pub fn names(&self) -> usize {
        self.parts.iter().filter(|part| !part.node.is_directory()).count()
    }

    /// The regular files of all, hard links more than once, so that they can be digested in parallel.
    pub fn files(&self) -> Vec<Arc<Inode>> {
        let mut files = Vec::new();
        for part in &self.parts {
            collect_files(&part.node, &mut files);
        }
        files
    }

    /// What the key of a step counts of the files: calls `visit` for each entry, always in the same order, with the name as
    /// people know it, a directory's with a slash after it, and a checksum of kind, mode, owner, attributes, link target and
    /// content, but of no time (SUM-1 to SUM-9).
    ///
    /// A single source is named from its last component on, so that the directory it lies in does not count
    /// (SUM-5). Reads the files whose digests are not known yet.
    pub fn each_sum(&self, visit: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
        for part in &self.parts {
            let shown = match part.path.split_last() {
                Some((_, name)) if self.parts.len() == 1 => RootPath::root().join(name),
                _ => part.path.clone(),
            };
            each_sum(&part.node, &mut shown.to_string().split_off(1), visit)?;
        }
        Ok(())
    }
}

fn collect_files(node: &Node, files: &mut Vec<Arc<Inode>>) {
    match node {
        Node::Inode(inode) if matches!(inode.kind, Kind::File(_)) => files.push(Arc::clone(inode)),
        Node::Inode(_) => {}
        Node::Directory(directory) => directory.children.values().for_each(|node| collect_files(node, files)),
    }
}

/// For `node`, which is called `name`, and all below it. `name` is the same afterwards.
fn each_sum(node: &Node, name: &mut String, visit: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
    let Node::Directory(directory) = node else { return visit(name, sum(node)?.to_hex().as_str()) };
    let length = name.len();
    name.push('/');
    visit(name, sum(node)?.to_hex().as_str())?;
    // The root has no name, and no slash before what is in it.
    name.truncate(if length == 0 { 0 } else { length + 1 });
    let inside = name.len();
    for (child, node) in &directory.children {
        name.push_str(&String::from_utf8_lossy(child));
        each_sum(node, name, visit)?;
        name.truncate(inside);
    }
    name.truncate(length);
    Ok(())
}

/// SUM-1 to SUM-3. Everything of unknown length has its length before it, so that no two entries read alike.
fn sum(node: &Node) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut sized = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let (kind, content, numbers): (&[u8], &[u8], [u64; 2]) = match node {
        Node::Directory(_) => (b"directory", b"", [0, 0]),
        Node::Inode(inode) => match &inode.kind {
            Kind::File(file) => (b"file", &file.digest()?.0, [file.size, 0]),
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
    use crate::rootfs::RootFs;
    use crate::rootfs::Time;

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
        select(root, &op(text)).unwrap().each_sum(&mut push).unwrap();
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
