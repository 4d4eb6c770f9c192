//! Entries and trees to files.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::rootfs::{Change, Changes, Inode, Kind, Meta, Node, RootFs, RootPath};

use super::meta::{Nodes, make_whiteout, set_meta, set_opaque};

/// Writes a layer in overlay form into `dir`, which may hold a part of it already.
///
/// Parents are made by the layer's own entries ([`Changes`] holds them); no link is followed, since no parent is one.
pub fn unpack(changes: &Changes, dir: &Path) -> io::Result<()> {
    let mut directories: Vec<(PathBuf, &Meta)> = Vec::new();
    for change in &changes.0 {
        let path = dir.join(change.path().as_path());
        let write = || -> io::Result<()> {
            match change {
                Change::Directory { .. } => match fs::create_dir(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    result => result,
                },
                Change::Put { inode, .. } => write_inode(&path, inode, Nodes::Real),
                Change::Link { target, .. } => fs::hard_link(dir.join(target.as_path()), &path),
                Change::Remove { .. } => {
                    fs::create_dir_all(path.parent().unwrap_or(dir))?;
                    make_whiteout(&path)
                }
                Change::Opaque { .. } => {
                    fs::create_dir_all(&path)?;
                    set_opaque(&path)
                }
            }
        };
        write().map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", change.path())))?;
        if let Change::Directory { meta, .. } = change {
            directories.push((path, meta));
        }
    }
    for (path, meta) in directories.into_iter().rev() {
        set_meta(&path, meta, false)?;
    }
    Ok(())
}

/// Writes everything that `root` holds at and below `top` to `place`, which is made if it is not there: a directory's
/// entries are put into it.
pub fn write(root: &RootFs, top: &RootPath, place: &Path, nodes: Nodes) -> io::Result<()> {
    let node = root.get(top).ok_or(io::ErrorKind::NotFound)?;
    write_node(&node, place, nodes, &mut HashMap::new())
}

fn write_node(node: &Node, place: &Path, nodes: Nodes, links: &mut HashMap<*const Inode, PathBuf>) -> io::Result<()> {
    match node {
        Node::Directory(directory) => {
            match fs::create_dir(place) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            for (name, child) in &directory.children {
                write_node(child, &place.join(OsStr::from_bytes(name)), nodes, links)?;
            }
            set_meta(place, &directory.meta, false)
        }
        Node::Inode(inode) => {
            let address = Arc::as_ptr(inode);
            if let Some(first) = links.get(&address) {
                return fs::hard_link(first, place);
            }
            if Arc::strong_count(inode) > 1 {
                links.insert(address, place.to_owned());
            }
            write_inode(place, inode, nodes)
                .map_err(|error| io::Error::new(error.kind(), format!("cannot write {}: {error}", place.display())))
        }
    }
}

/// Writes one file, link or node where nothing stands yet.
pub(super) fn write_inode(path: &Path, inode: &Inode, nodes: Nodes) -> io::Result<()> {
    match &inode.kind {
        Kind::File(file) => {
            file.copy_to(&mut File::create_new(path)?)?;
        }
        Kind::Symlink(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), path)?,
        kind => nodes.make(path, kind)?,
    }
    set_meta(path, &inode.meta, matches!(inode.kind, Kind::Symlink(_)))
}
