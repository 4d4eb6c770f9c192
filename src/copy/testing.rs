//! Trees written and read as short lines, for the tests of this room.

use crate::rootfs::{Directory, File, Inode, Kind, Meta, Node, RootFs, RootPath, Time};

pub(super) type Entry = (String, Node);

/// The time of everything made here.
pub(super) const OLD: Time = Time { seconds: 1_000, nanos: 9 };

pub(super) fn path(text: &str) -> RootPath {
    RootPath::clamped(text.as_bytes())
}

pub(super) fn node(name: &str, mode: u32, uid: u32, gid: u32, kind: Kind) -> Entry {
    let meta = Meta { uid, gid, mtime: OLD, ..Meta::with_mode(mode) };
    (name.to_owned(), Inode { meta, kind }.into())
}

pub(super) fn file(name: &str, text: &str) -> Entry {
    node(name, 0o644, 0, 0, Kind::File(File::inline(text.as_bytes())))
}

pub(super) fn link(name: &str, target: &str) -> Entry {
    node(name, 0o777, 0, 0, Kind::Symlink(target.as_bytes().into()))
}

pub(super) fn directory(name: &str, mode: u32, uid: u32, gid: u32) -> Entry {
    let meta = Meta { uid, gid, mtime: OLD, ..Meta::with_mode(mode) };
    (name.to_owned(), Directory { meta, ..Directory::default() }.into())
}

/// A tree of these, in this order, with parents of mode 0755 where they are missing.
pub(super) fn tree(entries: impl IntoIterator<Item = Entry>) -> RootFs {
    let mut root = RootFs::empty();
    for (name, node) in entries {
        let path = path(&name);
        let (parent, _) = path.split_last().unwrap();
        root.make_directories(&parent, &Meta { mtime: OLD, ..Meta::with_mode(0o755) }).unwrap();
        assert!(root.insert(&path, node), "{name}");
    }
    root
}

/// `/path MODE UID:GID CONTENT`; directories end in `/`, links have their target after `->`.
pub(super) fn listing(root: &RootFs) -> Vec<String> {
    let mut lines = Vec::new();
    root.walk::<()>(&mut |path, node| {
        let meta = node.meta();
        let owner = format!("{}:{}", meta.uid, meta.gid);
        lines.push(match node {
            Node::Directory(_) => format!("{path}/ {:04o} {owner}", meta.mode),
            Node::Inode(inode) => match &inode.kind {
                Kind::Symlink(target) => format!("{path} -> {} {owner}", String::from_utf8_lossy(target)),
                Kind::File(file) => {
                    let text = String::from_utf8(file.read(1 << 20).unwrap()).unwrap();
                    format!("{path} {:04o} {owner} {text:?}", meta.mode)
                }
                kind => format!("{path} {:04o} {owner} {kind:?}", meta.mode),
            },
        });
        Ok(())
    })
    .unwrap();
    lines
}
