use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::{Kept, RootPath};

/// Extended attributes by name, sorted; values are raw bytes.
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

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

/// A regular file.
#[derive(Clone, Debug)]
pub struct File {
    /// Length in bytes.
    pub size: u64,
    /// Where the bytes are.
    pub content: Content,
    /// Filled in by whoever first reads all bytes.
    pub digest: OnceLock<ContentDigest>,
    /// The bytes, if whoever made the digest kept them.
    pub kept: OnceLock<Arc<Kept>>,
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
        Self {
            size: bytes.len() as u64,
            content: Content::Inline(bytes),
            digest: OnceLock::new(),
            kept: OnceLock::new(),
        }
    }

    /// A file of `size` bytes that `files` can open under `path`.
    pub fn at(files: Arc<dyn Files>, path: RootPath, size: u64) -> Self {
        Self { size, content: Content::At { files, path }, digest: OnceLock::new(), kept: OnceLock::new() }
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
