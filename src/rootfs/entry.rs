use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Kept, RootPath};

/// Extended attributes by name, sorted; values are raw bytes. Almost no entry has any, so that it takes little room then.
#[derive(Clone, Debug, Default)]
pub struct Xattrs(Option<Box<ByName>>);

type ByName = BTreeMap<Box<[u8]>, Box<[u8]>>;

impl Xattrs {
    /// None at all.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Keeps only those that `keeps` is true of.
    pub fn retain(&mut self, mut keeps: impl FnMut(&[u8]) -> bool) {
        if let Some(all) = &mut self.0 {
            all.retain(|name, _| keeps(name));
        }
    }
}

impl Deref for Xattrs {
    type Target = ByName;

    fn deref(&self) -> &ByName {
        static NONE: ByName = ByName::new();
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Xattrs {
    fn deref_mut(&mut self) -> &mut ByName {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for Xattrs {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Xattrs {}

impl From<ByName> for Xattrs {
    fn from(all: ByName) -> Self {
        Self((!all.is_empty()).then(|| Box::new(all)))
    }
}

impl FromIterator<(Box<[u8]>, Box<[u8]>)> for Xattrs {
    fn from_iter<I: IntoIterator<Item = (Box<[u8]>, Box<[u8]>)>>(all: I) -> Self {
        ByName::from_iter(all).into()
    }
}

impl IntoIterator for Xattrs {
    type Item = (Box<[u8]>, Box<[u8]>);
    type IntoIter = btree_map::IntoIter<Box<[u8]>, Box<[u8]>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|all| *all).unwrap_or_default().into_iter()
    }
}

impl Serialize for Xattrs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Xattrs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ByName::deserialize(deserializer).map(Self::from)
    }
}

/// A point in time as filesystems keep it: seconds since 1970, and nanoseconds below one second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash, Serialize, Deserialize)]
pub struct Time {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// 0 to 999 999 999.
    pub nanos: u32,
}

/// What every kind of entry has.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Permission, setuid, setgid and sticky bits: at most `0o7777`.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Last modification.
    pub mtime: Time,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// Blake3 of a file's bytes: kiln's own mark of content, in keys and comparisons, never in an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContentDigest(pub [u8; 32]);

/// Gives the bytes of files by their path in some directory, layer or archive.
pub trait Files: Send + Sync + fmt::Debug {
    /// Opens the regular file at `path` for reading, from its start.
    fn open(&self, path: &RootPath) -> io::Result<std::fs::File>;
}

/// Where the bytes of a regular file are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Here.
    Inline(Arc<[u8]>),
    /// In `files` under `path`.
    At {
        /// The owner of the bytes.
        files: Arc<dyn Files>,
        /// The name by which the owner knows them.
        path: RootPath,
    },
}

/// The digest of a file's bytes, once somebody has found it out. One cell for both, since there may be a million.
#[derive(Clone, Debug, Default)]
pub struct Digested(OnceLock<(ContentDigest, Option<Arc<Kept>>)>);

impl Digested {
    /// The digest, if it is known.
    pub fn get(&self) -> Option<&ContentDigest> {
        self.0.get().map(|(digest, _)| digest)
    }

    /// The digest, which is what `find` tells unless it is known.
    pub fn get_or_init(&self, find: impl FnOnce() -> ContentDigest) -> &ContentDigest {
        &self.0.get_or_init(|| (find(), None)).0
    }

    /// The same, with the bytes if whoever found out the digest has kept them.
    pub fn get_or_keep(&self, digest: ContentDigest, bytes: Option<Arc<Kept>>) -> &ContentDigest {
        &self.0.get_or_init(|| (digest, bytes)).0
    }

    /// The bytes, if they were kept.
    pub fn kept(&self) -> Option<&Kept> {
        self.0.get().and_then(|(_, kept)| kept.as_deref())
    }
}

impl From<ContentDigest> for Digested {
    fn from(digest: ContentDigest) -> Self {
        Self((digest, None).into())
    }
}

/// A regular file.
#[derive(Clone, Debug)]
pub struct File {
    /// Length in bytes.
    pub size: u64,
    /// Where the bytes are.
    pub content: Content,
    /// Filled in by whoever first reads all bytes.
    pub digest: Digested,
}

/// What an inode other than a directory is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A regular file.
    File(File),
    /// A symbolic link; the target verbatim.
    Symlink(Box<[u8]>),
    /// A character device by major and minor number.
    CharDevice(u32, u32),
    /// A block device by major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// Everything but a directory. Shared by all its names.
