//! Where the Dockerfile and the build context come from (context.md, CTX and DF).

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bases::Locks;
use crate::context::{self, Context};
use crate::rootfs::{Files, RootFs};
use crate::snapshot::TreeFiles;
use crate::store::TempDir;

use super::fetch::Fetcher;
use super::pin::locks_of;
use super::{BuildError, ContextSpec, DockerfileSpec, Options, SourceText, elsewhere};

/// Most bytes of a Dockerfile that does not lie on this machine.
pub(super) const MAX_DOCKERFILE: u64 = 64 << 20;

/// The main context, before it is read.
pub(super) enum MainContext {
    /// A directory, with the Dockerfile's own path where it has one (IGN-1).
    Directory { dir: PathBuf, dockerfile: Option<PathBuf> },
    /// Files of a git repository; no ignore rules hold for them (CTX-7).
    Checkout(Context),
    /// What was in an archive, or a single file; the directory holds the bytes.
    Known { root: RootFs, _temp: Option<Arc<TempDir>> },
    /// Nothing: the Dockerfile itself came on standard input.
    Empty,
}

/// A Dockerfile and its context.
pub(super) struct Sources {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) context: MainContext,
    /// When a context elsewhere was made, where that is known: seconds since 1970 (ARG-13).
    pub(super) time: Option<i64>,
}

/// Reads the Dockerfile and finds the context.
pub(super) fn open(options: &Options, fetcher: &Fetcher) -> Result<Sources, BuildError> {
    match &options.context {
        ContextSpec::Directory(dir) => in_directory(options, dir, fetcher),
        ContextSpec::Stdin => on_stdin(options, fetcher),
        ContextSpec::Remote(remote) => elsewhere::open(options, remote, fetcher),
    }
}

fn in_directory(options: &Options, dir: &Path, fetcher: &Fetcher) -> Result<Sources, BuildError> {
    if !dir.is_dir() {
        let message = format!("unable to prepare context: path \"{}\" not found", dir.display());
        return Err(usage(message, Some("the last argument is the build context, a directory; often `.`".to_owned())));
    }
    let (path, bytes) = match &options.dockerfile {
        DockerfileSpec::Stdin => {
            let bytes = read_stdin()?;
            let context = MainContext::Directory { dir: dir.to_owned(), dockerfile: None };
            return Ok(Sources { name: "Dockerfile".to_owned(), bytes, context, time: None });
        }
        DockerfileSpec::Url(url) => {
            let (name, bytes) = elsewhere::by_url(url, fetcher)?;
            let context = MainContext::Directory { dir: dir.to_owned(), dockerfile: None };
            return Ok(Sources { name, bytes, context, time: None });
        }
        DockerfileSpec::Default => with_fallback(&dir.join("Dockerfile"))?,
        DockerfileSpec::Path(path) => with_fallback(path)?,
    };
    let context = MainContext::Directory { dir: dir.to_owned(), dockerfile: Some(path.clone()) };
    Ok(Sources { name: base_name(&path), bytes, context, time: None })
}

/// DF-1: a file `dockerfile` stands in for a missing `Dockerfile`.
fn with_fallback(path: &Path) -> Result<(PathBuf, Vec<u8>), BuildError> {
    let error = match std::fs::read(path) {
        Ok(bytes) => return Ok((path.to_owned(), bytes)),
        Err(error) => error,
    };
    if error.kind() == io::ErrorKind::NotFound && path.file_name().is_some_and(|name| name == "Dockerfile") {
        let lower = path.with_file_name("dockerfile");
        if let Ok(bytes) = std::fs::read(&lower) {
            return Ok((lower, bytes));
        }
    }
    Err(missing(&path.display().to_string(), &error))
}

/// The Dockerfile at a path of this machine.
pub(super) fn read_dockerfile(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|error| missing(&path.display().to_string(), &error))
}

/// DF-4.
fn missing(name: &str, error: &io::Error) -> BuildError {
    let why =
        if error.kind() == io::ErrorKind::NotFound { "no such file or directory".into() } else { error.to_string() };
    usage(
        format!("failed to read dockerfile: open {name}: {why}"),
        Some("name the Dockerfile with `-f`, relative to the current directory".to_owned()),
    )
}

