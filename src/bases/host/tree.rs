//! Files of this machine gathered into a root filesystem, under the paths and through the links that they have here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::rootfs::{self, Directory, Files, Inode, Kind, Meta, RootFs, RootPath};

use super::elf::Elf;
use super::libraries::{Libraries, search_path};

/// More links than this in one path is a loop.
const MAX_LINKS: usize = 40;

/// Files that glibc opens by itself, where it is of a kind that does.
const OPENED_BY_GLIBC: &[&str] = &["libnss_files.so.2", "libnss_dns.so.2"];

/// What has been gathered.
#[derive(Debug)]
pub(super) struct Tree {
    files: Arc<dyn Files>,
    libraries: Libraries,
    /// The files so far.
    pub(super) root: RootFs,
    /// What tells whether files are the same as at another time: path, size, times, inode.
    pub(super) marks: BTreeMap<PathBuf, String>,
    /// Directories to name in `LD_LIBRARY_PATH`.
    pub(super) library_path: BTreeSet<PathBuf>,
}

/// What an object's libraries are looked for with.
struct Object {
    path: PathBuf,
    inherited: Vec<PathBuf>,
}

impl Tree {
    /// Nothing yet; `files` opens files of this machine.
    pub(super) fn new(files: Arc<dyn Files>) -> Self {
        Self {
            files,
            libraries: Libraries::of_machine(),
            root: RootFs::empty(),
            marks: BTreeMap::new(),
            library_path: BTreeSet::new(),
        }
    }

    /// Adds a program or library, what it is interpreted by, and the libraries it needs.
    pub(super) fn add_program(&mut self, path: &Path) -> io::Result<()> {
        let mut todo = VecDeque::from([Object { path: path.to_owned(), inherited: Vec::new() }]);
        while let Some(object) = todo.pop_front() {
            let (real, new) = self.add(&object.path)?;
            if !new {
                continue;
            }
            let file = File::open(&real)?;
            match Elf::read(&file).map_err(|error| at(&real, &error))? {
                Some(elf) => self.needed(&real, &elf, &object.inherited, &mut todo)?,
                None => {
                    todo.extend(interpreters(&file)?.into_iter().map(|path| Object { path, inherited: Vec::new() }));
                }
            }
        }
        Ok(())
    }

    fn needed(&mut self, real: &Path, elf: &Elf, inherited: &[PathBuf], todo: &mut VecDeque<Object>) -> io::Result<()> {
        let origin = real.parent().unwrap_or(Path::new("/"));
        let mut inherited = inherited.to_vec();
        if elf.runpath.is_empty() {
            inherited.extend(search_path(&elf.rpath, origin));
        }
        if let Some(interpreter) = &elf.interpreter {
            let path = PathBuf::from(OsStr::from_bytes(interpreter));
            todo.push_back(Object { path, inherited: Vec::new() });
        }
        for name in &elf.needed {
            let found = self.libraries.find(name, elf, origin, &inherited).ok_or_else(|| {
                let message = format!("{} needs {}, which is not found", real.display(), String::from_utf8_lossy(name));
                io::Error::new(io::ErrorKind::NotFound, message)
            })?;
            self.library_path.extend(found.unusual);
            todo.push_back(Object { path: found.path, inherited: inherited.clone() });
            if name.as_slice() == b"libc.so.6" {
                let opened = OPENED_BY_GLIBC.iter().filter_map(|name| {
                    self.libraries.find(name.as_bytes(), elf, origin, &inherited).map(|found| found.path)
                });
                todo.extend(opened.map(|path| Object { path, inherited: Vec::new() }));
            }
        }
        Ok(())
    }

