//! Layers of others: checked, listed and unpacked in one reading (layers.md, APPLY).

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File as DiskFile};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tar::EntryType;

use crate::archive::{self, Entries, Entry};
use crate::image::{Compression, DiffId, Digest};
use crate::rootfs::{
    Change, Changes, ContentDigest, Digested, Directory, File, Files, Inode, Kind, Meta, Node, RootFs, RootPath,
};
use crate::snapshot::{self, TreeFiles};

use super::compare::is_packed_from;

/// Unpacks a layer into the empty directory `dir` in overlay form, and lists it. The stream's sha256 must be `diff_id` (APPLY-6).
///
/// Nothing in the stream reaches outside `dir`: names are cleaned, and every parent is a directory that this
/// function has made. The files of the returned changes are those in `dir`, wherever it is renamed to.
/// A stream of more than `most` bytes is refused.
pub fn unpack(
    reader: impl Read + Send,
    compression: Compression,
    diff_id: &DiffId,
    most: u64,
    dir: &Path,
) -> io::Result<Changes> {
    let mut stream = Hashing::new(reader, compression, most)?;
    let mut unpacker = Unpacker {
        dir: dir.to_owned(),
        files: Arc::new(TreeFiles::open(dir)?),
        tree: RootFs::empty(),
        stated: HashSet::new(),
        removals: Vec::new(),
        link_metas: Vec::new(),
        hidden: HashSet::new(),
        buffer: vec![0; 256 << 10],
    };
    let mut entries = Entries::new(&mut stream);
    while let Some(entry) = entries.next_entry()? {
        unpacker.entry(&entry, &mut entries)?;
    }
    stream.finish(diff_id)?;
    unpacker.finish()
}

/// Reads a layer, and sees that its stream's sha256 is `diff_id` and that it has no more than `most` bytes (APPLY-6). Tells whether
/// its entries are those of `listed`.
pub fn check(
    reader: impl Read + Send,
    compression: Compression,
    diff_id: &DiffId,
    most: u64,
    listed: Option<&Changes>,
) -> io::Result<bool> {
    let mut stream = Hashing::new(reader, compression, most)?;
    let is_listed = listed.is_some_and(|changes| is_packed_from(changes, &mut stream));
    stream.finish(diff_id)?;
    Ok(is_listed)
}

/// Linux' `PATH_MAX`: it bounds the depth of trees, and the time that a path takes.
const MAX_PATH: usize = 4096;

/// Bytes whose sha256 is taken as they pass.
pub(super) struct Hashing<'a> {
    inner: Box<dyn Read + Send + 'a>,
    hash: Sha256,
    /// Bytes that may still come.
    left: u64,
}

impl<'a> Hashing<'a> {
    /// The tar of a layer, of at most so many bytes.
    pub(super) fn new(reader: impl Read + Send + 'a, compression: Compression, most: u64) -> io::Result<Self> {
        let format = match compression {
            Compression::Uncompressed => archive::Format::Plain,
            Compression::Gzip => archive::Format::Gzip,
            Compression::Zstd => archive::Format::Zstd,
        };
        Ok(Self { inner: archive::decompress(reader, format)?, hash: Sha256::new(), left: most })
    }

    /// Reads what is left, and sees that it all was the layer asked for.
    fn finish(mut self, diff_id: &DiffId) -> io::Result<()> {
        io::copy(&mut self, &mut io::sink())?;
        self.check(diff_id)
    }

