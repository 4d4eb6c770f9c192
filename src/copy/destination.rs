use std::path::Path;
use std::sync::Arc;

use super::CopyError;
use super::chmod::Chmod;
use super::chown::{Owner, owner};
use super::make_directories::make_directories;
use super::merge::Merge;
use super::selection::{Part, Selection};
use super::unpack::{Unpacking, is_archive};
use crate::plan::{CopyOp, CopySource};
use crate::rootfs::{File, Files, Inode, Kind, Meta, Node, ResolveError, Resolved, RootFs, RootPath, Time};

/// What COPY and ADD need besides the files.
#[derive(Clone, Debug)]
pub struct Env<'a> {
    /// The time of heredoc files and of directories that are made (COPY-23, COPY-60).
    pub now: Time,
    /// An empty directory for the members of archives: numbered files.
    pub scratch_dir: &'a Path,
    /// The same directory, as the owner of those files.
    pub scratch_files: Arc<dyn Files>,
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
            let inode = Inode { meta, kind: Kind::File(File::inline(content.as_slice())) };
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
