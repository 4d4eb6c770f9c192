//! What an overlay's upper holds, as changes. Only the upper is walked: the cost grows with what the step changed.

use std::collections::{HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{major, minor};

use crate::rootfs::{Change, Changes, Claims, Directory, File, Files, Inode, Kind, Node, RootFs, RootPath};

use super::meta::{clear_opaque, is_opaque, make_whiteout, read_claim, read_meta, set_time};

/// The root filesystem with `upper` on top of `lower`; the bytes of new files are read through `files`. What cannot hold
/// its claim has it in `claims`.
///
/// Overlayfs's own marks are taken as what they mean: a character device 0/0 removes, an opaque directory hides.
pub fn diff(upper: &Path, lower: &RootFs, files: &Arc<dyn Files>, claims: &Claims) -> io::Result<RootFs> {
    let mut reader = Reader { root: lower.clone(), files, claims, links: HashMap::new() };
    reader.directory(upper, &RootPath::root())?;
    Ok(reader.root)
}

struct Reader<'a> {
    root: RootFs,
    files: &'a Arc<dyn Files>,
    claims: &'a Claims,
    /// Inodes with several names in the upper.
    links: HashMap<u64, Arc<Inode>>,
}

impl Reader<'_> {
    fn directory(&mut self, dir: &Path, at: &RootPath) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            let place = at.join(entry.file_name().as_bytes());
            let stat = entry.metadata()?;
            if is_whiteout(&stat) {
                self.root.remove(&place);
            } else if stat.is_dir() {
                let meta = read_meta(&path, &stat, read_claim(&path, &stat, self.claims))?;
                let opaque = is_opaque(&path);
                match self.root.directory_mut(&place) {
                    Some(there) => {
                        there.meta = meta;
                        if opaque {
                            there.children.clear();
                        }
                    }
                    None => {
                        self.root.insert(&place, Directory { meta, ..Directory::default() }.into());
                    }
                }
                self.directory(&path, &place)?;
            } else if let Some(inode) = self.inode(&path, &place, &stat)? {
                self.root.insert(&place, Node::Inode(inode));
            }
        }
        Ok(())
    }

    fn inode(&mut self, path: &Path, place: &RootPath, stat: &Metadata) -> io::Result<Option<Arc<Inode>>> {
        if stat.nlink() > 1
            && let Some(known) = self.links.get(&stat.ino())
        {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(inode) = read_inode(path, place, stat, self.files, self.claims)? else { return Ok(None) };
        let inode = Arc::new(inode);
        if stat.nlink() > 1 {
            self.links.insert(stat.ino(), Arc::clone(&inode));
        }
        Ok(Some(inode))
    }
}

fn is_whiteout(stat: &Metadata) -> bool {
    stat.file_type().is_char_device() && stat.rdev() == 0
}

/// What stands at `path`, or is claimed to; `None` for sockets, which no layer holds (TAR-9).
pub(super) fn read_inode(
    path: &Path,
    place: &RootPath,
    stat: &Metadata,
    files: &Arc<dyn Files>,
    claims: &Claims,
) -> io::Result<Option<Inode>> {
    let claim = read_claim(path, stat, claims);
    let meta = read_meta(path, stat, claim)?;
    let kind = match claim.and_then(|claim| claim.device) {
        Some(device) => Some(device.kind()),
        None => read_kind(path, place, stat, files)?,
    };
    Ok(kind.map(|kind| Inode::new(meta, kind)))
}

fn read_kind(path: &Path, place: &RootPath, stat: &Metadata, files: &Arc<dyn Files>) -> io::Result<Option<Kind>> {
    let kind = stat.file_type();
    Ok(Some(if kind.is_file() {
        Kind::File(File::at(Arc::clone(files), place.clone(), stat.len()))
    } else if kind.is_symlink() {
        Kind::Symlink(fs::read_link(path)?.as_os_str().as_bytes().into())
    } else if kind.is_char_device() {
        Kind::CharDevice(major(stat.rdev()), minor(stat.rdev()))
    } else if kind.is_block_device() {
        Kind::BlockDevice(major(stat.rdev()), minor(stat.rdev()))
    } else if kind.is_fifo() {
        Kind::Fifo
    } else {
        return Ok(None);
    }))
}

/// Gives the files in `dir` the times that `changes` have for them.
pub fn set_times(dir: &Path, changes: &Changes) -> io::Result<()> {
    for change in &changes.0 {
        match change {
            Change::Directory { path, meta } => set_time(&dir.join(path.as_path()), meta.mtime)?,
            Change::Put { path, inode } => set_time(&dir.join(path.as_path()), inode.meta.mtime)?,
            Change::Link { .. } | Change::Remove { .. } | Change::Opaque { .. } => {}
        }
    }
    Ok(())
}

/// Makes an upper into the tree of the layer that `changes` are: entries that are no changes go, and opaque marks become
/// one whiteout for each entry they hide, so that the tree means the same on any lower.
pub fn settle(upper: &Path, changes: &Changes) -> io::Result<()> {
    let kept: HashSet<&RootPath> = changes.0.iter().map(Change::path).collect();
    settle_directory(upper, &RootPath::root(), &kept)?;
    for change in &changes.0 {
        match change {
            Change::Remove { path } => {
                let place = upper.join(path.as_path());
                if fs::symlink_metadata(&place).is_err() {
                    make_whiteout(&place)?;
                }
            }
            Change::Directory { .. } | Change::Put { .. } | Change::Link { .. } | Change::Opaque { .. } => {}
        }
    }
    // What went and came has touched the directories' times; deeper ones come later in the list.
    for change in changes.0.iter().rev() {
        if let Change::Directory { path, meta } = change {
            set_time(&upper.join(path.as_path()), meta.mtime)?;
        }
    }
    Ok(())
}

fn settle_directory(dir: &Path, at: &RootPath, kept: &HashSet<&RootPath>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let place = at.join(entry.file_name().as_bytes());
        if entry.file_type()?.is_dir() {
            if is_opaque(&path) {
                clear_opaque(&path)?;
            }
            settle_directory(&path, &place, kept)?;
            if !kept.contains(&place) {
                match fs::remove_dir(&path) {
                    // Something below it counts.
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                    result => result?,
                }
            }
        } else if !kept.contains(&place) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
