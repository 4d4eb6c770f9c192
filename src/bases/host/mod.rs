//! A small base image of this machine's own programs (`host:`), for machines that reach no registry.
//!
//! It holds the programs named, with the libraries they need, under the paths that they have here; a shell; and the files
//! and directories that programs expect everywhere. Nothing in it tells of the machine's users, settings or clock.

mod elf;
mod libraries;
mod tree;

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::image::{Compression, DEFAULT_PATH, Descriptor, DiffId, MediaType, Platform, RunConfig, Wire};
use crate::layer::pack_blob;
use crate::rootfs::{Changes, Directory, File, Inode, Kind, Meta, Node, RootFs, RootPath};
use crate::snapshot::TreeFiles;
use crate::store::Store;

use super::Error;
use super::documents::Picked;
use super::one_layer::one_layer;
use tree::Tree;

/// Version of what is made of the same programs.
const FORMAT: u32 = 1;

/// What `host:` alone means, as far as it is installed.
const USUAL: &[&str] = &[
    "cat", "ls", "cp", "mv", "rm", "mkdir", "rmdir", "chmod", "chown", "echo", "env", "id", "sleep", "touch", "ln",
    "sed", "grep", "tar", "head", "tail", "sort", "wc", "cut", "tr", "test", "true", "false", "printf", "pwd", "date",
    "uname", "stat", "readlink", "dirname", "basename", "mktemp", "find", "xargs", "gzip",
];

/// Directories of the root that distributions make links where they have merged `/usr`.
const MERGED: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// Directories that are always there, and their modes.
const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

/// Files that are always there.
const FILES: &[(&str, &str)] = &[
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
];

/// What the store remembers of programs that it has packed.
#[derive(Serialize, Deserialize)]
struct Packed {
    layer: Descriptor,
    diff_id: DiffId,
}

/// Makes the image of `programs`: names of programs, or absolute paths of files and directories; none for the
/// usual ones. Programs that have been packed before, and have not changed since, are not packed again.
pub(super) fn image(store: &Store, programs: &[String], platform: &Platform, threads: usize) -> Result<Picked, Error> {
    let host = Platform::host();
    if !host.satisfies(platform) {
        return Err(Error::Platform {
            name: "host:".to_owned(),
            wanted: Box::new(platform.clone()),
            present: vec![host.to_string()],
        });
    }
    let (tree, mut run) = gather(programs)?;
    let packed = pack(store, &tree, threads).map_err(Error::Host)?;
    if !tree.library_path.is_empty() {
        let dirs: Vec<_> = tree.library_path.iter().map(|dir| dir.display().to_string()).collect();
        run.env.push(format!("LD_LIBRARY_PATH={}", dirs.join(":")));
    }
    one_layer(&packed.layer, packed.diff_id, run, &host, &format!("kiln host:{}", programs.join(",")))
}

/// The files, and the config but for the library path.
fn gather(programs: &[String]) -> Result<(Tree, RunConfig), Error> {
    let files = TreeFiles::open(Path::new("/")).map_err(Error::Host)?;
    let mut tree = Tree::new(Arc::new(files));
    for link in MERGED.iter().map(Path::new).filter(|path| path.is_symlink()) {
        tree.add(link).map_err(Error::Host)?;
    }
    let mut path = DEFAULT_PATH.to_owned();
    let mut add = |name: &str, found: &Path| {
        if found.is_dir() {
            return tree.add_directory(found).map_err(Error::Host);
        }
        tree.add_program(found).map_err(|error| {
            let name = name.to_owned();
            Error::HostProgram { name, source: error }
        })?;
        let dir = found.parent().unwrap_or(Path::new("/")).display().to_string();
        if !path.trim_start_matches("PATH=").split(':').any(|known| known == dir) {
            path.push(':');
            path.push_str(&dir);
        }
        Ok(())
    };
    for name in std::iter::once("/bin/sh").chain(programs.iter().map(String::as_str)) {
        let found = program(OsStr::new(name)).ok_or_else(|| Error::HostMissing { name: name.to_owned() })?;
        add(name, &found)?;
    }
    if programs.is_empty() {
        for name in USUAL {
            if let Some(found) = program(OsStr::new(name)) {
                add(name, &found)?;
            }
        }
    }
    furnish(&mut tree.root);
    let run = RunConfig { env: vec![path], cmd: vec!["/bin/sh".to_owned()], ..RunConfig::default() };
    Ok((tree, run))
}

