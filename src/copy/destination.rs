use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::CopyError;
use super::chown::{Owner, owner};
use super::make_directories::make_directories;
use super::merge::Merge;
use super::selection::{Part, Selection};
use super::unpack::{Unpacking, is_archive};
use crate::plan::{CopyOp, CopySource};
use crate::rootfs::{Chmod, File, Files, Inode, Kind, Meta, Node, ResolveError, Resolved, RootFs, RootPath, Time};

/// An empty directory, which is made when the first file is put into it.
pub trait Scratch: fmt::Debug {
    /// The directory, and the same as the owner of the files in it.
    fn place(&self) -> io::Result<(&Path, Arc<dyn Files>)>;
}

/// What COPY and ADD need besides the files.
#[derive(Clone, Debug)]
pub struct Env<'a> {
    /// The time of heredoc files and of directories that are made (COPY-23, COPY-60).
    pub now: Time,
    /// Where the members of archives go: numbered files.
    pub scratch: &'a dyn Scratch,
    /// The stage has no layer yet, so that a user name cannot be looked up (COPY-40). So it is with `--link`.
    pub destination_is_scratch: bool,
}

/// Does the COPY or ADD `op`: puts what was selected, then the heredocs, into `root` (COPY-20 to COPY-62, ADD-3 to
/// ADD-6). For `--link` the caller gives an empty root.
///
/// After an error `root` holds a part of the files and must be dropped.
pub fn copy(root: &mut RootFs, selection: &Selection, op: &CopyOp, env: &Env) -> Result<(), CopyError> {
    let chmod = op.chmod.as_deref().map(Chmod::parse).transpose()?;
    let owner = owner(root, op.chown.as_deref().unwrap_or_default(), env.destination_is_scratch)?;
    let destination = Destination {
        path: RootPath::clamped(op.destination.as_bytes()),
        is_directory: op.parents || op.destination.ends_with('/') || op.destination.ends_with("/."),
        made_mode: match chmod {
            // The sticky and set-id bits get lost on the way to the reference's mkdir (M-28).
            Some(Chmod::Octal(mode)) => mode & 0o777,
            _ => 0o755,
        },
        owner,
        now: env.now,
    };
    let mut unpacking = Unpacking::new(env, owner);
    for part in &selection.parts {
        if part.unpack
            && let Some(file) = part.node.as_file()
            && is_archive(file).map_err(|source| CopyError::Read { path: part.path.clone(), source })?
        {
            // An octal `--chmod` has no say here, not even on the directory itself (ADD-4).
            let at = Destination { made_mode: 0o755, ..destination.clone() }.directory(root)?;
            unpacking.archive(root, &at, file, &part.path)?;
        } else {
            destination.place(root, part, chmod.as_ref())?;
        }
    }
    for source in &op.sources {
        if let CopySource::Heredoc { name, content } = source {
            let meta = Meta { mtime: env.now, ..Meta::with_mode(0o644) };
            let inode = Inode::new(meta, Kind::File(File::inline(content.as_slice())));
            let heredoc = Selection::of_file(name, inode, false);
            heredoc.parts.iter().try_for_each(|part| destination.place(root, part, chmod.as_ref()))?;
        }
    }
    Ok(())
}

/// Where to, and what directories are made for it.
#[derive(Clone, Debug)]
struct Destination {
    /// Lexically clean, links not followed yet.
    path: RootPath,
    /// It must be a directory: it ends in a slash.
    is_directory: bool,
    made_mode: u32,
    owner: Option<Owner>,
    now: Time,
}

impl Destination {
    /// COPY-21.
    fn place(&self, root: &mut RootFs, part: &Part, chmod: Option<&Chmod>) -> Result<(), CopyError> {
        let mut merge = Merge::new(self.owner, chmod, part.keeps_directories);
        match &part.node {
            Node::Directory(source) => {
                let at = self.directory(root)?;
                let Some(target) = root.directory_mut(&at) else { return Err(CopyError::NonDirectory(at)) };
                merge.contents(target, source, &at)?;
                target.meta.mtime = source.meta.mtime;
            }
            Node::Inode(inode) => {
                let at = self.file(root, part)?;
                if root.get(&at).is_some_and(|node| node.is_directory()) {
                    return Err(CopyError::DirectoryInTheWay(at));
                }
                if !root.insert(&at, Node::Inode(merge.inode(inode))) {
                    return Err(CopyError::NotADirectory(at));
                }
            }
        }
        Ok(())
    }

