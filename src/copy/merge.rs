use std::collections::HashMap;
use std::sync::Arc;

use super::CopyError;
use super::chmod::Chmod;
use super::chown::Owner;
use crate::rootfs::{Directory, Inode, Kind, Meta, Node, RootPath};

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

    /// The copy of `inode`.
    pub(super) fn inode(&mut self, inode: &Arc<Inode>) -> Arc<Inode> {
        // One holder means one name: no need to remember it.
        let linked = matches!(inode.kind, Kind::File(_)) && Arc::strong_count(inode) > 1;
        if linked && let Some(copy) = self.copies.get(&Arc::as_ptr(inode)) {
            return Arc::clone(copy);
        }
        let symlink = matches!(inode.kind, Kind::Symlink(_));
        let meta = self.meta(&inode.meta, if symlink { None } else { Some(false) });
        let copy = Arc::new(Inode { meta, kind: inode.kind.clone() });
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
                        let mut meta = self.meta(&source.meta, Some(true));
                        let old = std::mem::take(&mut there.meta.xattrs);
                        old.into_iter().for_each(|(name, value)| {
                            meta.xattrs.entry(name).or_insert(value);
                        });
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

    /// The copy of `node` and all below it, where nothing is in the way.
    fn fresh(&mut self, node: &Node) -> Node {
        match node {
            Node::Inode(inode) => Node::Inode(self.inode(inode)),
            Node::Directory(directory) => {
                let meta = self.meta(&directory.meta, Some(true));
                let children = directory.children.iter().map(|(name, node)| (name.clone(), self.fresh(node)));
                Directory { children: children.collect(), meta }.into()
            }
        }
    }

    /// `directory`: `None` for a link, whose mode `--chmod` leaves alone (COPY-41).
    fn meta(&self, meta: &Meta, directory: Option<bool>) -> Meta {
        let mut meta = meta.clone();
        if let Some(owner) = self.owner {
            (meta.uid, meta.gid) = (owner.uid, owner.gid);
        }
        if let (Some(chmod), Some(directory)) = (self.chmod, directory) {
            meta.mode = chmod.apply(meta.mode, directory);
        }
        meta
    }
}
