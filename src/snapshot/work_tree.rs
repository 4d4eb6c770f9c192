//! The `copy` driver: a whole root filesystem in a directory, for machines where no overlay can be mounted.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::rootfs::{Change, Changes, Claims, Files, Inode, Kind, Node, RootFs, RootPath};

use super::TreeFiles;
use super::meta::{Nodes, keep_attributes, read_claim, read_meta, set_meta, set_time};
use super::work_diff::{Reader, Stamp};
use super::write::write_inode;

/// Room for the reading of a tree as deep as a path can be long, 2048 directories: only what is used of it is taken.
const STACK: usize = 64 << 20;

/// A root filesystem written out in a directory, and what it looked like when last compared.
#[derive(Debug)]
pub struct WorkTree {
    dir: PathBuf,
    files: Arc<dyn Files>,
    nodes: Nodes,
    root: RootFs,
    stamps: HashMap<RootPath, Stamp>,
    /// What the last comparison found otherwise than it had been left.
    touched: Vec<RootPath>,
}

impl WorkTree {
    /// Writes `root` into `dir`, an empty directory.
    ///
    /// Names of one inode become files of their own: on an overlay, too, writing to one name of a lower's file
    /// does not change the others.
    pub fn materialise(root: &RootFs, dir: &Path, nodes: Nodes) -> io::Result<Self> {
        write_apart(&Node::Directory(Arc::clone(root.root())), dir, nodes)?;
        let files: Arc<dyn Files> = Arc::new(TreeFiles::open(dir)?);
        let (dir, root) = (dir.to_owned(), root.clone());
        let mut tree = Self { dir, files, nodes, root, stamps: HashMap::new(), touched: Vec::new() };
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
        let mut around = Around::default();
        changes.0.iter().for_each(|change| around.add(change.path()));
        self.restore(&around, root)?;
        self.root = root.clone();
        self.stamps = self.stamp()?;
        Ok(())
    }

    /// What has changed since the last comparison: the root filesystem as it is now. The bytes of new files lie in the
    /// work tree, where the next step may change them: see [`WorkTree::settle`].
    ///
    /// What cannot hold its claim has it in `claims`.
    pub fn diff(&mut self, claims: &Claims) -> io::Result<RootFs> {
        let read = || {
            let mut reader = Reader::new(&self.root, &self.stamps, &self.files, claims);
            let root = reader.root(&self.dir)?;
            Ok::<_, io::Error>((root, reader.touched))
        };
        let (root, touched) = std::thread::scope(|scope| {
            let reader = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read)?;
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        self.touched = touched;
        Ok(root)
    }

    /// Takes `root`, whose difference from the last state is `changes` and whose bytes now lie elsewhere too, as the state that
    /// the next step starts from.
    ///
    /// The next step sees what it would see on an overlay: names that share an inode become files of their own, as in
    /// [`WorkTree::materialise`]; what was touched and is no change is as it was; times are those of `root`.
    pub fn settle(&mut self, changes: &Changes, root: &RootFs) -> io::Result<()> {
        let mut around = Around::default();
        for change in &changes.0 {
            around.add(change.path());
            if let (Change::Put { path, .. } | Change::Link { path, .. }, Some(Node::Inode(inode))) =
                (change, root.get(change.path()))
            {
                self.put(path, &inode, matches!(change, Change::Link { .. }))?;
            }
        }
        let changed: HashSet<&RootPath> = changes.0.iter().map(Change::path).collect();
        for path in std::mem::take(&mut self.touched) {
            if changed.contains(&path) {
                continue;
            }
            around.add(&path);
            match root.get(&path) {
                // A socket, say.
                None => remove(&self.dir.join(path.as_path()))?,
                Some(Node::Inode(inode)) => self.put(&path, &inode, false)?,
                Some(Node::Directory(_)) => {}
            }
        }
        self.restore(&around, root)?;
        self.root = root.clone();
        self.stamps = self.stamp()?;
        Ok(())
    }

    /// Makes what stands at `path` the file of its own that `inode` is; anew where it has other names, or `always`.
    fn put(&self, path: &RootPath, inode: &Inode, always: bool) -> io::Result<()> {
        let place = self.dir.join(path.as_path());
        if !always {
            let stat = fs::symlink_metadata(&place)?;
            let mut there = read_meta(&place, &stat, read_claim(&place, &stat, &Claims::default()))?;
            let mtime = std::mem::replace(&mut there.mtime, inode.meta.mtime);
            if stat.nlink() == 1 && there == inode.meta {
                return if mtime == inode.meta.mtime { Ok(()) } else { set_time(&place, inode.meta.mtime) };
            }
        }
        remove(&place)?;
        write_inode(&place, inode, self.nodes)
    }

    /// Directories into which something was written, or which somebody has touched, get their metadata back.
    fn restore(&self, around: &Around, root: &RootFs) -> io::Result<()> {
        for path in around.0.iter().rev() {
            if let Some(Node::Directory(directory)) = root.get(path) {
                let place = self.dir.join(path.as_path());
                keep_attributes(&place, &directory.meta.xattrs)?;
                set_meta(&place, &directory.meta, false)?;
            }
        }
        Ok(())
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

/// Paths, and the directories above them.
#[derive(Default)]
struct Around(BTreeSet<RootPath>);

impl Around {
    fn add(&mut self, path: &RootPath) {
        let mut at = Some(path.clone());
        while let Some(path) = at {
            at = path.split_last().map(|(parent, _)| parent);
            if !self.0.insert(path) {
                return;
            }
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
