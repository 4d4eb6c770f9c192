use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::CopyError;
use super::chown::Owner;
use crate::rootfs::{Chmod, Directory, Inode, Kind, Meta, Node, RootPath};

/// How the entries of one source change on their way (COPY-30 to COPY-41).
#[derive(Debug)]
pub(super) struct Merge<'a> {
    pub(super) owner: Option<Owner>,
    pub(super) chmod: Option<&'a Chmod>,
    /// Directories that exist keep mode, owner and attributes (COPY-44).
    pub(super) keeps_directories: bool,
    /// The copies of files that may have further names in this source (COPY-34), by the address of what they are
    /// copies of: the source keeps that alive meanwhile.
    copies: HashMap<*const Inode, Arc<Inode>>,
}

impl<'a> Merge<'a> {
    /// For one source.
    pub(super) fn new(owner: Option<Owner>, chmod: Option<&'a Chmod>, keeps_directories: bool) -> Self {
        Self { owner, chmod, keeps_directories, copies: HashMap::new() }
    }

    /// The copy of `inode`: itself, where it changes nothing and is copied for the first time.
    pub(super) fn inode(&mut self, inode: &Arc<Inode>) -> Arc<Inode> {
        // One holder means one name: no need to remember it.
        let linked = matches!(inode.kind, Kind::File(_)) && Arc::strong_count(inode) > 1;
        if linked && let Some(copy) = self.copies.get(&Arc::as_ptr(inode)) {
            return Arc::clone(copy);
        }
        let symlink = matches!(inode.kind, Kind::Symlink(_));
        let copy = match self.meta(&inode.meta, if symlink { None } else { Some(false) }) {
            Cow::Borrowed(_) if inode.claim() => Arc::clone(inode),
            meta => Arc::new(Inode::new(meta.into_owned(), inode.kind.clone())),
        };
        if linked {
            self.copies.insert(Arc::as_ptr(inode), Arc::clone(&copy));
        }
        copy
    }

    /// Copies the contents of `source` into `target`, which is at `at` (COPY-25, COPY-27).
    pub(super) fn contents(
        &mut self,
        target: &mut Directory,
        source: &Directory,
        at: &RootPath,
    ) -> Result<(), CopyError> {
        for (name, node) in &source.children {
            match (node, target.children.get_mut(name)) {
                (Node::Inode(_), Some(Node::Directory(_))) => {
                    return Err(CopyError::DirectoryInTheWay(at.join(name)));
                }
                (Node::Inode(inode), Some(there)) => *there = Node::Inode(self.inode(inode)),
                (Node::Directory(_), Some(Node::Inode(_))) => return Err(CopyError::NonDirectory(at.join(name))),
                (Node::Directory(source), Some(Node::Directory(there))) => {
                    let there = Arc::make_mut(there);
                    if self.keeps_directories {
                        there.meta.mtime = source.meta.mtime;
                    } else {
                        let mut meta = self.meta(&source.meta, Some(true)).into_owned();
                        let old = std::mem::take(&mut there.meta.xattrs);
                        for (name, value) in old {
                            meta.xattrs.entry(name).or_insert(value);
                        }
                        there.meta = meta;
                    }
                    self.contents(there, source, &at.join(name))?;
                }
                (node, None) => {
                    let new = self.fresh(node);
                    target.children.insert(name.clone(), new);
                }
            }
        }
        Ok(())
    }

    /// The copy of `node` and all below it, where nothing is in the way. A directory in which nothing changes is shared.
    fn fresh(&mut self, node: &Node) -> Node {
        let source = match node {
            Node::Inode(inode) => return Node::Inode(self.inode(inode)),
            Node::Directory(source) => source,
        };
        if let Cow::Owned(meta) = self.meta(&source.meta, Some(true)) {
            let children = source.children.iter().map(|(name, node)| (name.clone(), self.fresh(node)));
            return Directory { children: children.collect(), meta }.into();
        }
        let mut changed: Option<Directory> = None;
        for (name, node) in &source.children {
            let new = self.fresh(node);
            if !new.is(node) {
                changed.get_or_insert_with(|| Directory::clone(source)).children.insert(name.clone(), new);
            }
        }
        match changed {
            Some(directory) => directory.into(),
            None => Node::Directory(Arc::clone(source)),
        }
    }

