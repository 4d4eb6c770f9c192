use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::{Content, Directory, File, Files, Inode, Kind, Meta, Node, RootFs, RootPath};

/// One entry of a layer.
#[derive(Clone, Debug)]
pub enum Change {
    /// `path` is this directory; what it held below stays.
    Directory {
        /// Where.
        path: RootPath,
        /// Its mode, owner, times. Its children are entries of their own.
        meta: Box<Meta>,
    },
    /// `path` is this inode, in place of anything that was there.
    Put {
        /// Where.
        path: RootPath,
        /// What.
        inode: Arc<Inode>,
    },
    /// `path` is one more name of what stands at `target`.
    Link {
        /// Where.
        path: RootPath,
        /// The first name.
        target: RootPath,
    },
    /// `path` of the lower layers is gone (a whiteout).
    Remove {
        /// What is gone.
        path: RootPath,
    },
    /// All that the lower layers hold in the directory `path` is gone (an opaque mark).
    Opaque {
        /// The directory.
        path: RootPath,
    },
}

/// The entries of one layer in the order of its tar: depth first, siblings by byte order, a directory
/// before what it holds, and in each directory the removals first (TAR-2, TAR-3).
#[derive(Clone, Debug, Default)]
pub struct Changes(pub Vec<Change>);

impl Change {
    /// The path that the entry is about.
    pub fn path(&self) -> &RootPath {
        match self {
            Self::Directory { path, .. }
            | Self::Put { path, .. }
            | Self::Link { path, .. }
            | Self::Remove { path }
            | Self::Opaque { path } => path,
        }
    }
}

impl Changes {
    /// Lets every new file of `files` be read under the path that its entry has: one inode may have been found under another
    /// name first, which is no entry.
    pub fn read_in_place(&mut self, files: &Arc<dyn Files>) {
        for change in &mut self.0 {
            let Change::Put { path, inode } = change else { continue };
            let Kind::File(file) = &inode.kind else { continue };
            let Content::At { files: holder, path: known } = &file.content else { continue };
            if Arc::ptr_eq(holder, files) && known != path {
                let moved =
                    File { digest: file.digest.clone(), ..File::at(Arc::clone(files), path.clone(), file.size) };
                *inode = Arc::new(Inode::new(inode.meta.clone(), Kind::File(moved)));
            }
        }
    }

    /// Whether the content digests of all new files are known: nothing need be read to tell of them.
    pub fn are_digested(&self) -> bool {
        self.0.iter().all(|change| match change {
            Change::Put { inode, .. } => !matches!(&inode.kind, Kind::File(file) if file.digest.get().is_none()),
            _ => true,
        })
    }

    /// No entry keeps a time later than `latest`.
    pub fn clamp_times(&mut self, latest: super::Time) {
        for change in &mut self.0 {
            match change {
                Change::Directory { meta, .. } => meta.mtime = meta.mtime.min(latest),
                Change::Put { inode, .. } if inode.meta.mtime > latest => {
                    Arc::make_mut(inode).meta.mtime = latest;
                }
                Change::Put { .. } | Change::Link { .. } | Change::Remove { .. } | Change::Opaque { .. } => {}
            }
        }
    }
}

impl RootFs {
    /// Applies a layer on top (APPLY-1 to APPLY-4). Removals and opaque marks touch only what was there before,
    /// whatever the order of entries. Missing parents are made. A link whose target is missing is an error that
    /// names its path.
    pub fn apply(&mut self, changes: &Changes) -> Result<(), RootPath> {
        for change in &changes.0 {
            match change {
                Change::Remove { path } => {
                    self.remove(path);
                }
                Change::Opaque { path } => {
                    if let Some(directory) = self.directory_mut(path) {
                        directory.children.clear();
                    }
                }
                _ => {}
            }
        }
        for change in &changes.0 {
            match change {
                Change::Remove { .. } | Change::Opaque { .. } => {}
                Change::Directory { path, meta } => match self.directory_mut(path) {
                    Some(directory) => directory.meta = Meta::clone(meta),
                    None => self.place(path, Directory { meta: Meta::clone(meta), ..Directory::default() }.into()),
                },
                Change::Put { path, inode } => self.place(path, Node::Inode(Arc::clone(inode))),
                Change::Link { path, target } => match self.get(target) {
                    Some(node @ Node::Inode(_)) => self.place(path, node),
                    _ => return Err(path.clone()),
                },
            }
        }
        Ok(())
    }

    /// Inserts, making parents that are missing and replacing parents that are no directories.
    fn place(&mut self, path: &RootPath, node: Node) {
        if let Some((parent, _)) = path.split_last() {
            let mut at = RootPath::root();
            for name in parent.components() {
                at = at.join(name);
                if !self.get(&at).is_some_and(|node| node.is_directory()) {
                    let meta = Meta::with_mode(0o755);
                    self.insert(&at, Directory { meta, ..Directory::default() }.into());
                }
            }
        }
        self.insert(path, node);
    }

