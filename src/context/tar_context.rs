use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use tar::EntryType;

use crate::archive::{self, Entries, Entry, Format};
use crate::rootfs::{ContentDigest, Digested, Directory, File, Files, Inode, Kind, Meta, Node, RootFs, RootPath};

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// Whether a stream that begins like this is a context, not a Dockerfile (CTX-5). `start` holds the first 512 bytes, or
/// the whole stream if it is shorter.
pub fn is_archive(start: &[u8]) -> bool {
    if Format::of(start) != Format::Plain {
        return true;
    }
    match start.get(..BLOCK).map(|block| Entries::new(block).next_entry()) {
        Some(Ok(entry)) => entry.is_some(),
        // The header is sound, and has an extension that is longer than this.
        Some(Err(error)) => error.kind() == io::ErrorKind::UnexpectedEof,
        None => false,
    }
}

/// Reads a tar context, plain or compressed, with the owners, modes and times that the archive has (CTX-7).
///
/// The bytes of its files go to `scratch`, an existing directory, under the names `0`, `1` and so on, which must be what
/// `files` opens. Names that climb out of the archive are an error; links on the way to an entry are followed inside.
pub fn from_tar(reader: impl Read + Send, scratch: &Path, files: Arc<dyn Files>) -> io::Result<RootFs> {
    let (format, reader) = archive::sniff(reader)?;
    let mut entries = Entries::new(archive::decompress(reader, format)?);
    let mut context = TarContext { root: RootFs::empty(), scratch, files, count: 0, buffer: vec![0; 128 << 10] };
    while let Some(entry) = entries.next_entry()? {
        context.entry(&entry, &mut entries)?;
    }
    // Whoever writes the stream should not find it closed before the padding at its end.
    io::copy(&mut entries.into_inner(), &mut io::sink())?;
    Ok(context.root)
}

struct TarContext<'a> {
    root: RootFs,
    scratch: &'a Path,
    files: Arc<dyn Files>,
    /// Files written so far.
    count: usize,
    buffer: Vec<u8>,
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl TarContext<'_> {
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        let name = RootPath::strict(&entry.name).map_err(|error| invalid(error.to_string()))?;
        let Some((parent, last)) = name.split_last() else { return Ok(()) };
        let path = self.parent(&parent)?.join(last);
        let (major, minor) = entry.device;
        let kind = match entry.kind {
            EntryType::Directory => {
                match self.root.directory_mut(&path) {
                    Some(directory) => directory.meta = entry.meta.clone(),
                    None => self.directory(&path, entry.meta.clone()),
                }
                return Ok(());
            }
            EntryType::Link => return self.link(&path, &entry.link),
            EntryType::Symlink => Kind::Symlink(entry.link.as_slice().into()),
            EntryType::Char => Kind::CharDevice(major, minor),
            EntryType::Block => Kind::BlockDevice(major, minor),
            EntryType::Fifo => Kind::Fifo,
            _ => Kind::File(self.file(content)?),
        };
        self.root.insert(&path, Inode::new(entry.meta.clone(), kind).into());
        Ok(())
    }

    fn directory(&mut self, path: &RootPath, meta: Meta) {
        self.root.insert(path, Directory { meta, ..Directory::default() }.into());
    }

    /// The directory that `parent` leads to, made where it is missing.
    fn parent(&mut self, parent: &RootPath) -> io::Result<RootPath> {
        let mut at = RootPath::root();
        for name in parent.components() {
            let next = at.join(name);
            let found = self.root.resolve(next.as_bytes(), true).map_err(|error| invalid(error.to_string()))?;
            at = match found.node {
                Some(Node::Directory(_)) => found.path,
                None if found.missing == 1 => {
                    self.directory(&found.path, Meta::with_mode(0o755));
                    found.path
                }
                _ => {
                    self.directory(&next, Meta::with_mode(0o755));
                    next
                }
            };
        }
        Ok(at)
    }

    fn link(&mut self, path: &RootPath, target: &[u8]) -> io::Result<()> {
        // A target is a name in the archive, so it begins at its root, with or without a slash.
        let found = self.root.resolve(RootPath::clamped(target).as_bytes(), false);
        let Some(node @ Node::Inode(_)) = found.ok().and_then(|found| found.node) else {
            let target = String::from_utf8_lossy(target);
            return Err(invalid(format!("{path} is a hard link to `{target}`, which is not in the archive")));
        };
        self.root.insert(path, node);
        Ok(())
    }

    fn file(&mut self, content: &mut dyn Read) -> io::Result<File> {
        let name = self.count.to_string();
        self.count += 1;
        let mut out = fs::File::create_new(self.scratch.join(&name))?;
        let mut hasher = blake3::Hasher::new();
        loop {
            let count = content.read(&mut self.buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(&self.buffer[..count]);
            out.write_all(&self.buffer[..count])?;
        }
        let digest = Digested::from(ContentDigest(*hasher.finalize().as_bytes()));
        let path = RootPath::clamped(name.as_bytes());
        Ok(File { digest, ..File::at(Arc::clone(&self.files), path, hasher.count()) })
    }
}