#[derive(Debug)]
pub struct Inode {
    /// Mode, owner, times.
    pub meta: Meta,
    /// What it is.
    pub kind: Kind,
    /// It stands in no root filesystem that is built yet.
    loose: AtomicBool,
}

impl Inode {
    /// An inode that has its place.
    pub fn new(meta: Meta, kind: Kind) -> Self {
        Self { meta, kind, loose: AtomicBool::new(false) }
    }

    /// An inode of a build context, which one COPY may take as it is ([`Inode::claim`]).
    pub fn loose(meta: Meta, kind: Kind) -> Self {
        Self { meta, kind, loose: AtomicBool::new(true) }
    }

    /// Whether the caller is the first who puts the inode into a root filesystem. All others must make a copy of it: two
    /// names of one inode are hard links.
    pub fn claim(&self) -> bool {
        self.loose.load(Ordering::Relaxed) && self.loose.swap(false, Ordering::Relaxed)
    }
}

impl Clone for Inode {
    fn clone(&self) -> Self {
        Self::new(self.meta.clone(), self.kind.clone())
    }
}

/// A directory and what it holds.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Mode, owner, times.
    pub meta: Meta,
    /// By name, in byte order.
    pub children: BTreeMap<Box<[u8]>, Node>,
}

/// One entry of a directory.
#[derive(Clone, Debug)]
pub enum Node {
    /// A directory.
    Directory(Arc<Directory>),
    /// Anything else; the same `Arc` under two names is a hard link.
    Inode(Arc<Inode>),
}

impl Meta {
    /// Owned by root, with `mode` and no time.
    pub fn with_mode(mode: u32) -> Self {
        Self { mode, ..Self::default() }
    }
}

impl Content {
    /// Opens the bytes for reading.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        match self {
            Self::Inline(bytes) => Ok(Box::new(&bytes[..])),
            Self::At { files, path } => Ok(Box::new(files.open(path)?)),
        }
    }
}

impl File {
    /// A file whose bytes are at hand.
    pub fn inline(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { size: bytes.len() as u64, content: Content::Inline(bytes), digest: Digested::default() }
    }

    /// A file of `size` bytes that `files` can open under `path`.
    pub fn at(files: Arc<dyn Files>, path: RootPath, size: u64) -> Self {
        Self { size, content: Content::At { files, path }, digest: Digested::default() }
    }

    /// Reads all bytes into memory: for small files such as `/etc/passwd`. More than `limit` is an error.
    pub fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.size > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{} bytes, at most {limit}", self.size)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.size).unwrap_or_default());
        self.content.open()?.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes all bytes into `out`; between files the kernel copies, or shares the extents.
    pub fn copy_to(&self, out: &mut std::fs::File) -> io::Result<()> {
        match &self.content {
            Content::Inline(bytes) => out.write_all(bytes),
            Content::At { files, path } => io::copy(&mut files.open(path)?, out).map(drop),
        }
    }

    /// The content's digest, read now unless known.
    pub fn digest(&self) -> io::Result<ContentDigest> {
        if let Some(known) = self.digest.get() {
            return Ok(*known);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(self.content.open()?)?;
        let digest = ContentDigest(*hasher.finalize().as_bytes());
        Ok(*self.digest.get_or_init(|| digest))
    }
}

impl Node {
    /// Mode, owner, times.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Directory(directory) => &directory.meta,
            Self::Inode(inode) => &inode.meta,
        }
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Directory(_))
    }

    /// The directory, if it is one.
    pub fn as_directory(&self) -> Option<&Arc<Directory>> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::Inode(_) => None,
        }
    }

    /// The regular file, if it is one.
    pub fn as_file(&self) -> Option<&File> {
        match self {
            Self::Inode(inode) => match &inode.kind {
                Kind::File(file) => Some(file),
                _ => None,
            },
            Self::Directory(_) => None,
        }
    }

    /// The target, if it is a symbolic link.
    pub fn as_symlink(&self) -> Option<&[u8]> {
        match self {
            Self::Inode(inode) => match &inode.kind {
                Kind::Symlink(target) => Some(target),
                _ => None,
            },
            Self::Directory(_) => None,
        }
    }

    /// Whether both are one and the same: nothing below can differ.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Directory(a), Self::Directory(b)) => Arc::ptr_eq(a, b),
            (Self::Inode(a), Self::Inode(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl From<Inode> for Node {
    fn from(inode: Inode) -> Self {
        Self::Inode(Arc::new(inode))
    }
}

impl From<Directory> for Node {
    fn from(directory: Directory) -> Self {
        Self::Directory(Arc::new(directory))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