    /// What must be written on top of `lower` to get `self` (DIFF-1 to DIFF-5), parents included (TAR-2).
    ///
    /// Shared parts are not looked at. Files with equal metadata, size and time are compared by content.
    /// A directory whose only difference is its time is no change.
    pub fn changes_since(&self, lower: &Self) -> io::Result<Changes> {
        Ok(self.difference(lower)?.0)
    }

    /// As [`RootFs::changes_since`]; and whether these changes on top of `lower` give `self` to the last time and attribute.
    pub fn difference(&self, lower: &Self) -> io::Result<(Changes, bool)> {
        // A list that grows is held twice while it does.
        let out = Vec::with_capacity(entries(self.root(), Some(lower.root())));
        let mut differ = Differ { out, ..Differ::default() };
        differ.directory(&RootPath::root(), self.root(), lower.root())?;
        let exact = !differ.passed_over && self.root().meta == lower.root().meta;
        Ok((Changes(differ.out), exact))
    }
}

/// How many entries of `new` may be others than in `old`.
fn entries(new: &Arc<Directory>, old: Option<&Arc<Directory>>) -> usize {
    if old.is_some_and(|old| Arc::ptr_eq(new, old)) {
        return 0;
    }
    let below = new.children.iter().filter_map(|(name, node)| {
        let old = || old?.children.get(name)?.as_directory();
        node.as_directory().map(|directory| entries(directory, old()))
    });
    new.children.len() + below.sum::<usize>()
}

#[derive(Default)]
struct Differ {
    out: Vec<Change>,
    /// First name written of each inode, by address: the tree keeps the inodes alive meanwhile.
    names: HashMap<*const Inode, RootPath>,
    /// Directories on the way down that are not written yet.
    open: Vec<(RootPath, Meta)>,
    /// Something is another one, and yet no change.
    passed_over: bool,
}

impl Differ {
    fn directory(&mut self, at: &RootPath, new: &Arc<Directory>, old: &Arc<Directory>) -> io::Result<()> {
        if Arc::ptr_eq(new, old) {
            return Ok(());
        }
        for name in old.children.keys().filter(|name| !new.children.contains_key(*name)) {
            self.emit(Change::Remove { path: at.join(name) });
        }
        for (name, node) in &new.children {
            self.node(&at.join(name), node, old.children.get(name))?;
        }
        Ok(())
    }

    fn node(&mut self, path: &RootPath, new: &Node, old: Option<&Node>) -> io::Result<()> {
        match (new, old) {
            (new, Some(old)) if new.is(old) => {}
            (Node::Directory(new), Some(Node::Directory(old))) => {
                if same_owner_and_mode(&new.meta, &old.meta) {
                    self.open.push((path.clone(), new.meta.clone()));
                    self.directory(path, new, old)?;
                    // Already drained when something below was written.
                    if self.open.last().is_some_and(|(open, _)| open == path) {
                        self.open.pop();
                        self.passed_over |= new.meta != old.meta;
                    }
                } else {
                    self.emit(Change::Directory { path: path.clone(), meta: new.meta.clone().into() });
                    self.directory(path, new, old)?;
                }
            }
            (Node::Directory(new), _) => {
                self.emit(Change::Directory { path: path.clone(), meta: new.meta.clone().into() });
                for (name, node) in &new.children {
                    self.node(&path.join(name), node, None)?;
                }
            }
            (Node::Inode(new), old) => {
                // An unchanged name is left out, even where another name of the inode is new (M-30).
                if let Some(Node::Inode(old)) = old
                    && new.is_same(old)?
                {
                    self.passed_over = true;
                    return Ok(());
                }
                // One holder means one name.
                if Arc::strong_count(new) > 1 {
                    if let Some(target) = self.names.get(&Arc::as_ptr(new)).cloned() {
                        self.emit(Change::Link { path: path.clone(), target });
                        return Ok(());
                    }
                    self.names.insert(Arc::as_ptr(new), path.clone());
                }
                // A file that lies where its bytes do has this path already: a million of them take less room so.
                let path = match &new.kind {
                    Kind::File(File { content: Content::At { path: same, .. }, .. }) if same == path => same,
                    _ => path,
                };
                self.emit(Change::Put { path: path.clone(), inode: Arc::clone(new) });
            }
        }
        Ok(())
    }

    fn emit(&mut self, change: Change) {
        let parents = self.open.drain(..).map(|(path, meta)| Change::Directory { path, meta: meta.into() });
        self.out.extend(parents);
        self.out.push(change);
    }
}

/// All of DIFF-1 that a directory has.
fn same_owner_and_mode(a: &Meta, b: &Meta) -> bool {
    const CAPABILITY: &[u8] = b"security.capability";
    (a.mode, a.uid, a.gid) == (b.mode, b.uid, b.gid) && a.xattrs.get(CAPABILITY) == b.xattrs.get(CAPABILITY)
}