#[cfg(test)]
mod tests {
    use crate::snapshot::TreeFiles;

    use super::*;

    /// `(name, kind, link, content)` rows as a tar, owned by 7:8.
    fn tar_of(rows: &[(&str, EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, link, content) in rows {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o640);
            header.set_uid(7);
            header.set_gid(8);
            header.set_mtime(9);
            header.set_size(content.len() as u64);
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<(RootFs, tempfile::TempDir)> {
        let dir = tempfile::tempdir()?;
        let files = Arc::new(TreeFiles::open(dir.path())?);
        Ok((from_tar(bytes, dir.path(), files)?, dir))
    }

    const SAMPLE: [(&str, EntryType, &str, &str); 7] = [
        ("Dockerfile", EntryType::Regular, "", "FROM scratch"),
        ("d/", EntryType::Directory, "", ""),
        ("in", EntryType::Symlink, "d", ""),
        ("./in/f", EntryType::Regular, "", "one"),
        ("d/f", EntryType::Regular, "", "two"),
        ("hard", EntryType::Link, "d/f", ""),
        ("new/deep/x", EntryType::Regular, "", ""),
    ];

    #[test]
    fn ctx_7_owners_modes_and_times_are_the_archives() {
        let plain = tar_of(&SAMPLE);
        for bytes in [plain.clone(), zstd::encode_all(&plain[..], 1).unwrap()] {
            let (root, _dir) = read(&bytes).unwrap();
            let get = |path: &str| root.get(&RootPath::clamped(path.as_bytes())).unwrap();
            let file = get("d/f");
            let meta = file.meta();
            assert_eq!((meta.uid, meta.gid, meta.mode, meta.mtime.seconds), (7, 8, 0o640, 9));
            assert_eq!(file.as_file().unwrap().read(9).unwrap(), b"two", "the later entry counts");
            assert!(file.is(&get("hard")));
            assert_eq!((get("d").meta().uid, get("new/deep").meta().uid), (7, 0));
        }
    }

    #[test]
    fn ctx_5_archives_are_told_from_dockerfiles() {
        let plain = tar_of(&SAMPLE);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut long = tar::Builder::new(Vec::new());
        long.append_data(&mut tar::Header::new_gnu(), "x/".repeat(300), &b""[..]).unwrap();
        // As `git archive` begins, with the commit.
        let mut git = tar::Builder::new(Vec::new());
        let mut global = tar::Header::new_ustar();
        global.set_entry_type(EntryType::XGlobalHeader);
        global.set_size(14);
        git.append_data(&mut global, "pax_global_header", &b"14 comment=abc"[..]).unwrap();
        let text = b"FROM scratch\nCOPY a b\n".repeat(40);
        for (bytes, want) in [
            (plain, true),
            (gzip.finish().unwrap(), true),
            (long.into_inner().unwrap(), true),
            (git.into_inner().unwrap(), true),
            (text, false),
            (b"FROM x".to_vec(), false),
            (Vec::new(), false),
        ] {
            assert_eq!(is_archive(&bytes[..bytes.len().min(BLOCK)]), want);
        }
    }

    #[test]
    fn ctx_7_bad_archives_are_refused() {
        for row in [("../x", EntryType::Regular, "", "x"), ("l", EntryType::Link, "nowhere", "")] {
            assert!(read(&tar_of(&[row])).is_err(), "{row:?}");
        }
        assert!(read(&tar_of(&SAMPLE)[..700]).is_err());
    }
}
