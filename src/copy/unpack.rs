use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::sync::Arc;

use tar::EntryType;

use super::CopyError;
use super::chown::Owner;
use super::destination::Env;
use crate::archive::{Entries, Entry, decompress, sniff};
use crate::rootfs::{ContentDigest, Directory, File, Inode, Kind, Meta, Node, ResolveError, RootFs, RootPath};

/// Longest path of a member, in bytes, links followed: Linux' `PATH_MAX`. It bounds the depth of trees as well.
const MAX_PATH: usize = 4096;
/// Longest name, in bytes: Linux' `NAME_MAX`.
const MAX_NAME: usize = 255;
/// Bytes that are copied at a time.
const CHUNK: usize = 128 << 10;

/// Whether ADD unpacks `file`: whatever its name, a first tar header can be read from it, compressed or not (ADD-3).
pub(super) fn is_archive(file: &File) -> io::Result<bool> {
    let reader = file.content.open()?;
    let (format, reader) = sniff(reader)?;
    let Ok(reader) = decompress(reader, format) else { return Ok(false) };
    Ok(matches!(Entries::new(reader).next_entry(), Ok(Some(_))))
}

/// Unpacks the archives of one ADD (ADD-4).
#[derive(Debug)]
pub(super) struct Unpacking<'a> {
    env: &'a Env<'a>,
    owner: Option<Owner>,
    /// Files written so far: the name of the next one.
    written: u64,
    /// Metadata that inodes get in the end. A hard link sets that of the file it is a name of, under all names; to
    /// find those once for all spares a search for each link. The value keeps the inode, so that no other gets its
    /// address.
    changed: HashMap<*const Inode, (Arc<Inode>, Meta)>,
}

/// One archive on its way into the directory that is the root of `tree`.
struct Target<'a> {
    tree: RootFs,
    archive: &'a RootPath,
}

impl<'a> Unpacking<'a> {
    /// `owner`: in place of those in the archives.
    pub(super) fn new(env: &'a Env<'a>, owner: Option<Owner>) -> Self {
        Self { env, owner, written: 0, changed: HashMap::new() }
    }

    /// Unpacks `file` into the directory `at` of `root`, over what is there: directories merge, anything else is
    /// replaced. The directory is the root for all names and links in the archive, so that nothing leads out of it.
    pub(super) fn archive(
        &mut self,
        root: &mut RootFs,
        at: &RootPath,
        file: &File,
        archive: &RootPath,
    ) -> Result<(), CopyError> {
        let wrap = |source| CopyError::Unpack { archive: archive.clone(), source };
        let Some(top @ Node::Directory(_)) = root.get(at) else { return Err(CopyError::NonDirectory(at.clone())) };
        let mut target = Target { tree: RootFs::empty(), archive };
        target.tree.insert(&RootPath::root(), top);
        let (format, reader) = file.content.open().and_then(sniff).map_err(wrap)?;
        let mut entries = Entries::new(decompress(reader, format).map_err(wrap)?);
        while let Some(entry) = entries.next_entry().map_err(wrap)? {
            self.entry(&mut target, entry, &mut entries)?;
        }
        root.insert(at, Node::Directory(Arc::clone(target.tree.root())));
        if !self.changed.is_empty() {
            let mut new = HashMap::new();
            let top = self.with_changes(root.root(), &mut new);
            root.insert(&RootPath::root(), Node::Directory(top));
            self.changed.clear();
        }
        Ok(())
    }

    fn entry(&mut self, target: &mut Target, entry: Entry, content: &mut impl Read) -> Result<(), CopyError> {
        let path = target.member_path(&entry)?;
        // The destination itself keeps what it has.
        let Some((parent, name)) = path.split_last() else { return Ok(()) };
        let at = self.parent(target, &entry, &parent)?.join(name);
        if at.as_bytes().len() > MAX_PATH {
            return Err(target.refuse(&entry, "has too long a path"));
        }
        let mut meta = entry.meta.clone();
        if let Some(owner) = self.owner {
            (meta.uid, meta.gid) = (owner.uid, owner.gid);
        }
        if entry.kind == EntryType::Directory {
            match target.tree.directory_mut(&at) {
                Some(directory) => directory.meta = meta,
                None => {
                    target.tree.insert(&at, Directory { meta, ..Directory::default() }.into());
                }
            }
            return Ok(());
        }
        // Before anything else: a link to what it replaces finds nothing.
        target.tree.remove(&at);
        let kind = match entry.kind {
            EntryType::Link => {
                let inode = self.hard_link(target, &entry, meta)?;
                target.tree.insert(&at, Node::Inode(inode));
                return Ok(());
            }
            EntryType::Regular | EntryType::Continuous => {
                let file = self.file(entry.size, content);
                Kind::File(file.map_err(|source| CopyError::Unpack { archive: target.archive.clone(), source })?)
            }
            EntryType::Symlink if entry.link.len() > MAX_PATH || entry.link.contains(&0) => {
                return Err(target.refuse(&entry, "has a bad link target"));
            }
            EntryType::Symlink => Kind::Symlink(entry.link.into()),
            EntryType::Char => Kind::CharDevice(entry.device.0, entry.device.1),
            EntryType::Block => Kind::BlockDevice(entry.device.0, entry.device.1),
            EntryType::Fifo => Kind::Fifo,
            _ => return Err(target.refuse(&entry, "is of an unknown kind")),
        };
        target.tree.insert(&at, Inode::new(meta, kind).into());
        Ok(())
    }

