//! The `copy` driver: a whole root filesystem in a directory, for machines where no overlay can be mounted.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::rootfs::{Change, Changes, Claims, Directory, Files, Inode, Kind, Node, RootFs, RootPath};

use super::TreeFiles;
use super::meta::{Nodes, read_claim, read_meta, set_meta};
use super::overlay::read_inode;
use super::write::write_inode;

/// What tells whether an inode was touched: any change moves at least its ctime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stamp {
    inode: u64,
    size: u64,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    ctime: (i64, i64),
}

/// A root filesystem written out in a directory, and what it looked like when last compared.
#[derive(Debug)]
pub struct WorkTree {
    dir: PathBuf,
    files: Arc<dyn Files>,
    nodes: Nodes,
    root: RootFs,
    stamps: HashMap<RootPath, Stamp>,
}

impl WorkTree {
    /// Writes `root` into `dir`, an empty directory.
    ///
    /// Names of one inode become files of their own: on an overlay, too, writing to one name of a lower's file
    /// does not change the others.
    pub fn materialise(root: &RootFs, dir: &Path, nodes: Nodes) -> io::Result<Self> {
        write_apart(&Node::Directory(Arc::clone(root.root())), dir, nodes)?;
        let files: Arc<dyn Files> = Arc::new(TreeFiles::open(dir)?);
        let mut tree = Self { dir: dir.to_owned(), files, nodes, root: root.clone(), stamps: HashMap::new() };
        tree.stamps = tree.stamp()?;
        Ok(tree)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The state that the directory had after the last call.
    pub fn root(&self) -> &RootFs {
        &self.root
    }

    /// Brings the directory from the state it had after the last call to `root`, of which it differs by `changes`.
    pub fn apply(&mut self, changes: &Changes, root: &RootFs) -> io::Result<()> {
        for change in &changes.0 {
            let path = self.dir.join(change.path().as_path());
            match change {
                Change::Remove { .. } => remove(&path)?,
                Change::Opaque { .. } => {
                    for entry in fs::read_dir(&path)? {
                        remove(&entry?.path())?;
                    }
                }
                _ => {}
            }
        }
        for change in &changes.0 {
            let path = self.dir.join(change.path().as_path());
            match change {
                Change::Directory { .. } => {
                    if !fs::symlink_metadata(&path).is_ok_and(|stat| stat.is_dir()) {
                        remove(&path)?;
                        fs::create_dir(&path)?;
                    }
                }
                Change::Put { inode, .. } => {
                    remove(&path)?;
                    write_inode(&path, inode, self.nodes)?;
                }
                Change::Link { target, .. } => {
                    remove(&path)?;
                    if let Some(Node::Inode(inode)) = root.get(target) {
                        write_inode(&path, &inode, self.nodes)?;
                    }
                }
                Change::Remove { .. } | Change::Opaque { .. } => {}
            }
        }
        self.restore_directories(changes, root)?;
        self.root = root.clone();
        self.stamps = self.stamp()?;
        Ok(())
    }

    /// Directories into which something was written get their metadata back.
    fn restore_directories(&self, changes: &Changes, root: &RootFs) -> io::Result<()> {
        for change in changes.0.iter().rev() {
            let mut at = Some(change.path().clone());
            while let Some(path) = at {
                if let Some(Node::Directory(directory)) = root.get(&path) {
                    set_meta(&self.dir.join(path.as_path()), &directory.meta, false)?;
                }
                at = path.split_last().map(|(parent, _)| parent);
            }
        }
        Ok(())
    }

    /// What has changed since the last comparison: the root filesystem as it is now. The bytes of new files lie in the
    /// work tree, where the next step may change them: see [`WorkTree::settle`].
    ///
    /// What cannot hold its claim has it in `claims`.
    pub fn diff(&self, claims: &Claims) -> io::Result<RootFs> {
        let old = Node::Directory(Arc::clone(self.root.root()));
        let mut links = Links { claims, known: HashMap::new() };
        let mut root = RootFs::empty();
        if let Node::Directory(now) = self.read(&self.dir, &RootPath::root(), Some(&old), &mut links)? {
            root.insert(&RootPath::root(), Node::Directory(now));
        }
        Ok(root)
    }

    /// Takes `root`, which [`WorkTree::diff`] gave and whose bytes now lie elsewhere too, as the state that the next step starts
    /// from. Names that share an inode become files of their own, as in [`WorkTree::materialise`].
    pub fn settle(&mut self, changes: &Changes, root: &RootFs) -> io::Result<()> {
        for change in &changes.0 {
            if let Change::Link { path, .. } = change
                && let Some(Node::Inode(inode)) = root.get(path)
            {
                let place = self.dir.join(path.as_path());
                remove(&place)?;
                write_inode(&place, &inode, self.nodes)?;
            }
        }
        self.restore_directories(changes, root)?;
        self.root = root.clone();
        self.stamps = self.stamp()?;
        Ok(())
    }

    fn read(&self, path: &Path, place: &RootPath, old: Option<&Node>, links: &mut Links<'_>) -> io::Result<Node> {
        let stat = fs::symlink_metadata(path)?;
        let mut children = std::collections::BTreeMap::new();
        let before = old.and_then(Node::as_directory);
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let (name, path) = (name.as_bytes(), entry.path());
            let place = place.join(name);
            let old = before.and_then(|before| before.children.get(name));
            let stat = entry.metadata()?;
            let node = if stat.is_dir() {
                Some(self.read(&path, &place, old, links)?)
            } else if let Some(old) = old
                && self.stamps.get(&place) == Some(&Stamp::of(&stat))
            {
                Some(old.clone())
            } else if let Some(known) = links.known.get(&stat.ino()) {
                Some(Node::Inode(Arc::clone(known)))
            } else {
                self.new_inode(&path, &place, &stat, links)?
            };
            if let Some(node) = node {
                children.insert(name.into(), node);
            }
        }
        if let Some(before) = before {
            let same_children = before.children.len() == children.len()
                && before.children.iter().zip(&children).all(|((a, x), (b, y))| a == b && x.is(y));
            if same_children && self.stamps.get(place) == Some(&Stamp::of(&stat)) {
                return Ok(Node::Directory(Arc::clone(before)));
            }
        }
        // The root has no entry in any layer: its metadata is the old one's.
        let meta = if place.is_root() {
            before.map(|before| before.meta.clone()).unwrap_or_default()
        } else {
            read_meta(path, &stat, read_claim(path, &stat, links.claims))?
        };
        Ok(Directory { meta, children }.into())
    }

