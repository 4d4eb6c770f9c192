//! What is in a work tree now, told by what was in it: what nobody touched is not read again.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::rootfs::{Claims, Directory, Files, Inode, Node, RootFs, RootPath};

use super::meta::{read_claim, read_meta};
use super::overlay::read_inode;

/// What tells whether an inode was touched: any change moves at least its ctime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    pub(super) fn of(stat: &Metadata) -> Self {
        Self {
            inode: stat.ino(),
            size: stat.size(),
            mode: stat.mode(),
            owner: (stat.uid(), stat.gid()),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            ctime: (stat.ctime(), stat.ctime_nsec()),
        }
    }

    fn is_directory(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// Reads a work tree once.
pub(super) struct Reader<'a> {
    /// What was there before, and what it looked like.
    pub(super) old: &'a RootFs,
    pub(super) stamps: &'a HashMap<RootPath, Stamp>,
    pub(super) files: &'a Arc<dyn Files>,
    pub(super) claims: &'a Claims,
    /// Inodes that have several names now.
    links: HashMap<u64, Arc<Inode>>,
    /// Directories that were there before, by inode.
    directories: OnceCell<HashMap<u64, RootPath>>,
    /// What came along with moved directories: by the old inode and the topmost directory of the move.
    carried: HashMap<(*const Inode, u64), Vec<Arc<Inode>>>,
    /// What is not as it was last left, whether or not it is a change.
    pub(super) touched: Vec<RootPath>,
}

/// A directory that was elsewhere before.
#[derive(Clone)]
struct Moved {
    /// Where it was.
    from: RootPath,
    /// The inode of the topmost directory that was moved with it.
    top: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        old: &'a RootFs,
        stamps: &'a HashMap<RootPath, Stamp>,
        files: &'a Arc<dyn Files>,
        claims: &'a Claims,
    ) -> Self {
        Self {
            old,
            stamps,
            files,
            claims,
            links: HashMap::new(),
            directories: OnceCell::new(),
            carried: HashMap::new(),
            touched: Vec::new(),
        }
    }

    /// The root filesystem as it lies in `dir`.
    pub(super) fn root(&mut self, dir: &Path) -> io::Result<RootFs> {
        let old = Node::Directory(Arc::clone(self.old.root()));
        let mut root = RootFs::empty();
        root.insert(&RootPath::root(), self.directory(dir, &RootPath::root(), Some(&old), None)?);
        Ok(root)
    }

    fn directory(
        &mut self,
        path: &Path,
        place: &RootPath,
        old: Option<&Node>,
        moved: Option<&Moved>,
    ) -> io::Result<Node> {
        let stat = fs::symlink_metadata(path)?;
        let mut children = BTreeMap::new();
        let before = old.and_then(Node::as_directory);
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.as_bytes();
            let old = before.and_then(|before| before.children.get(name));
            let below = place.join(name);
            if let Some(node) = self.entry(&entry.path(), &below, &entry.metadata()?, old, moved)? {
                children.insert(name.into(), node);
            }
        }
        let is_untouched = self.stamps.get(place) == Some(&Stamp::of(&stat));
        if !is_untouched {
            self.touched.push(place.clone());
        }
        if let Some(before) = before {
            let same_children = before.children.len() == children.len()
                && before.children.iter().zip(&children).all(|((a, x), (b, y))| a == b && x.is(y));
            if same_children && is_untouched {
                return Ok(Node::Directory(Arc::clone(before)));
            }
        }
        // The root has no entry in any layer: its metadata is the old one's.
        let meta = if place.is_root() {
            before.map(|before| before.meta.clone()).unwrap_or_default()
        } else {
            read_meta(path, &stat, read_claim(path, &stat, self.claims))?
        };
        Ok(Directory { meta, children }.into())
    }

    /// `None` for what no layer holds. `moved` is about the directory around it.
    fn entry(
        &mut self,
        path: &Path,
        place: &RootPath,
        stat: &Metadata,
        old: Option<&Node>,
        moved: Option<&Moved>,
    ) -> io::Result<Option<Node>> {
        if stat.is_dir() {
            let moved = self.origin(place, stat.ino(), moved);
            return Ok(Some(self.directory(path, place, old, moved.as_ref())?));
        }
        if let Some(old) = old
            && self.stamps.get(place) == Some(&Stamp::of(stat))
        {
            return Ok(Some(old.clone()));
        }
        self.touched.push(place.clone());
        if let Some(known) = self.links.get(&stat.ino()) {
            return Ok(Some(Node::Inode(Arc::clone(known))));
        }
        let Some(inode) = read_inode(path, place, stat, self.files, self.claims)? else { return Ok(None) };
        let inode = match moved {
            Some(moved) => self.carry(moved, place, stat, inode)?,
            None => Arc::new(inode),
        };
        if stat.nlink() > 1 {
            self.links.insert(stat.ino(), Arc::clone(&inode));
        }
        Ok(Some(Node::Inode(inode)))
    }

    /// Where the directory at `place` was, if that was elsewhere. A number may have been given to another directory since: what is
    /// concluded from it must hold by itself.
    fn origin(&self, place: &RootPath, inode: u64, parent: Option<&Moved>) -> Option<Moved> {
        if parent.is_none() && self.stamps.get(place).is_some_and(|stamp| stamp.inode == inode) {
            return None;
        }
        let directories = self.directories.get_or_init(|| {
            let directories = self.stamps.iter().filter(|(_, stamp)| stamp.is_directory());
            directories.map(|(path, stamp)| (stamp.inode, path.clone())).collect()
        });
        let from = directories.get(&inode).filter(|from| *from != place)?;
        let came_along = parent.filter(|parent| from.split_last().is_some_and(|(above, _)| above == parent.from));
        Some(Moved { from: from.clone(), top: came_along.map_or(inode, |parent| parent.top) })
    }

    /// Names of one inode are files of their own in a work tree. A directory that is moved takes them along as names of one, as
    /// where it is copied by somebody who keeps links: so an overlay has it, which refuses to move it.
    fn carry(&mut self, moved: &Moved, place: &RootPath, stat: &Metadata, inode: Inode) -> io::Result<Arc<Inode>> {
        let inode = Arc::new(inode);
        let from = place.split_last().map(|(_, name)| moved.from.join(name));
        let Some(from) = from.filter(|from| self.stamps.get(from).is_some_and(|stamp| stamp.inode == stat.ino()))
        else {
            return Ok(inode);
        };
        let Some(Node::Inode(old)) = self.old.get(&from) else { return Ok(inode) };
        let family = self.carried.entry((Arc::as_ptr(&old), moved.top)).or_default();
        for known in &*family {
            if inode.is_same(known)? {
                return Ok(Arc::clone(known));
            }
        }
        family.push(Arc::clone(&inode));
        Ok(inode)
    }
}