pub(super) fn base_name(path: &Path) -> String {
    path.file_name().map_or_else(|| "Dockerfile".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// CTX-5: an archive is the context, anything else the Dockerfile.
fn on_stdin(options: &Options, fetcher: &Fetcher) -> Result<Sources, BuildError> {
    if options.dockerfile == DockerfileSpec::Stdin {
        return Err(usage("invalid argument: can't use stdin for both build context and dockerfile".to_owned(), None));
    }
    let machine = |source| BuildError::Machine { doing: "read the build context from standard input".into(), source };
    // Not by way of `io::stdin`, whose buffer would keep a part of the archive, and whose lock cannot be sent to the thread
    // that a decompressor may run on.
    let mut stdin = File::from(rustix::io::dup(rustix::stdio::stdin()).map_err(|error| machine(error.into()))?);
    let mut start = Vec::new();
    stdin.by_ref().take(512).read_to_end(&mut start).map_err(machine)?;
    if !context::is_archive(&start) {
        if let DockerfileSpec::Url(_) = options.dockerfile {
            let message = "the stream on standard input is no archive, so it is no context";
            return Err(usage(message.to_owned(), Some("leave `-f` out, or send a tar".to_owned())));
        }
        if options.dockerfile != DockerfileSpec::Default {
            let message = "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles";
            return Err(usage(message.to_owned(), Some("leave `-f` out".to_owned())));
        }
        let mut bytes = start;
        stdin.read_to_end(&mut bytes).map_err(machine)?;
        return Ok(Sources { name: "Dockerfile".to_owned(), bytes, context: MainContext::Empty, time: None });
    }
    let temp = Arc::new(fetcher.store.temp_dir().map_err(machine)?);
    let dir = temp.join("context");
    std::fs::create_dir(&dir).map_err(machine)?;
    let files: Arc<dyn Files> = Arc::new(TreeFiles::open(&dir).map_err(machine)?);
    let root = context::from_tar(io::Cursor::new(start).chain(stdin), &dir, files).map_err(machine)?;
    let (name, bytes) = match &options.dockerfile {
        DockerfileSpec::Url(url) => elsewhere::by_url(url, fetcher)?,
        DockerfileSpec::Path(path) => (base_name(path), in_tree(&root, &path.to_string_lossy())?),
        DockerfileSpec::Default | DockerfileSpec::Stdin => ("Dockerfile".to_owned(), in_tree(&root, "Dockerfile")?),
    };
    Ok(Sources { name, bytes, context: MainContext::Known { root, _temp: Some(temp) }, time: None })
}

pub(super) fn in_tree(root: &RootFs, name: &str) -> Result<Vec<u8>, BuildError> {
    let not_found = io::Error::from(io::ErrorKind::NotFound);
    let find = |name: &str| root.resolve(name.as_bytes(), true).ok().and_then(|found| found.node);
    let found = find(name).or_else(|| if name == "Dockerfile" { find("dockerfile") } else { None });
    let Some(node) = found else { return Err(missing(name, &not_found)) };
    let Some(file) = node.as_file() else { return Err(missing(name, &not_found)) };
    file.read(MAX_DOCKERFILE).map_err(|error| missing(name, &error))
}

pub(super) fn read_stdin() -> Result<Vec<u8>, BuildError> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|source| BuildError::Machine { doing: "read the Dockerfile from standard input".into(), source })?;
    Ok(bytes)
}

pub(super) fn usage(message: String, help: Option<String>) -> BuildError {
    BuildError::Usage { message, help }
}

impl Sources {
    /// The digests that images must have, where they must have any (`--locked`).
    pub(super) fn locks(&self, options: &Options) -> Result<Option<Locks>, BuildError> {
        match &self.context {
            _ if !options.locked => Ok(None),
            MainContext::Directory { dockerfile: Some(path), .. } => locks_of(path).map(Some),
            _ => Ok(Some(Locks::new())),
        }
    }

    /// What diagnostics point into.
    pub(super) fn text(&self, text: &str) -> SourceText {
        SourceText { name: self.name.clone(), text: text.to_owned() }
    }
}
