//! What a build reads besides the Dockerfile, read when a step first asks for it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use crate::bases::{BaseImage, Resolver};
use crate::context::{self, Context, Patterns};
use crate::exec::Inputs;
use crate::image::Digest;
use crate::plan::ImageId;
use crate::progress::{Event, Outcome, SharedSink, TaskId};
use crate::rootfs::{RootFs, RootPath};
use crate::sandbox::Service;
use crate::ssh;
use crate::store::Store;

use super::source::MainContext;
use super::{Secret, SecretSource, SshAgent};

/// Most bytes of a secret (SEC-3).
const MAX_SECRET: u64 = 500 << 10;

/// Ids of the tasks that read contexts: apart from those of the steps.
const FIRST_TASK: u32 = 2_000_000;

/// Everything outside the plan.
pub(super) struct Outside<'a> {
    pub(super) resolver: &'a Resolver,
    store: &'a Store,
    main: &'a MainContext,
    secrets: BTreeMap<String, Vec<u8>>,
    agents: BTreeMap<String, Arc<Answering>>,
    threads: usize,
    sink: &'a SharedSink,
    context: OnceLock<Result<Main, String>>,
    directories: Mutex<BTreeMap<String, Context>>,
}

enum Main {
    Walked(Context),
    Known(RootFs),
}

impl<'a> Outside<'a> {
    /// Secrets and keys are read now: a file that is missing is found before anything runs (SEC-3).
    pub(super) fn new(
        resolver: &'a Resolver,
        store: &'a Store,
        main: &'a MainContext,
        (secrets, agents): (&[Secret], &[SshAgent]),
        threads: usize,
        sink: &'a SharedSink,
    ) -> Result<Self, super::BuildError> {
        let mut known = BTreeMap::new();
        for secret in secrets {
            known.insert(secret.id.clone(), read_secret(secret)?);
        }
        let agents = agents.iter().map(|agent| Ok((agent.id.clone(), Answering::open(agent)?)));
        let agents = agents.collect::<Result<_, super::BuildError>>()?;
        let (context, directories) = (OnceLock::new(), Mutex::new(BTreeMap::new()));
        Ok(Self { resolver, store, main, secrets: known, agents, threads, sink, context, directories })
    }

    fn load(&self) -> io::Result<Main> {
        match self.main {
            MainContext::Empty => Ok(Main::Known(RootFs::empty())),
            MainContext::Unpacked { root, .. } => Ok(Main::Known(root.clone())),
            MainContext::Directory { dir, dockerfile } => {
                self.walk("load build context", dir, dockerfile.as_deref(), 0).map(Main::Walked)
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
        let index = self.store.context_index(&index_name(dir)?);
        Context::open(dir, &patterns, Some(&index), self.threads).map_err(|error| io::Error::other(error.to_string()))
    }

    /// Keeps the digests that this build has learnt. A cache that cannot be written costs time later, not the build now.
    pub(super) fn remember(&self) {
        if let Some(Ok(Main::Walked(context))) = self.context.get() {
            let _best_effort = context.remember();
        }
        for context in self.directories.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _best_effort = context.remember();
        }
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
fn index_name(dir: &Path) -> io::Result<String> {
    use std::os::unix::ffi::OsStrExt;
    let real: PathBuf = dir.canonicalize()?;
    Ok(Digest::of(real.as_os_str().as_bytes()).hex())
}

impl Inputs for Outside<'_> {
    fn base(&self, id: &ImageId) -> BaseImage {
        self.resolver.base(id)
    }

    fn context(&self) -> io::Result<&RootFs> {
        match self.context.get_or_init(|| self.load().map_err(|error| error.to_string())) {
            Ok(Main::Walked(context)) => Ok(context.root()),
            Ok(Main::Known(root)) => Ok(root),
            Err(message) => Err(io::Error::other(message.clone())),
        }
    }

    fn directory(&self, name: &str) -> io::Result<RootFs> {
        let mut known = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(context) = known.get(name) {
            return Ok(context.root().clone());
        }
        let dir =
            self.resolver.directory(name).ok_or_else(|| io::Error::other(format!("no context is named `{name}`")))?;
        let number = u32::try_from(known.len()).unwrap_or_default() + 1;
        let context = self.walk(&format!("load context {name}"), &dir, None, number)?;
        let root = context.root().clone();
        known.insert(name.to_owned(), context);
        Ok(root)
    }

    fn secret(&self, id: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.secrets.get(id).cloned())
    }

    fn agent(&self, id: &str) -> Option<Arc<dyn Service>> {
        let agent = self.agents.get(id)?;
        Some(Arc::<Answering>::clone(agent))
    }

    fn is_ignored(&self, path: &RootPath) -> bool {
        let MainContext::Directory { dir, dockerfile } = self.main else { return false };
        let below = path.as_path().strip_prefix("/").unwrap_or(path.as_path());
        dir.join(below).symlink_metadata().is_ok()
            && ignore_rules(dir, dockerfile.as_deref()).is_ok_and(|rules| rules.excludes(path))
    }
}

/// An agent, behind the sockets of steps.
#[derive(Debug)]
struct Answering(ssh::Agent);

impl Answering {
    fn open(agent: &SshAgent) -> Result<Arc<Self>, super::BuildError> {
        let opened = ssh::Agent::open(&agent.paths).map_err(|error| {
            let help = match &error {
                ssh::Error::Key { help, .. } => Some((*help).to_owned()),
                ssh::Error::Read { .. } | ssh::Error::Mixed => None,
            };
            super::source::usage(format!("ssh agent `{}`: {error}", agent.id), help)
        });
        Ok(Arc::new(Self(opened?)))
    }
}

impl Service for Answering {
    fn serve(&self, client: UnixStream) {
        // A client that breaks off is its own affair.
        let _broken_off = self.0.serve(client);
    }
}

fn read_secret(secret: &Secret) -> Result<Vec<u8>, super::BuildError> {
    match &secret.source {
        SecretSource::Env(name) => {
            Ok(std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec).unwrap_or_default())
        }
        SecretSource::File(path) => {
            let failed =
                |source| super::BuildError::Machine { doing: format!("read the secret `{}`", secret.id), source };
            let bytes = std::fs::read(path).map_err(failed)?;
            if bytes.len() as u64 > MAX_SECRET {
                return Err(super::source::usage(
                    format!("the secret `{}` is larger than 500 KiB", secret.id),
                    Some("secrets are keys and tokens; copy larger files in from a context".to_owned()),
                ));
            }
            Ok(bytes)
        }
    }
}