    /// Where a file goes; directories that it needs are made.
    fn file(&self, root: &mut RootFs, part: &Part) -> Result<RootPath, CopyError> {
        let Resolved { path, node, .. } = self.resolve(root)?;
        let is_directory = match node {
            Some(Node::Directory(_)) => true,
            Some(Node::Inode(_)) if self.is_directory => return Err(CopyError::NotADirectory(path)),
            Some(Node::Inode(_)) => false,
            None => self.is_directory,
        };
        if is_directory {
            let at = self.directory(root)?;
            let Some((_, name)) = part.path.split_last() else { return Err(CopyError::NotFound(part.path.clone())) };
            return Ok(at.join(name));
        }
        if let Some((parent, _)) = path.split_last() {
            self.make(root, &parent)?;
        }
        Ok(path)
    }

    /// The destination as a directory, made when it is missing.
    fn directory(&self, root: &mut RootFs) -> Result<RootPath, CopyError> {
        let resolved = self.resolve(root)?;
        match resolved.node {
            Some(Node::Directory(_)) => {}
            Some(Node::Inode(_)) => return Err(CopyError::NonDirectory(resolved.path)),
            None => self.make(root, &resolved.path)?,
        }
        Ok(resolved.path)
    }

    /// Follows the links of the destination, the last one too (COPY-24).
    fn resolve(&self, root: &RootFs) -> Result<Resolved, CopyError> {
        root.resolve(self.path.as_bytes(), true).map_err(|error| match error {
            ResolveError::NotADirectory(path) => CopyError::NotADirectory(path),
            ResolveError::Loop(path) => CopyError::Loop(path),
        })
    }