    /// Sees that all that has passed was the layer asked for.
    pub(super) fn check(self, diff_id: &DiffId) -> io::Result<()> {
        let found = DiffId(Digest::from_bytes(self.hash.finalize().into()));
        if found == *diff_id {
            return Ok(());
        }
        let message = format!("a layer of diff_id {diff_id} turns out to be {found}");
        Err(io::Error::new(io::ErrorKind::InvalidData, message))
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a layer has more bytes than were promised"))?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

struct Unpacker {
    dir: PathBuf,
    files: Arc<TreeFiles>,
    /// What has been unpacked so far; its directories are the directories on disk.
    tree: RootFs,
    /// Directories that the archive has an entry for; others are there only because something lies in them.
    stated: HashSet<RootPath>,
    removals: Vec<Change>,
    /// What the last link entry of an inode said of it, under one of its names.
    link_metas: Vec<(RootPath, Meta)>,
    /// Whiteouts on disk.
    hidden: HashSet<RootPath>,
    buffer: Vec<u8>,
}

impl Unpacker {
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let name = RootPath::clamped(&entry.name);
        let Some((parent, last)) = name.split_last() else { return Ok(()) };
        let last = last.to_vec();
        let parent = self.make_parent(&parent)?;
        let path = parent.join(&last);
        if let Some(hidden) = last.strip_prefix(b".wh.") {
            return self.whiteout(&parent, hidden, &name);
        }
        let kind = match entry.kind {
            EntryType::Directory => return self.directory(&path, entry.meta.clone()),
            EntryType::Link => return self.hard_link(&path, entry),
            EntryType::Symlink => {
                self.clear(&path)?;
                std::os::unix::fs::symlink(OsStr::from_bytes(&entry.link), self.on_disk(&path))?;
                Kind::Symlink(entry.link.as_slice().into())
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.clear(&path)?;
                let (major, minor) = entry.device;
                let kind = match entry.kind {
                    EntryType::Char => Kind::CharDevice(major, minor),
                    EntryType::Block => Kind::BlockDevice(major, minor),
                    _ => Kind::Fifo,
                };
                snapshot::make_node(&self.on_disk(&path), &kind)?;
                kind
            }
            _ => self.file(&path, content)?,
        };
        let meta = entry.meta.clone();
        snapshot::set_meta(&self.on_disk(&path), &meta, matches!(kind, Kind::Symlink(_)))?;
        self.tree.insert(&path, Inode::new(meta, kind).into());
        Ok(())
    }

    fn on_disk(&self, path: &RootPath) -> PathBuf {
        self.dir.join(path.as_path())
    }

    /// The directory that `parent` leads to within this layer, made where it is missing (APPLY-1).
    fn make_parent(&mut self, parent: &RootPath) -> io::Result<RootPath> {
        if parent.as_bytes().len() > MAX_PATH {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a layer has a path that is longer than any can be",
            ));
        }
        if let Ok(found) = self.tree.resolve(parent.as_bytes(), true)
            && found.node.as_ref().is_some_and(Node::is_directory)
        {
            return Ok(found.path);
        }
        let mut at = RootPath::root();
        for name in parent.components() {
            let next = at.join(name);
            at = match self.tree.resolve(next.as_bytes(), true) {
                Ok(found) if found.node.as_ref().is_some_and(Node::is_directory) => found.path,
                Ok(found) if found.node.is_none() && found.missing == 1 => {
                    self.new_directory(&found.path, Meta::with_mode(0o755))?;
                    found.path
                }
                _ => {
                    self.clear(&next)?;
                    self.new_directory(&next, Meta::with_mode(0o755))?;
                    next
                }
            };
        }
        Ok(at)
    }

    fn new_directory(&mut self, path: &RootPath, meta: Meta) -> io::Result<()> {
        let replaces = self.hidden.remove(path);
        if replaces {
            fs::remove_file(self.on_disk(path))?;
        }
        fs::create_dir(self.on_disk(path))?;
        if replaces {
            snapshot::set_opaque(&self.on_disk(path))?;
        }
        self.tree.insert(path, Directory { meta, ..Directory::default() }.into());
        Ok(())
    }

    /// APPLY-2: whatever an entry of the same layer has put there before goes.
    fn clear(&mut self, path: &RootPath) -> io::Result<()> {
        if self.hidden.remove(path) {
            fs::remove_file(self.on_disk(path))?;
        }
        match self.tree.remove(path) {
            None => Ok(()),
            Some(Node::Directory(_)) => fs::remove_dir_all(self.on_disk(path)),
            Some(Node::Inode(_)) => fs::remove_file(self.on_disk(path)),
        }
    }

    fn directory(&mut self, path: &RootPath, meta: Meta) -> io::Result<()> {
        self.stated.insert(path.clone());
        if let Some(there) = self.tree.directory_mut(path) {
            there.meta = meta;
            return Ok(());
        }
        if self.tree.get(path).is_some() {
            self.clear(path)?;
        }
        self.new_directory(path, meta)
    }

    fn hard_link(&mut self, path: &RootPath, entry: &Entry) -> io::Result<()> {
        let target = RootPath::clamped(&entry.link);
        let missing = || {
            let message = format!("{path} is a hard link to {target}, which the layer does not hold");
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        // APPLY-4: links on the way are followed inside the layer, the last component is not.
        let found = self.tree.resolve(target.as_bytes(), false).map_err(|_| missing())?;
        let Some(node @ Node::Inode(_)) = found.node else { return Err(missing()) };
        if found.path == *path {
            return Ok(());
        }
        self.clear(path)?;
        fs::hard_link(self.on_disk(&found.path), self.on_disk(path))?;
        if *node.meta() != entry.meta {
            self.link_metas.push((path.clone(), entry.meta.clone()));
        }
        self.tree.insert(path, node);
        Ok(())
    }

    /// A link entry's owner, mode and time are those of the file and of all its names: the last entry counts.
    fn share_link_metas(&mut self) -> io::Result<()> {
        let mut changed: HashMap<*const Inode, Arc<Inode>> = HashMap::new();
        let mut before = Vec::new();
        for (path, meta) in std::mem::take(&mut self.link_metas) {
            let Some(Node::Inode(inode)) = self.tree.get(&path) else { continue };
            let is_link = matches!(inode.kind, Kind::Symlink(_));
            snapshot::set_meta(&self.on_disk(&path), &meta, is_link)?;
            changed.insert(Arc::as_ptr(&inode), Arc::new(Inode::new(meta, inode.kind.clone())));
            // Keeps the address from being used again.
            before.push(inode);
        }
        if changed.is_empty() {
            return Ok(());
        }
        let mut names = Vec::new();
        self.tree.walk::<io::Error>(&mut |path, node| {
            if let Node::Inode(inode) = node
                && let Some(new) = changed.get(&Arc::as_ptr(inode))
            {
                names.push((path.clone(), Arc::clone(new)));
            }
            Ok(())
        })?;
        for (path, inode) in names {
            self.tree.insert(&path, Node::Inode(inode));
        }
        Ok(())
    }

    fn file(&mut self, path: &RootPath, content: &mut dyn Read) -> io::Result<Kind> {
        self.clear(path)?;
        let mut out = DiskFile::create_new(self.on_disk(path))?;
        let mut hasher = blake3::Hasher::new();
        let mut size = 0;
        loop {
            let count = content.read(&mut self.buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&self.buffer[..count]);
            out.write_all(&self.buffer[..count])?;
            size += count as u64;
        }
        let digest = Digested::from(ContentDigest(*hasher.finalize().as_bytes()));
        let files: Arc<dyn Files> = Arc::clone(&self.files) as Arc<dyn Files>;
        Ok(Kind::File(File { digest, ..File::at(files, path.clone(), size) }))
    }

    /// APPLY-3.
    fn whiteout(&mut self, parent: &RootPath, hidden: &[u8], name: &RootPath) -> io::Result<()> {
        if hidden == b".wh..opq" {
            snapshot::set_opaque(&self.on_disk(parent))?;
            self.removals.push(Change::Opaque { path: parent.clone() });
            return Ok(());
        }
        if hidden.is_empty() || hidden == b"." || hidden == b".." {
            let message = format!("{name} is no valid whiteout");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let path = parent.join(hidden);
        if self.tree.get(&path).is_none() && self.hidden.insert(path.clone()) {
            snapshot::make_whiteout(&self.on_disk(&path))?;
        }
        self.removals.push(Change::Remove { path });
        Ok(())
    }

    /// Directories get their metadata last: what was put into them has touched their times (APPLY-5).
    fn finish(mut self) -> io::Result<Changes> {
        self.share_link_metas()?;
        let mut changes = self.removals;
        for change in self.tree.changes_since(&RootFs::empty())?.0 {
            if let Change::Directory { path, meta } = &change {
                snapshot::set_meta(&self.dir.join(path.as_path()), meta, false)?;
                if !self.stated.contains(path) {
                    continue;
                }
            }
            changes.push(change);
        }
        Ok(Changes(changes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(name, kind, link, content)` rows as a tar.
    fn tar_of(rows: &[(&str, EntryType, &str, &str)]) -> (Vec<u8>, DiffId) {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, link, content) in rows {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let diff_id = DiffId(Digest::of(&bytes));
        (bytes, diff_id)
    }

    #[test]
    fn apply_1_nothing_gets_outside_by_name_or_through_links() {
        let outside = tempfile::tempdir().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let target = outside.path().to_str().unwrap();
        let rows = [
            ("../../evil", EntryType::Regular, "", "x"),
            ("/abs", EntryType::Regular, "", "x"),
            ("out", EntryType::Symlink, target, ""),
            ("out/through", EntryType::Regular, "", "x"),
            ("d/", EntryType::Directory, "", ""),
            ("in", EntryType::Symlink, "d", ""),
            ("in/f", EntryType::Regular, "", "x"),
        ];
        let (bytes, diff_id) = tar_of(&rows);
        let changes = unpack(&bytes[..], Compression::Uncompressed, &diff_id, u64::MAX, dir.path()).unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        let names: Vec<String> = changes.0.iter().map(|change| change.path().to_string()).collect();
        assert!(names.iter().any(|name| name.ends_with("d/f")), "links inside are followed: {names:?}");
        assert!(dir.path().join("evil").exists() && dir.path().join("abs").exists());
    }

    #[test]
    fn apply_3_and_4_bad_whiteouts_and_links_are_refused() {
        for rows in [
            [("d/.wh.", EntryType::Regular, "", "")],
            [("d/.wh...", EntryType::Regular, "", "")],
            [("l", EntryType::Link, "nowhere", "")],
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (bytes, diff_id) = tar_of(&rows);
            assert!(unpack(&bytes[..], Compression::Uncompressed, &diff_id, u64::MAX, dir.path()).is_err(), "{rows:?}");
        }
    }

    #[test]
    fn apply_6_another_diff_id_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (bytes, _) = tar_of(&[("f", EntryType::Regular, "", "x")]);
        let error =
            unpack(&bytes[..], Compression::Uncompressed, &DiffId(Digest::of(b"")), u64::MAX, dir.path()).unwrap_err();
        assert!(error.to_string().contains("turns out"), "{error}");
    }
}
