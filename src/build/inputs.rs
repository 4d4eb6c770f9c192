//! What a build reads besides the Dockerfile, read when a step first asks for it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::bases::{BaseImage, ContextFiles, Resolver};
use crate::context::{self, Context, Patterns};
use crate::exec::Inputs;
use crate::image::Digest;
use crate::plan::ImageId;
use crate::progress::{Event, Outcome, SharedSink, TaskId};
use crate::remote::Source;
use crate::rootfs::{RootFs, RootPath};
use crate::sandbox::Service;

use super::elsewhere;
use super::fetch::Fetcher;
use super::source::MainContext;

/// Ids of the tasks that read contexts: apart from those of the steps.
const FIRST_TASK: u32 = 2_000_000;

/// Everything outside the plan.
pub(super) struct Outside<'a> {
    resolver: &'a Resolver,
    fetcher: &'a Fetcher,
    main: &'a MainContext,
    threads: usize,
    sink: &'a SharedSink,
    context: Loaded,
    /// Named contexts by name, each read once.
    named: Mutex<BTreeMap<String, Arc<Loaded>>>,
}

/// What came of reading a context.
type Loaded = OnceLock<Result<Files, String>>;

enum Files {
    Walked(Context),
    Known(RootFs),
}

impl Files {
    fn root(&self) -> &RootFs {
        match self {
            Self::Walked(context) => context.root(),
            Self::Known(root) => root,
        }
    }
}

impl<'a> Outside<'a> {
    pub(super) fn new(
        resolver: &'a Resolver,
        fetcher: &'a Fetcher,
        main: &'a MainContext,
        threads: usize,
        sink: &'a SharedSink,
    ) -> Self {
        Self { resolver, fetcher, main, threads, sink, context: Loaded::new(), named: Mutex::default() }
    }

    fn load(&self) -> io::Result<Files> {
        match self.main {
            MainContext::Empty => Ok(Files::Known(RootFs::empty())),
            MainContext::Checkout(context) => Ok(Files::Known(context.root().clone())),
            MainContext::Known { root, .. } => Ok(Files::Known(root.clone())),
            MainContext::Directory { dir, dockerfile } => {
                self.walk("load build context", dir, dockerfile.as_deref(), 0).map(Files::Walked)
            }
        }
    }

    fn load_named(&self, name: &str, number: u32) -> io::Result<Files> {
        let unknown = || io::Error::other(format!("no context is named `{name}`"));
        let failed = |error: super::BuildError| io::Error::other(elsewhere::one_line(&error));
        match self.resolver.files(name).ok_or_else(unknown)? {
            ContextFiles::Directory(dir) => {
                self.walk(&format!("load context {name}"), &dir, None, number).map(Files::Walked)
            }
            ContextFiles::Remote(Source::Git(reference)) => {
                let (context, _) = elsewhere::checkout(&reference, false, self.fetcher).map_err(failed)?;
                Ok(Files::Walked(context))
            }
            ContextFiles::Remote(Source::Url(url)) => {
                let found = self.fetcher.url(&url).map_err(failed)?;
                Ok(Files::Known(elsewhere::single(&found, self.fetcher)))
            }
        }
    }

    fn walk(&self, name: &str, dir: &Path, dockerfile: Option<&Path>, number: u32) -> io::Result<Context> {
        let task = TaskId(FIRST_TASK + number);
        let began = Instant::now();
        self.sink.event(Event::Start { task, name: name.to_owned() });
        let result = self.read(dir, dockerfile);
        let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.sink.event(Event::End { task, outcome, took: began.elapsed() });
        result
    }

    fn read(&self, dir: &Path, dockerfile: Option<&Path>) -> io::Result<Context> {
        let patterns = ignore_rules(dir, dockerfile)?;
        let index = self.fetcher.store.context_index(&index_name(dir)?);
        Context::open(dir, &patterns, Some(&index), self.threads).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// The ignore rules of a directory (IGN-1); none where it has no ignore file.
pub(super) fn ignore_rules(dir: &Path, dockerfile: Option<&Path>) -> io::Result<Patterns> {
    match context::ignore_file(dockerfile, dir)? {
        Some((path, bytes)) => Patterns::from_file(&bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))),
        None => Ok(Patterns::default()),
    }
}

/// A context is known by its real path.
pub(super) fn index_name(dir: &Path) -> io::Result<String> {
    use std::os::unix::ffi::OsStrExt;
    let real: PathBuf = dir.canonicalize()?;
    Ok(Digest::of(real.as_os_str().as_bytes()).hex())
}

impl Inputs for Outside<'_> {
    /// Keeps the digests that this build has learnt. A cache that cannot be written costs time later, not the build now.
    fn remember(&self) {
        if let MainContext::Checkout(context) = self.main {
            let _best_effort = context.remember();
        }
        let named: Vec<Arc<Loaded>> =
            self.named.lock().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect();
        for loaded in named.iter().map(Arc::as_ref).chain([&self.context]) {
            if let Some(Ok(Files::Walked(context))) = loaded.get() {
                let _best_effort = context.remember();
            }
        }
    }

    fn base(&self, id: &ImageId) -> BaseImage {
        self.resolver.base(id)
    }

    fn context(&self) -> io::Result<&RootFs> {
        match self.context.get_or_init(|| self.load().map_err(|error| error.to_string())) {
            Ok(files) => Ok(files.root()),
            Err(message) => Err(io::Error::other(message.clone())),
        }
    }

    fn directory(&self, name: &str) -> io::Result<RootFs> {
        let (loaded, number) = {
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            let number = u32::try_from(named.len()).unwrap_or_default() + 1;
            (Arc::clone(named.entry(name.to_owned()).or_default()), number)
        };
        match loaded.get_or_init(|| self.load_named(name, number).map_err(|error| error.to_string())) {
            Ok(files) => Ok(files.root().clone()),
            Err(message) => Err(io::Error::other(message.clone())),
        }
    }

    fn secret(&self, id: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.fetcher.secrets.get(id))
    }

    fn agent(&self, id: &str) -> Option<Arc<dyn Service>> {
        self.fetcher.agents.service(id)
    }

    fn agent_socket(&self) -> io::Result<Option<PathBuf>> {
        self.fetcher.agents.socket()
    }

    fn is_ignored(&self, path: &RootPath) -> bool {
        let MainContext::Directory { dir, dockerfile } = self.main else { return false };
        let below = path.as_path().strip_prefix("/").unwrap_or(path.as_path());
        dir.join(below).symlink_metadata().is_ok()
            && ignore_rules(dir, dockerfile.as_deref()).is_ok_and(|rules| rules.excludes(path))
    }
}
