use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;

use crate::rootfs::{Files, RootFs, RootPath, Time};
use crate::snapshot::TreeFiles;

use super::Patterns;
use super::assemble::assemble;
use super::index::{self, Index};
use super::tracked::{Run, remembered};
use super::walk::Walk;

/// A build context cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// There is no such directory, or it may not be opened.
    #[error("cannot open the build context `{}`", path.display())]
    Open {
        /// As given.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something in it cannot be looked at.
    #[error("cannot read {path} of the build context")]
    Read {
        /// What, relative to the context.
        path: RootPath,
        /// Why not.
        source: io::Error,
    },
}

/// A build context read from a directory (CTX-2, CTX-3): what is in it, but no content.
#[derive(Debug)]
pub struct Context {
    root: RootFs,
    index: Option<PathBuf>,
    /// When the walk began.
    begun: Time,
    tracked: Vec<Run>,
    /// Files in the index that was there.
    indexed: usize,
}

/// Giving back the memory of so many files is worth a thread.
const MANY: usize = 10_000;

impl Drop for Context {
    fn drop(&mut self) {
        let trees = (std::mem::take(&mut self.root), std::mem::take(&mut self.tracked));
        if trees.1.iter().map(Run::len).sum::<usize>() > MANY {
            // Nobody waits for it: at the end of a program there is no need to. Where there can be no thread, they go here.
            let _unwatched = std::thread::Builder::new().spawn(move || drop(trees));
        }
    }
}

impl Context {
    /// Walks `dir`, which may be a link (CTX-4), on up to `threads` threads, without what `ignore` excludes.
    ///
    /// `index` is the file of remembered digests of this context: it need not exist, and one that is damaged or of
    /// another version counts as absent. Files get their digest from it when their size, mode, inode, mtime and ctime
    /// are equal, and a change since would have been seen in them. What vanishes during the walk is not there;
    /// a directory that may not be read stands as a file whose reading fails, so that only who needs it fails.
    pub fn open(dir: &Path, ignore: &Patterns, index: Option<&Path>, threads: usize) -> Result<Self, ContextError> {
        let begun = index::now();
        let failure = |source: io::Error| ContextError::Open { path: dir.to_owned(), source };
        let files = Arc::new(TreeFiles::open(dir).map_err(failure)?);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = openat(&files, c".", flags, Mode::empty()).map_err(|error| failure(error.into()))?;
        let files: Arc<dyn Files> = files;
        let remembered = index.and_then(Index::open).unwrap_or_default();
        let harvest = Walk::new(ignore, &remembered, &files).run(top, threads)?;
        Ok(Self {
            root: assemble(harvest.found),
            index: index.map(Path::to_owned),
            begun,
            tracked: harvest.tracked,
            indexed: remembered.len(),
        })
    }

    /// The files of the context, owned by root.
    pub fn root(&self) -> &RootFs {
        &self.root
    }

    /// Writes what is known by now, digests above all, to the index, aside and then in its place. Its directory must exist.
    /// Nothing is written when the index would only say the same again.
    pub fn remember(&self) -> io::Result<()> {
        let Some(index) = &self.index else { return Ok(()) };
        let count = self.tracked.iter().map(Run::len).sum();
        if count == self.indexed && self.tracked.iter().all(Run::is_known) {
            return Ok(());
        }
        let mut runs: Vec<&Run> = self.tracked.iter().collect();
        runs.sort_unstable_by(|a, b| a.directory.as_bytes().cmp(b.directory.as_bytes()));
        let mut draft = index::Draft::new(index, self.begun)?;
        for parts in runs.chunk_by(|a, b| a.directory == b.directory) {
            let inodes: Vec<_> = parts.iter().flat_map(|run| run.inodes()).collect();
            let files = inodes.iter().filter_map(|(inode, name, stamp)| remembered(inode, *name, *stamp)).collect();
            if let Some(first) = parts.first() {
                draft.directory(first.directory.as_bytes(), files)?;
            }
        }
        draft.finish(count)
    }
}

