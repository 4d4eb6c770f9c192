use crate::rootfs::{Inode, Node, RootPath};

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
}