impl Inode {
    /// DIFF-1 for everything but directories. The content of files is compared when all the rest is equal: the reference
    /// trusts size and time there, and loses writes of the same clock tick (M-23).
    pub fn is_same(&self, old: &Self) -> io::Result<bool> {
        if !same_owner_and_mode(&self.meta, &old.meta) || self.meta.mtime != old.meta.mtime {
            return Ok(false);
        }
        Ok(match (&self.kind, &old.kind) {
            (Kind::File(a), Kind::File(b)) => a.size == b.size && same_content(a, b)?,
            (Kind::Symlink(a), Kind::Symlink(b)) => a == b,
            (Kind::CharDevice(a, b), Kind::CharDevice(c, d)) | (Kind::BlockDevice(a, b), Kind::BlockDevice(c, d)) => {
                (a, b) == (c, d)
            }
            (Kind::Fifo, Kind::Fifo) => true,
            _ => false,
        })
    }
}

fn same_content(a: &File, b: &File) -> io::Result<bool> {
    Ok(a.size == 0 || a.digest()? == b.digest()?)
}

#[cfg(test)]
mod tests {
    use super::super::{Meta, Time};
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::clamped(text.as_bytes())
    }

    fn file(text: &str) -> Node {
        let meta = Meta { mtime: Time { seconds: 1, nanos: 0 }, ..Meta::with_mode(0o644) };
        Inode::new(meta, Kind::File(File::inline(text.as_bytes()))).into()
    }

    fn with(files: &[(&str, &str)]) -> RootFs {
        let mut fs = RootFs::empty();
        for (name, text) in files {
            let path = path(name);
            fs.make_directories(&path.split_last().unwrap().0, &Meta::with_mode(0o755)).unwrap();
            assert!(fs.insert(&path, file(text)));
        }
        fs
    }

    fn check(lower: &RootFs, upper: &RootFs, want: &[&str]) {
        let changes = upper.changes_since(lower).unwrap();
        let shown: Vec<String> = changes
            .0
            .iter()
            .map(|change| match change {
                Change::Directory { path, .. } => format!("{path}/"),
                Change::Put { path, .. } => path.to_string(),
                Change::Link { path, target } => format!("{path} = {target}"),
                Change::Remove { path } => format!("-{path}"),
                Change::Opaque { path } => format!("--{path}"),
            })
            .collect();
        assert_eq!(shown, want);
        let mut applied = lower.clone();
        applied.apply(&changes).unwrap();
        assert!(applied.changes_since(upper).unwrap().0.is_empty(), "apply(a, diff(a, b)) = b");
        assert!(upper.changes_since(&applied).unwrap().0.is_empty(), "apply(a, diff(a, b)) = b");
    }

    #[test]
    fn tar_2_parents_of_a_change_are_written_once() {
        let lower = with(&[("a/b/one", "1"), ("a/c/two", "2")]);
        let upper = with(&[("a/b/one", "1"), ("a/b/new", "n"), ("a/c/two", "3")]);
        check(&lower, &upper, &["/a/", "/a/b/", "/a/b/new", "/a/c/", "/a/c/two"]);
    }

    #[test]
    fn diff_4_equal_content_and_time_is_no_change() {
        check(&with(&[("a/x", "1")]), &with(&[("a/x", "1")]), &[]);
    }

    #[test]
    fn tar_11_removals_come_first_and_name_the_top_only() {
        check(&with(&[("d/x/y", "1"), ("k", "2")]), &with(&[("a", "n"), ("k", "2")]), &["-/d", "/a"]);
    }

    #[test]
    fn apply_2_a_directory_becomes_a_file_and_back() {
        let (dir, plain) = (with(&[("x/y", "1")]), with(&[("x", "1")]));
        check(&dir, &plain, &["/x"]);
        check(&plain, &dir, &["/x/", "/x/y"]);
    }

    #[test]
    fn tar_8_the_second_name_is_a_link() {
        let mut upper = RootFs::empty();
        let node = file("same");
        assert!(upper.insert(&path("b"), node.clone()) && upper.insert(&path("a"), node));
        check(&RootFs::empty(), &upper, &["/a", "/b = /a"]);
    }

    #[test]
    fn m_30_an_unchanged_name_is_left_out_though_another_is_new() {
        let lower = with(&[("a", "same"), ("c", "same")]);
        let mut upper = lower.clone();
        // A copied-up file is a new inode with the metadata and content of the old one.
        let node = file("same");
        for name in ["a", "b", "c"] {
            assert!(upper.insert(&path(name), node.clone()));
        }
        let changes = upper.changes_since(&lower).unwrap();
        let names: Vec<String> = changes.0.iter().map(|change| change.path().to_string()).collect();
        assert_eq!(names, ["/b"]);
    }

    #[test]
    fn apply_3_opaque_hides_the_lower_only_whatever_the_order() {
        let mut fs = with(&[("d/old", "1")]);
        let Node::Inode(inode) = file("new") else { unreachable!() };
        let entries = vec![Change::Put { path: path("d/new"), inode }, Change::Opaque { path: path("d") }];
        fs.apply(&Changes(entries)).unwrap();
        assert!(fs.get(&path("d/new")).is_some() && fs.get(&path("d/old")).is_none());
    }
}