    fn make(&self, root: &mut RootFs, path: &RootPath) -> Result<(), CopyError> {
        if make_directories(root, path, self.made_mode, self.owner, self.now) {
            Ok(())
        } else {
            Err(CopyError::NotADirectory(path.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, OLD, check, directory, file, link, node, path, run, tree};
    use super::*;

    fn source() -> RootFs {
        tree([
            directory("src", 0o711, 0, 0),
            node("src/f", 0o640, 5, 6, Kind::File(File::inline(*b"f"))),
            directory("src/sub", 0o750, 7, 8),
            file("src/sub/g", "g"),
            link("src/l", "f"),
            file("a", "a"),
            file("b", "b"),
            link("la", "a"),
            link("lsrc", "src"),
            node("pipe", 0o620, 3, 4, Kind::Fifo),
            directory("void", 0o500, 0, 0),
        ])
    }

    #[test]
    fn copy_21_the_table_of_destinations() {
        let target = tree([directory("have", 0o700, 7, 8), file("have/old", "o"), file("file", "old")]);
        check(
            &target,
            &source(),
            &[
                ("file, directory", "COPY a /have", &["/have/a 0644 0:0 \"a\""]),
                ("file, directory with slash", "COPY a /have/", &["/have/a 0644 0:0 \"a\""]),
                ("file, directory with dot", "COPY a /have/.", &["/have/a 0644 0:0 \"a\""]),
                (
                    "file, missing with slash",
                    "COPY a /n/m/",
                    &["/n/ 0755 0:0", "/n/m/ 0755 0:0", "/n/m/a 0644 0:0 \"a\""],
                ),
                ("file, missing", "COPY a /n/m", &["/n/ 0755 0:0", "/n/m 0644 0:0 \"a\""]),
                ("file, file", "COPY a /file", &["-/file 0644 0:0 \"old\"", "/file 0644 0:0 \"a\""]),
                ("file, file with slash", "COPY a /file/", &["D-88: /file: not a directory"]),
                ("file, below a file", "COPY a /file/x", &["D-88: /file: not a directory"]),
                ("link to a file keeps the link's name", "COPY la /have", &["/have/la 0644 0:0 \"a\""]),
                ("link to a directory", "COPY lsrc/sub /have", &["/have/g 0644 0:0 \"g\""]),
                ("directory, missing", "COPY src/sub /n", &["/n/ 0755 0:0", "/n/g 0644 0:0 \"g\""]),
                ("directory, missing with slash", "COPY src/sub /n/", &["/n/ 0755 0:0", "/n/g 0644 0:0 \"g\""]),
                ("directory, file", "COPY src /file", &["D-88: cannot copy to non-directory: /file"]),
                ("empty directory", "COPY void /n", &["/n/ 0755 0:0"]),
                ("heredoc, directory", "COPY <<x /have", &["/have/x 0644 0:0 \"x\""]),
                ("heredoc, missing", "COPY <<x /n", &["/n 0644 0:0 \"x\""]),
                ("heredoc, missing with slash", "COPY <<x /n/", &["/n/ 0755 0:0", "/n/x 0644 0:0 \"x\""]),
                ("the root", "COPY a /", &["/a 0644 0:0 \"a\""]),
                ("cleaned before links", "COPY a /p/../q//x", &["/q/ 0755 0:0", "/q/x 0644 0:0 \"a\""]),
                ("COPY-6: the last wins", "COPY a b /n", &["/n 0644 0:0 \"b\""]),
                ("COPY-62: heredocs come last", "COPY <<a a /n/", &["/n/ 0755 0:0", "/n/a 0644 0:0 \"a\""]),
                ("COPY-15: nothing matches", "COPY none* /n/", &[]),
                ("a pipe", "COPY pipe /n", &["/n 0620 3:4 Fifo"]),
            ],
        );
    }

    #[test]
    fn copy_24_links_in_the_destination_are_followed() {
        let target = tree([
            directory("real/dir", 0o755, 0, 0),
            file("real/file", "old"),
            link("ldir", "/real/dir"),
            link("lfile", "real/file"),
            link("later", "/not/yet"),
            link("out", "../../../real"),
            link("circle", "circle"),
            link("real/dir/a", "/real/file"),
        ]);
        check(
            &target,
            &source(),
            &[
                ("to a directory", "COPY b /ldir", &["/real/dir/b 0644 0:0 \"b\""]),
                ("to a file", "COPY a /lfile", &["-/real/file 0644 0:0 \"old\"", "/real/file 0644 0:0 \"a\""]),
                ("to nothing", "COPY a /later", &["/not/ 0755 0:0", "/not/yet 0644 0:0 \"a\""]),
                (
                    "to nothing, slash",
                    "COPY b /later/",
                    &["/not/ 0755 0:0", "/not/yet/ 0755 0:0", "/not/yet/b 0644 0:0 \"b\""],
                ),
                ("out of the root", "COPY b /out/", &["/real/b 0644 0:0 \"b\""]),
                ("in a circle", "COPY a /circle", &["D-87: too many levels of symbolic links in /circle"]),
                (
                    "but not DEST/name",
                    "COPY a /ldir",
                    &["-/real/dir/a -> /real/file 0:0", "/real/dir/a 0644 0:0 \"a\""],
                ),
            ],
        );
    }

    #[test]
    fn copy_23_and_28_directories_that_are_made() {
        let target = tree([directory("gid", 0o2775, 0, 33)]);
        check(
            &target,
            &source(),
            &[
                ("owner", "COPY --chown=5:6 a /n/", &["/n/ 0755 5:6", "/n/a 0644 5:6 \"a\""]),
                ("octal mode", "COPY --chmod=1777 a /n/", &["/n/ 0777 0:0", "/n/a 1777 0:0 \"a\""]),
                ("symbolic mode", "COPY --chmod=go= a /n/", &["/n/ 0755 0:0", "/n/a 0600 0:0 \"a\""]),
                ("set-group-id", "COPY a /gid/n/", &["/gid/n/ 2755 0:33", "/gid/n/a 0644 0:0 \"a\""]),
                ("set-group-id, owner", "COPY --chown=1 a /gid/n/", &["/gid/n/ 2755 1:1", "/gid/n/a 0644 1:1 \"a\""]),
            ],
        );
        let (after, _scratch) = run(&target, &source(), "COPY a <<h /n/").unwrap();
        let time = |name: &str| after.get(&path(name)).unwrap().meta().mtime;
        assert_eq!((time("n"), time("n/a"), time("n/h")), (NOW, OLD, NOW));
    }

    #[test]
    fn copy_40_and_41_owners_and_modes() {
        let target = tree([file("etc/passwd", "worker:x:1000:1001::/:\n")]);
        check(
            &target,
            &source(),
            &[
                (
                    "everything",
                    "COPY --chown=worker --chmod=0700 src /n",
                    &[
                        "/n/ 0700 1000:1001",
                        "/n/f 0700 1000:1001 \"f\"",
                        "/n/l -> f 1000:1001",
                        "/n/sub/ 0700 1000:1001",
                        "/n/sub/g 0700 1000:1001 \"g\"",
                    ],
                ),
                (
                    "each its own mode",
                    "COPY --chmod=a+X,g=u src /n",
                    &[
                        "/n/ 0755 0:0",
                        "/n/f 0660 5:6 \"f\"",
                        "/n/l -> f 0:0",
                        "/n/sub/ 0771 7:8",
                        "/n/sub/g 0664 0:0 \"g\"",
                    ],
                ),
                ("heredocs", "COPY --chown=3 --chmod=444 <<h /h", &["/h 0444 3:3 \"h\""]),
                (
                    "bad mode",
                    "COPY --chmod=wide a /n",
                    &["D-86: invalid chmod parameter: 'wide' is not a symbolic mode such as u+x,go-w"],
                ),
            ],
        );
    }
}