/// Where a program is: the first of that name in the usual directories, or in `PATH`. An absolute path is itself.
///
/// The usual directories come first: what a developer puts before them is a wrapper more often than a program.
fn program(name: &OsStr) -> Option<PathBuf> {
    if Path::new(name).is_absolute() {
        return Path::new(name).exists().then(|| PathBuf::from(name));
    }
    let executable =
        |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = DEFAULT_PATH.trim_start_matches("PATH=").split(':').map(PathBuf::from);
    let dirs = usual.chain(env::split_paths(&path).filter(|dir| dir.is_absolute()));
    dirs.map(|dir| dir.join(name)).find(executable)
}

/// Adds what programs expect everywhere, in place of what was gathered under those names.
fn furnish(root: &mut RootFs) {
    for (name, mode) in DIRECTORIES {
        let path = RootPath::clamped(name.as_bytes());
        let meta = Meta::with_mode(*mode);
        match root.directory_mut(&path) {
            Some(directory) => directory.meta = meta,
            None => drop(root.insert(&path, Directory { meta, ..Directory::default() }.into())),
        }
    }
    for (name, text) in FILES {
        let inode = Inode::new(Meta::with_mode(0o644), Kind::File(File::inline(text.as_bytes())));
        root.insert(&RootPath::clamped(name.as_bytes()), Node::from(inode));
    }
}

fn pack(store: &Store, tree: &Tree, threads: usize) -> io::Result<Packed> {
    let key = format!("host-{}", blake3::hash(format!("{FORMAT} {:?}", tree.marks).as_bytes()).to_hex());
    let known = store.step(&key)?.and_then(|bytes| serde_json::from_slice::<Packed>(&bytes).ok());
    if let Some(known) = known.filter(|known| store.has(&known.layer.digest)) {
        return Ok(known);
    }
    let changes: Changes = tree.root.changes_since(&RootFs::empty())?;
    let mut blob = store.new_blob()?;
    let packed = pack_blob(&changes, Compression::Gzip, None, threads.max(1), &mut blob)?;
    let (digest, size) = blob.commit(None)?;
    let layer = Descriptor::new(MediaType::Layer(Wire::Oci, Compression::Gzip), digest, size);
    store.set_blob_of(&packed.diff_id, &layer)?;
    let packed = Packed { layer, diff_id: packed.diff_id };
    store.put_step(&key, &serde_json::to_vec(&packed)?)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_programs_give_the_same_image_and_missing_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Store::open(&dir.path().join("1")).unwrap(), Store::open(&dir.path().join("2")).unwrap());
        let host = Platform::host();
        let programs = ["cat".to_owned()];
        let image = |store| super::image(store, &programs, &host, 2).unwrap();
        let (first, other) = (image(&one), image(&two));
        assert_eq!(first.descriptor, other.descriptor);
        assert_eq!(image(&one).descriptor, first.descriptor, "remembered");
        assert_eq!(first.config.config.cmd, ["/bin/sh"]);
        let error = super::image(&one, &["no-such-program".to_owned()], &host, 1).unwrap_err();
        assert_eq!(error.to_string(), "host: program `no-such-program` is not installed on this machine");
        let foreign = "linux/mips64".parse().unwrap();
        assert!(matches!(super::image(&one, &programs, &foreign, 1), Err(Error::Platform { .. })));
    }

    #[test]
    fn the_tree_holds_a_shell_its_loader_and_its_furniture() {
        let (tree, _) = gather(&[]).unwrap();
        let shell = tree.root.resolve(b"/bin/sh", true).unwrap();
        assert!(shell.node.unwrap().as_file().is_some());
        let mode = |name: &str| tree.root.get(&RootPath::clamped(name.as_bytes())).unwrap().meta().mode;
        assert_eq!((mode("tmp"), mode("root"), mode("etc/passwd")), (0o1777, 0o700, 0o644));
        let mut owners = true;
        tree.root
            .walk::<()>(&mut |_, node| {
                let meta = node.meta();
                owners &= (meta.uid, meta.gid, meta.mtime.seconds) == (0, 0, 0);
                Ok(())
            })
            .unwrap();
        assert!(owners);
    }
}