    fn new_inode(
        &self,
        path: &Path,
        place: &RootPath,
        stat: &Metadata,
        links: &mut Links<'_>,
    ) -> io::Result<Option<Node>> {
        let Some(inode) = read_inode(path, place, stat, &self.files, links.claims)? else { return Ok(None) };
        let inode = Arc::new(inode);
        if stat.nlink() > 1 {
            links.known.insert(stat.ino(), Arc::clone(&inode));
        }
        Ok(Some(Node::Inode(inode)))
    }

    fn stamp(&self) -> io::Result<HashMap<RootPath, Stamp>> {
        let mut stamps = HashMap::new();
        for entry in walkdir::WalkDir::new(&self.dir) {
            let entry = entry?;
            let below = entry.path().strip_prefix(&self.dir).unwrap_or(entry.path());
            stamps.insert(RootPath::clamped(below.as_os_str().as_bytes()), Stamp::of(&entry.metadata()?));
        }
        Ok(stamps)
    }
}

/// What is known while a work tree is read.
struct Links<'a> {
    claims: &'a Claims,
    /// Inodes with several names.
    known: HashMap<u64, Arc<Inode>>,
}

impl Stamp {
    fn of(stat: &Metadata) -> Self {
        Self {
            inode: stat.ino(),
            size: stat.size(),
            mode: stat.mode(),
            owner: (stat.uid(), stat.gid()),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            ctime: (stat.ctime(), stat.ctime_nsec()),
        }
    }
}

fn write_apart(node: &Node, place: &Path, nodes: Nodes) -> io::Result<()> {
    match node {
        Node::Directory(directory) => {
            match fs::create_dir(place) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            for (name, child) in &directory.children {
                write_apart(child, &place.join(std::ffi::OsStr::from_bytes(name)), nodes)?;
            }
            set_meta(place, &directory.meta, false)
        }
        Node::Inode(inode) => match (&inode.kind, write_inode(place, inode, nodes)) {
            // Without the right to make devices their place stays empty; the list still holds them.
            (Kind::CharDevice(..) | Kind::BlockDevice(..), Err(error))
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Ok(())
            }
            (_, result) => result,
        },
    }
}

/// Removes whatever stands at `path`, if anything does.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(stat) if stat.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        Err(error) => Err(error),
    }
}
