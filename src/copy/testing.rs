//! Trees written and read as short lines, for the tests of this room.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CopyError, Env, Scratch, copy, select};
use crate::plan::{CopyOp, CopySource};
use crate::rootfs::{Directory, File, Files, Inode, Kind, Meta, Node, RootFs, RootPath, Time};

pub(super) type Entry = (String, Node);

/// The time of everything made here.
pub(super) const OLD: Time = Time { seconds: 1_000, nanos: 9 };

pub(super) fn path(text: &str) -> RootPath {
    RootPath::clamped(text.as_bytes())
}

pub(super) fn node(name: &str, mode: u32, uid: u32, gid: u32, kind: Kind) -> Entry {
    let meta = Meta { uid, gid, mtime: OLD, ..Meta::with_mode(mode) };
    (name.to_owned(), Inode::new(meta, kind).into())
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

/// The time at which things happen.
pub(super) const NOW: Time = Time { seconds: 2_000, nanos: 0 };

/// `COPY|ADD [--flag…] SOURCE… DEST`, words parted by blanks; `<<NAME` is a heredoc with its name as the body.
pub(super) fn op(text: &str) -> CopyOp {
    let mut words = text.split(' ');
    let mut op = CopyOp::blank(words.next() == Some("ADD"));
    let mut paths = Vec::new();
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("--chown", value) => op.chown = Some(value.to_owned()),
            ("--chmod", value) => op.chmod = Some(value.to_owned()),
            ("--exclude", value) => op.exclude.push(value.to_owned()),
            ("--unpack", value) => op.unpack = Some(value == "true"),
            ("--parents", _) => op.parents = true,
            _ => paths.push(word),
        }
    }
    op.destination = paths.pop().unwrap().to_owned();
    op.sources = paths
        .into_iter()
        .map(|path| match path.strip_prefix("<<") {
            Some(name) => CopySource::Heredoc { name: name.to_owned(), content: name.into() },
            None => CopySource::Path(path.to_owned()),
        })
        .collect();
    op
}

#[derive(Clone, Debug)]
struct Place(PathBuf);

impl Scratch for Place {
    fn place(&self) -> io::Result<(&Path, Arc<dyn Files>)> {
        Ok((&self.0, Arc::new(self.clone())))
    }
}

impl Files for Place {
    fn open(&self, path: &RootPath) -> io::Result<std::fs::File> {
        std::fs::File::open(self.0.join(path.as_path()))
    }
}

/// `target` after `text` with the files of `source`. The scratch directory is kept as long as the result.
pub(super) fn run(target: &RootFs, source: &RootFs, text: &str) -> Result<(RootFs, tempfile::TempDir), CopyError> {
    let scratch = tempfile::tempdir().unwrap();
    let env = Env { now: NOW, scratch: &Place(scratch.path().to_owned()), destination_is_scratch: false };
    let op = op(text);
    let mut root = target.clone();
    copy(&mut root, &select(source, &op)?, &op, &env)?;
    Ok((root, scratch))
}

/// The lines of the listing of `text`'s result that `target` does not have, and those it lost with a `-`.
pub(super) fn changes(target: &RootFs, source: &RootFs, text: &str) -> Result<Vec<String>, CopyError> {
    let (after, _scratch) = run(target, source, text)?;
    let (before, after) = (listing(target), listing(&after));
    let lost = before.iter().filter(|line| !after.contains(line)).map(|line| format!("-{line}"));
    Ok(lost.chain(after.iter().filter(|line| !before.contains(line)).cloned()).collect())
}

/// Runs rows of what is shown, an instruction, and the changes or the error that it makes.
pub(super) fn check(target: &RootFs, source: &RootFs, rows: &[(&str, &str, &[&str])]) {
    for (row, text, want) in rows {
        let got = changes(target, source, text).unwrap_or_else(|error| vec![format!("{}: {error}", error.code())]);
        assert_eq!(got, *want, "{row}: {text}");
    }
}