    /// The directory that a member lies in, without links. What is missing of it is made, as root's and with mode
    /// 0755, whatever `--chown` says; a link to what is missing is an error (M-27).
    fn parent(&self, target: &mut Target, entry: &Entry, parent: &RootPath) -> Result<RootPath, CopyError> {
        let mut at = RootPath::root();
        for name in parent.components() {
            let next = at.join(name);
            let resolved = match target.tree.resolve_from(&at, name, true) {
                Ok(resolved) => resolved,
                Err(ResolveError::NotADirectory(_) | ResolveError::Loop(_)) => {
                    return Err(target.refuse(entry, "lies below something that is no directory"));
                }
            };
            at = match resolved.node {
                Some(Node::Directory(_)) => resolved.path,
                Some(Node::Inode(_)) => {
                    return Err(target.refuse(entry, "lies below something that is no directory"));
                }
                None if resolved.path == next => {
                    let meta = Meta { mtime: self.env.now, ..Meta::with_mode(0o755) };
                    target.tree.insert(&next, Directory { meta, ..Directory::default() }.into());
                    next
                }
                None => return Err(target.refuse(entry, "lies below a link to a directory that is not there")),
            };
        }
        Ok(at)
    }

    /// The inode that a hard link is one more name of.
    fn hard_link(&mut self, target: &Target, entry: &Entry, meta: Meta) -> Result<Arc<Inode>, CopyError> {
        let resolved = target.tree.resolve(RootPath::clamped(&entry.link).as_bytes(), false);
        let Some(Node::Inode(inode)) = resolved.ok().and_then(|resolved| resolved.node) else {
            return Err(target.refuse(entry, "is a hard link to a file that was not found"));
        };
        // Of a link only the owner can change.
        let meta = match inode.kind {
            Kind::Symlink(_) => Meta { uid: meta.uid, gid: meta.gid, ..inode.meta.clone() },
            _ => Meta { xattrs: inode.meta.xattrs.clone().into_iter().chain(meta.xattrs).collect(), ..meta },
        };
        let key = Arc::as_ptr(&inode);
        if meta != inode.meta || self.changed.contains_key(&key) {
            self.changed.insert(key, (Arc::clone(&inode), meta));
        }
        Ok(inode)
    }

    /// Writes a member's content as the next numbered file.
    fn file(&mut self, size: u64, content: &mut impl Read) -> io::Result<File> {
        if size == 0 {
            return Ok(File::inline([]));
        }
        let name = self.written.to_string();
        self.written += 1;
        let (dir, files) = self.env.scratch.place()?;
        let mut out = fs::File::create_new(dir.join(&name))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hasher.update(&buffer[..count]);
            out.write_all(&buffer[..count])?;
        }
        let file = File::at(files, RootPath::clamped(name.as_bytes()), size);
        file.digest.get_or_init(|| ContentDigest(*hasher.finalize().as_bytes()));
        Ok(file)
    }

    /// `directory` with the inodes of `changed` replaced under all their names; what holds none of them is shared.
    fn with_changes(&self, directory: &Arc<Directory>, new: &mut HashMap<*const Inode, Arc<Inode>>) -> Arc<Directory> {
        let mut result = Arc::clone(directory);
        for (name, node) in &directory.children {
            let replaced = match node {
                Node::Directory(below) => Node::Directory(self.with_changes(below, new)),
                Node::Inode(inode) => match self.changed.get(&Arc::as_ptr(inode)) {
                    Some((_, meta)) => {
                        let changed = || Arc::new(Inode::new(meta.clone(), inode.kind.clone()));
                        Node::Inode(Arc::clone(new.entry(Arc::as_ptr(inode)).or_insert_with(changed)))
                    }
                    None => continue,
                },
            };
            if !replaced.is(node) {
                Arc::make_mut(&mut result).children.insert(name.clone(), replaced);
            }
        }
        result
    }
}

impl Target<'_> {
    /// A member's path below the destination. A leading slash is dropped, a name that climbs out refused.
    fn member_path(&self, entry: &Entry) -> Result<RootPath, CopyError> {
        if entry.name.contains(&0) {
            return Err(self.refuse(entry, "has a NUL byte in its name"));
        }
        let path = match entry.name.first() {
            Some(b'/') => RootPath::clamped(&entry.name),
            _ => RootPath::strict(&entry.name).map_err(|_| self.refuse(entry, "is outside of the destination"))?,
        };
        if path.as_bytes().len() > MAX_PATH || path.components().any(|name| name.len() > MAX_NAME) {
            return Err(self.refuse(entry, "has too long a name"));
        }
        Ok(path)
    }

    fn refuse(&self, entry: &Entry, problem: &'static str) -> CopyError {
        let member = String::from_utf8_lossy(&entry.name).into_owned();
        CopyError::Member { archive: self.archive.clone(), member, problem }
    }
}