    /// Adds all that is below a directory, and the libraries that its programs need, as far as they are there.
    pub(super) fn add_directory(&mut self, path: &Path) -> io::Result<()> {
        for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
            let entry = entry.map_err(io::Error::from)?;
            let kind = entry.file_type();
            if kind.is_file() && Elf::read(&File::open(entry.path())?).is_ok_and(|elf| elf.is_some()) {
                // A plugin may ask for what nobody has installed.
                match self.add_program(entry.path()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => result?,
                }
            } else if kind.is_file() || kind.is_dir() {
                self.add(entry.path())?;
            } else if kind.is_symlink() {
                // The link itself; what it leads to only if that is there.
                match self.add(entry.path()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    result => drop(result?),
                }
            }
        }
        Ok(())
    }

    /// Adds the file, directory or link at `path` with every directory and link on the way. Tells where it leads to, and
    /// whether that is a file that was not there yet.
    pub(super) fn add(&mut self, path: &Path) -> io::Result<(PathBuf, bool)> {
        let split = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<VecDeque<_>>();
        let mut todo = split(path.as_os_str().as_bytes());
        let mut place = RootPath::root();
        let (mut links, mut new) = (0, false);
        while let Some(name) = todo.pop_front() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    place = place.split_last().map_or_else(RootPath::root, |(parent, _)| parent);
                    continue;
                }
                _ => {}
            }
            let next = place.join(&name);
            let host = on_host(&next);
            let meta = fs::symlink_metadata(&host).map_err(|error| at(&host, &error))?;
            let known = self.root.get(&next).is_some();
            if meta.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::Error::other(format!("too many levels of symbolic links in {}", path.display())));
                }
                let target = fs::read_link(&host)?;
                let target = target.as_os_str().as_bytes();
                if !known {
                    self.put(&next, Kind::Symlink(target.into()), &meta);
                }
                if target.starts_with(b"/") {
                    place = RootPath::root();
                }
                split(target).into_iter().rev().for_each(|part| todo.push_front(part));
                continue;
            }
            if meta.is_dir() {
                if !known {
                    self.marks.insert(host, format!("{:o}", mode(&meta)));
                    let directory = Directory { meta: Meta::with_mode(mode(&meta)), ..Directory::default() };
                    self.root.insert(&next, directory.into());
                }
            } else if meta.is_file() {
                new = !known;
                if new {
                    let file = rootfs::File::at(Arc::clone(&self.files), next.clone(), meta.size());
                    self.put(&next, Kind::File(file), &meta);
                }
            } else {
                return Err(io::Error::other(format!("{} is neither a file nor a directory", host.display())));
            }
            place = next;
        }
        Ok((on_host(&place), new))
    }

    fn put(&mut self, path: &RootPath, kind: Kind, meta: &Metadata) {
        let mode = if meta.is_symlink() { 0o777 } else { mode(meta) };
        let size = meta.size();
        let mark = format!(
            "{size} {}.{} {} {mode:o} {:?}",
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ino(),
            match &kind {
                Kind::Symlink(target) => String::from_utf8_lossy(target).into_owned(),
                _ => String::new(),
            }
        );
        self.marks.insert(on_host(path), mark);
        self.root.insert(path, Inode::new(Meta::with_mode(mode), kind).into());
    }
}

fn on_host(path: &RootPath) -> PathBuf {
    Path::new("/").join(OsStr::from_bytes(path.as_bytes()))
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The mode that a file has when root owns it: a set-id bit that meant somebody else would now mean root.
fn mode(meta: &Metadata) -> u32 {
    let mut mode = meta.permissions().mode() & 0o7777;
    if meta.uid() != 0 {
        mode &= !0o4000;
    }
    if meta.gid() != 0 {
        mode &= !0o2000;
    }
    mode
}

/// What runs a script: the program after `#!`, and the one that `env` is told to run.
fn interpreters(file: &File) -> io::Result<Vec<PathBuf>> {
    let mut line = Vec::new();
    let mut start = file;
    start.by_ref().take(256).read_to_end(&mut line)?;
    let Some(line) = line.strip_prefix(b"#!") else { return Ok(Vec::new()) };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(first) = words.next().map(|word| PathBuf::from(OsStr::from_bytes(word))) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    if first.file_name().is_some_and(|name| name == "env") {
        let named = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='));
        found.extend(named.and_then(|name| super::program(OsStr::from_bytes(name))));
    }
    found.push(first);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::snapshot::TreeFiles;

    use super::*;

    fn tree() -> Tree {
        Tree::new(Arc::new(TreeFiles::open(Path::new("/")).unwrap()))
    }

    #[test]
    fn links_are_kept_with_what_they_lead_to() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        fs::create_dir(dir.join("real")).unwrap();
        fs::write(dir.join("real/tool"), "#!/bin/none\n").unwrap();
        std::os::unix::fs::symlink("real", dir.join("alias")).unwrap();
        std::os::unix::fs::symlink("../alias/tool", dir.join("real/other")).unwrap();
        let mut tree = tree();
        let (real, new) = tree.add(&dir.join("alias/other")).unwrap();
        assert_eq!((real, new), (dir.join("real/tool"), true));
        let get = |name: &str| tree.root.get(&RootPath::clamped(dir.join(name).as_os_str().as_bytes()));
        assert_eq!(get("alias").unwrap().as_symlink().unwrap(), b"real");
        assert_eq!(get("real/other").unwrap().as_symlink().unwrap(), b"../alias/tool");
        assert!(get("real/tool").unwrap().as_file().is_some());
        assert!(!tree.add(&dir.join("real/tool")).unwrap().1);
        assert!(tree.add_program(&dir.join("none")).is_err());
    }

    #[test]
    fn a_script_brings_its_interpreter() {
        let dir = tempfile::tempdir().unwrap();
        for (text, want) in [
            ("#! /bin/sh -e\n", vec!["/bin/sh"]),
            ("#!/usr/bin/env -S none-such\n", vec!["/usr/bin/env"]),
            ("text", vec![]),
        ] {
            fs::write(dir.path().join("script"), text).unwrap();
            let found = interpreters(&File::open(dir.path().join("script")).unwrap()).unwrap();
            assert_eq!(found, want.iter().map(PathBuf::from).collect::<Vec<_>>(), "{text}");
        }
    }
}