    /// `directory`: `None` for a link, whose mode `--chmod` leaves alone (COPY-41).
    fn meta<'m>(&self, meta: &'m Meta, directory: Option<bool>) -> Cow<'m, Meta> {
        let (uid, gid) = self.owner.map_or((meta.uid, meta.gid), |owner| (owner.uid, owner.gid));
        let mode = match (self.chmod, directory) {
            (Some(chmod), Some(directory)) => chmod.apply(meta.mode, directory),
            _ => meta.mode,
        };
        if (mode, uid, gid) == (meta.mode, meta.uid, meta.gid) {
            Cow::Borrowed(meta)
        } else {
            Cow::Owned(Meta { mode, uid, gid, ..meta.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, OLD, check, directory, file, link, path, run, tree};
    use super::*;
    use crate::rootfs::{RootFs, Time};

    #[test]
    fn copy_25_what_meets_in_a_merged_tree() {
        let source =
            tree([file("f/x", "new"), file("d/x/y", "new"), link("l/x", "target"), directory("e/x", 0o750, 3, 4)]);
        let target = tree([
            file("file/x", "old"),
            link("link/x", "/file/x"),
            link("dirlink/x", "/dir"),
            directory("dir/x/kept", 0o700, 1, 2),
        ]);
        check(
            &target,
            &source,
            &[
                ("file over file", "COPY f /file", &["-/file/x 0644 0:0 \"old\"", "/file/x 0644 0:0 \"new\""]),
                ("file over link", "COPY f /link", &["-/link/x -> /file/x 0:0", "/link/x 0644 0:0 \"new\""]),
                ("file over directory", "COPY f /dir", &["D-88: cannot replace to directory /dir/x with file"]),
                ("link over directory", "COPY l /dir", &["D-88: cannot replace to directory /dir/x with file"]),
                ("one file over directory", "COPY f/x /dir/", &["D-88: cannot replace to directory /dir/x with file"]),
                ("link over file", "COPY l /file", &["-/file/x 0644 0:0 \"old\"", "/file/x -> target 0:0"]),
                ("directory over file", "COPY d /file", &["D-88: cannot copy to non-directory: /file/x"]),
                ("directory over link", "COPY d /dirlink", &["D-88: cannot copy to non-directory: /dirlink/x"]),
                ("directory over directory", "COPY d /dir", &["/dir/x/y 0644 0:0 \"new\""]),
                ("COPY-27", "COPY e /dir", &["-/dir/x/ 0755 0:0", "/dir/x/ 0750 3:4"]),
            ],
        );
    }

    #[test]
    fn copy_26_the_destination_keeps_all_but_its_time() {
        let source = tree([directory("d", 0o711, 5, 6), file("d/f", "f"), directory("d/sub", 0o750, 7, 8)]);
        let mut target = tree([directory("have", 0o700, 1, 2), directory("have/sub", 0o755, 0, 0)]);
        target.directory_mut(&path("have")).unwrap().meta.mtime = Time::default();
        target.directory_mut(&path("have/sub")).unwrap().meta.mtime = Time::default();
        let (after, _scratch) = run(&target, &source, "COPY d /have").unwrap();
        let meta = |name: &str| after.get(&path(name)).unwrap().meta().clone();
        let have = meta("have");
        assert_eq!((have.mode, have.uid, have.gid, have.mtime), (0o700, 1, 2, OLD));
        assert_eq!(meta("have/sub"), source.get(&path("d/sub")).unwrap().meta().clone());
        let (after, _scratch) = run(&RootFs::empty(), &source, "COPY d /a/b").unwrap();
        assert_eq!(after.get(&path("a")).unwrap().meta().mtime, NOW);
        assert_eq!(after.get(&path("a/b")).unwrap().meta().mtime, OLD);
    }

    #[test]
    fn copy_34_hard_links_stay_within_one_source() {
        let (_, inode) = file("one", "same");
        let source = tree([("d/one".to_owned(), inode.clone()), ("d/sub/two".to_owned(), inode)]);
        let linked = |root: &RootFs, a: &str, b: &str| root.get(&path(a)).unwrap().is(&root.get(&path(b)).unwrap());
        for (text, a, b, want) in [
            ("COPY d /n", "n/one", "n/sub/two", true),
            ("COPY --chown=1:2 --chmod=600 d /n", "n/one", "n/sub/two", true),
            ("COPY d/one d/sub/two /n/", "n/one", "n/two", false),
            ("COPY d/one d/sub /n/", "n/one", "n/two", false),
        ] {
            let (after, _scratch) = run(&RootFs::empty(), &source, text).unwrap();
            assert_eq!(linked(&after, a, b), want, "{text}");
        }
        let (once, _scratch) = run(&RootFs::empty(), &source, "COPY d/one /first").unwrap();
        let (twice, _scratch) = run(&once, &source, "COPY d/one /second").unwrap();
        assert!(!linked(&twice, "first", "second"), "two steps make two files");
    }

    #[test]
    fn copy_33_attributes_go_along() {
        let capability: Box<[u8]> = (*b"security.capability").into();
        let mut source = tree([file("d/f", "f"), directory("d/sub", 0o755, 0, 0)]);
        source.directory_mut(&path("d/sub")).unwrap().meta.xattrs.insert((*b"user.new").into(), (*b"n").into());
        let Some(Node::Inode(inode)) = source.get(&path("d/f")) else { unreachable!() };
        let mut inode = (*inode).clone();
        inode.meta.xattrs.insert(capability.clone(), (*b"cap").into());
        assert!(source.insert(&path("d/f"), inode.into()));
        let mut target = tree([directory("n/sub", 0o755, 0, 0)]);
        target.directory_mut(&path("n/sub")).unwrap().meta.xattrs.insert((*b"user.old").into(), (*b"o").into());
        let (after, _scratch) = run(&target, &source, "COPY --chown=1 d /n").unwrap();
        assert!(after.get(&path("n/f")).unwrap().meta().xattrs.contains_key(&capability));
        assert_eq!(after.get(&path("n/sub")).unwrap().meta().xattrs.len(), 2);
    }
}