/// All files of `dir`, without ignore rules and without remembering anything; `files` opens them by their paths below it.
pub fn read_tree(dir: &Path, files: &Arc<dyn Files>, threads: usize) -> Result<RootFs, ContextError> {
    let failure = |source: Errno| ContextError::Open { path: dir.to_owned(), source: source.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = open(dir, flags, Mode::empty()).map_err(failure)?;
    let harvest = Walk::new(&Patterns::default(), &Index::default(), files).run(top, threads)?;
    Ok(assemble(harvest.found))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use crate::context::Digester;
    use crate::rootfs::{Kind, Node};

    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn open(dir: &Path, ignore: &str, index: Option<&Path>) -> Context {
        Context::open(dir, &Patterns::from_file(ignore.as_bytes()).unwrap(), index, 3).unwrap()
    }

    fn names(context: &Context) -> Vec<String> {
        let mut names = Vec::new();
        let mut push = |path: &RootPath, _: &Node| {
            names.push(path.to_string());
            Ok::<_, ()>(())
        };
        context.root().walk(&mut push).unwrap();
        names
    }

    fn get(context: &Context, path: &str) -> Node {
        context.root().get(&RootPath::clamped(path.as_bytes())).unwrap()
    }

    fn inodes(context: &Context) -> Vec<Arc<crate::rootfs::Inode>> {
        context.tracked.iter().flat_map(Run::inodes).map(|(inode, ..)| inode).collect()
    }

    fn known(context: &Context, path: &str) -> bool {
        get(context, path).as_file().unwrap().digest.get().is_some()
    }

    #[test]
    fn ctx_3_and_4_entries_are_as_on_disk_but_for_the_owner() {
        let dir = tree(&[("d/file", "text")]);
        let at = |name: &str| dir.path().join(name);
        fs::set_permissions(at("d/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::set_permissions(at("d"), fs::Permissions::from_mode(0o1770)).unwrap();
        fs::hard_link(at("d/file"), at("again")).unwrap();
        symlink("/etc/../d", at("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        symlink(dir.path(), at("self")).unwrap();

        let context = open(&at("self"), "", None);
        assert_eq!(names(&context), ["/again", "/d", "/d/file", "/link", "/self"]);
        let (file, again) = (get(&context, "d/file"), get(&context, "again"));
        assert!(file.is(&again), "hard links are kept");
        let stat = fs::metadata(at("d/file")).unwrap();
        let meta = file.meta();
        assert_eq!((meta.mode, meta.uid, meta.gid), (0o4751, 0, 0));
        assert_eq!((meta.mtime.seconds, i64::from(meta.mtime.nanos)), (stat.mtime(), stat.mtime_nsec()));
        assert_eq!(get(&context, "d").meta().mode, 0o1770);
        assert_eq!(get(&context, "link").as_symlink(), Some(&b"/etc/../d"[..]));
        assert_eq!(file.as_file().unwrap().read(10).unwrap(), b"text");
        assert_eq!(context.root().root().meta.mode, 0o755);
    }

    #[test]
    fn ctx_3_attributes_are_kept_where_there_are_any() {
        let dir = tree(&[("d/f", ""), ("d/plain", "")]);
        for name in ["d", "d/f"] {
            let flags = rustix::fs::XattrFlags::empty();
            if rustix::fs::setxattr(dir.path().join(name), "user.kiln", b"v", flags).is_err() {
                return;
            }
        }
        let context = open(dir.path(), "", None);
        for (path, count) in [("d", 1), ("d/f", 1), ("d/plain", 0)] {
            assert_eq!(get(&context, path).meta().xattrs.len(), count, "{path}");
        }
    }

    #[test]
    fn ign_12_an_excluded_directory_is_there_for_what_it_holds() {
        let dir = tree(&[("a/b/kept", ""), ("a/b/not", ""), ("a/c/not", ""), ("x/y", "")]);
        assert_eq!(names(&open(dir.path(), "a\n!a/b/kept\n", None)), ["/a", "/a/b", "/a/b/kept", "/x", "/x/y"]);
        assert_eq!(names(&open(dir.path(), "**\n!x/z\n", None)), [""; 0]);
        assert_eq!(names(&open(dir.path(), "*/*\n", None)), ["/a", "/x"]);
    }

    #[test]
    fn ctx_2_large_and_deep_directories_are_whole() {
        let name =
            |n: usize| if n.is_multiple_of(100) { format!("{n}/{}x", "d/".repeat(n / 50)) } else { n.to_string() };
        let files: Vec<(String, &str)> = (0..1300).map(|n| (name(n), "")).collect();
        let rows: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, *text)).collect();
        let dir = tree(&rows);
        let context = open(dir.path(), "", None);
        assert_eq!(inodes(&context).len(), files.len());
        for (path, _) in &files {
            assert!(get(&context, path).as_file().is_some());
        }
    }

    #[test]
    fn ctx_1_no_directory_is_an_error() {
        let dir = tree(&[("file", "")]);
        for name in ["missing", "file"] {
            let path = dir.path().join(name);
            let error = Context::open(&path, &Patterns::default(), None, 1).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot open the build context `{}`", path.display()));
        }
    }

    #[test]
    fn m_22_digests_are_remembered_until_something_changes() {
        let dir = tree(&[("same", "1"), ("touched", "2"), ("replaced", "3"), ("unused", "4")]);
        let elsewhere = tempfile::tempdir().unwrap();
        let index = elsewhere.path().join("index");
        // Older than any walk from now on, even where the clock of the filesystem only ticks.
        std::thread::sleep(std::time::Duration::from_millis(60));

        let first = open(dir.path(), "", Some(&index));
        let wanted: Vec<_> = inodes(&first).into_iter().filter(|inode| !inode_is(inode, "unused")).collect();
        digest(&wanted);
        first.remember().unwrap();
        let written = fs::metadata(&index).unwrap().ino();

        let second = open(dir.path(), "", Some(&index));
        assert!(known(&second, "same") && known(&second, "touched") && !known(&second, "unused"));
        second.remember().unwrap();
        assert_eq!(fs::metadata(&index).unwrap().ino(), written, "nothing new, nothing written");

        let old = fs::metadata(dir.path().join("touched")).unwrap().modified().unwrap();
        fs::write(dir.path().join("touched"), "x").unwrap();
        fs::File::options().write(true).open(dir.path().join("touched")).unwrap().set_modified(old).unwrap();
        fs::write(dir.path().join("aside"), "y").unwrap();
        fs::rename(dir.path().join("aside"), dir.path().join("replaced")).unwrap();
        let third = open(dir.path(), "", Some(&index));
        assert!(known(&third, "same") && !known(&third, "touched") && !known(&third, "replaced"));
        digest(&inodes(&third));
        third.remember().unwrap();
        assert_ne!(fs::metadata(&index).unwrap().ino(), written);

        // What was written to just before the third walk began is in doubt.
        let fourth = open(dir.path(), "", Some(&index));
        assert!(known(&fourth, "same") && !known(&fourth, "replaced"));
    }

    fn digest(inodes: &[Arc<crate::rootfs::Inode>]) {
        let mut digester = Digester::new(2);
        for inode in inodes {
            let Kind::File(file) = &inode.kind else { continue };
            digester.digest(file).unwrap();
        }
    }

    fn inode_is(inode: &crate::rootfs::Inode, name: &str) -> bool {
        match &inode.kind {
            Kind::File(file) => {
                matches!(&file.content, crate::rootfs::Content::At { path, .. } if path.as_bytes() == name.as_bytes())
            }
            _ => false,
        }
    }
}
