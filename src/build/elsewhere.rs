//! Build contexts that lie elsewhere: git repositories (CTX-8), archives and single files by URL (HTTP-1).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::context::{self, Context, Patterns};
use crate::download::Downloaded;
use crate::remote::{GitReference, Mtime, Source};
use crate::rootfs::{Directory, Files, Inode, Kind, Meta, Node, RootFs, RootPath, Time};
use crate::snapshot::TreeFiles;

use super::fetch::Fetcher;
use super::inputs::index_name;
use super::source::{MAX_DOCKERFILE, MainContext, Sources, base_name, in_tree, read_dockerfile, read_stdin};
use super::{BuildError, DockerfileSpec, Options};

/// The name of the one file of a context that is a file (HTTP-1, NCTX-3).
const SINGLE: &str = "context";

/// Fetches the main context, and reads its Dockerfile.
pub(super) fn open(options: &Options, remote: &Source, fetcher: &Fetcher) -> Result<Sources, BuildError> {
    match remote {
        Source::Git(reference) => in_repository(options, reference, fetcher),
        Source::Url(url) => at_url(options, url, fetcher),
    }
}

/// CTX-8, CTX-9.
fn in_repository(options: &Options, reference: &GitReference, fetcher: &Fetcher) -> Result<Sources, BuildError> {
    let is_given = |name: &str| options.build_args.get(name).filter(|value| !value.is_empty());
    let keep = is_given("BUILDKIT_CONTEXT_KEEP_GIT_DIR").is_some_and(|value| is_true(value));
    let mtime = if is_given("SOURCE_DATE_EPOCH").is_some() { Mtime::Commit } else { reference.mtime };
    let reference = GitReference { mtime, ..reference.clone() };
    let (context, committed) = checkout(&reference, keep, fetcher)?;
    let (name, bytes) = dockerfile(options, context.root(), fetcher)?;
    Ok(Sources { name, bytes, context: MainContext::Checkout(context), time: Some(committed) })
}

/// The files of a repository as a context, and the time of its commit.
pub(super) fn checkout(reference: &GitReference, keep: bool, fetcher: &Fetcher) -> Result<(Context, i64), BuildError> {
    let failed = |source| BuildError::Machine { doing: "read what git has fetched".to_owned(), source };
    let checkout = fetcher.git(reference, keep || reference.keep_git_dir == Some(true))?;
    let index = fetcher.store.context_index(&index_name(&checkout.dir).map_err(failed)?);
    let context = Context::open(&checkout.dir, &Patterns::default(), Some(&index), super::run::threads())
        .map_err(|error| failed(io::Error::other(error.to_string())))?;
    Ok((context, checkout.committed))
}

/// HTTP-1.
fn at_url(options: &Options, url: &str, fetcher: &Fetcher) -> Result<Sources, BuildError> {
    let failed = |source| BuildError::Machine { doing: "unpack the build context".to_owned(), source };
    let found = fetcher.url(url)?;
    let mut start = Vec::new();
    let blob = fetcher.store.open_blob(&found.digest).map_err(failed)?;
    blob.take(512).read_to_end(&mut start).map_err(failed)?;
    if !context::is_archive(&start) {
        let (name, bytes) = match &options.dockerfile {
            // The file itself is the Dockerfile, whatever a name in the context says.
            DockerfileSpec::Default | DockerfileSpec::Path(_) => (named(&found), read_file(&found, fetcher)?),
            _ => dockerfile(options, &RootFs::empty(), fetcher)?,
        };
        let context = MainContext::Known { root: single(&found, fetcher), _temp: None };
        return Ok(Sources { name, bytes, context, time: found.modified });
    }
    let temp = Arc::new(fetcher.store.temp_dir().map_err(failed)?);
    let dir = temp.join("context");
    std::fs::create_dir(&dir).map_err(failed)?;
    let files: Arc<dyn Files> = Arc::new(TreeFiles::open(&dir).map_err(failed)?);
    let blob = fetcher.store.open_blob(&found.digest).map_err(failed)?;
    let root = context::from_tar(blob, &dir, files).map_err(failed)?;
    let (name, bytes) = dockerfile(options, &root, fetcher)?;
    let time = newest(root.root());
    Ok(Sources { name, bytes, context: MainContext::Known { root, _temp: Some(temp) }, time })
}

/// The Dockerfile of a context elsewhere: in it (DF-2), unless `-f` is an absolute path of this machine, `-` or a URL
/// (CTX-8).
fn dockerfile(options: &Options, root: &RootFs, fetcher: &Fetcher) -> Result<(String, Vec<u8>), BuildError> {
    let path: PathBuf = match &options.dockerfile {
        DockerfileSpec::Stdin => return Ok(("Dockerfile".to_owned(), read_stdin()?)),
        DockerfileSpec::Url(url) => return by_url(url, fetcher),
        DockerfileSpec::Path(path) if path.is_absolute() && path.is_file() => {
            return Ok((base_name(path), read_dockerfile(path)?));
        }
        DockerfileSpec::Path(path) => path.clone(),
        DockerfileSpec::Default => "Dockerfile".into(),
    };
    Ok((base_name(&path), in_tree(root, &path.to_string_lossy())?))
}

/// A Dockerfile by URL (DF-3), and its name.
pub(super) fn by_url(url: &str, fetcher: &Fetcher) -> Result<(String, Vec<u8>), BuildError> {
    let found = fetcher.url(url)?;
    Ok((named(&found), read_file(&found, fetcher)?))
}

fn named(found: &Downloaded) -> String {
    if found.name.starts_with("__") { "Dockerfile".to_owned() } else { base_name(Path::new(&found.name)) }
}

fn read_file(found: &Downloaded, fetcher: &Fetcher) -> Result<Vec<u8>, BuildError> {
    let failed = |source| BuildError::Machine { doing: "read the Dockerfile that was downloaded".to_owned(), source };
    found.file(&fetcher.store).read(MAX_DOCKERFILE).map_err(failed)
}

/// A context of one file (HTTP-1, NCTX-3).
pub(super) fn single(found: &Downloaded, fetcher: &Fetcher) -> RootFs {
    let mtime = Time { seconds: found.modified.unwrap_or(0), nanos: 0 };
    let meta = Meta { mtime, ..Meta::with_mode(0o600) };
    let mut root = RootFs::empty();
    root.insert(&RootPath::clamped(SINGLE.as_bytes()), Inode::new(meta, Kind::File(found.file(&fetcher.store))).into());
    root
}

/// The time of the newest regular file (ARG-13).
fn newest(directory: &Directory) -> Option<i64> {
    let times = directory.children.values().filter_map(|node| match node {
        Node::Directory(below) => newest(below),
        Node::Inode(inode) => matches!(inode.kind, Kind::File(_)).then_some(inode.meta.mtime.seconds),
    });
    times.max()
}

/// A word that Go's `ParseBool` takes for true (ARG-12).
fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "True" | "TRUE")
}

/// An error and its causes, joined by colons.
pub(super) fn one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
