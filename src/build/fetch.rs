//! What contexts and Dockerfiles elsewhere hold.

use std::sync::Arc;

use crate::download::{self, DownloadError, Downloaded, Downloads};
use crate::git::{self, Access, Checkout, Git};
use crate::progress::{Cancel, Outcome, SharedSink, Tasks};
use crate::remote::{GitReference, redacted};
use crate::store::Store;

use super::agents::Agents;
use super::secrets::Secrets;
use super::source::usage;
use super::{BuildError, Options};

/// Ids of tasks that fetch: apart from those of the steps.
const FIRST_TASK: u32 = 2_500_000;

/// Fetches what lies elsewhere, and keeps it in the store.
pub(super) struct Fetcher {
    pub(super) store: Arc<Store>,
    pub(super) secrets: Secrets,
    pub(super) agents: Agents,
    offline: bool,
    cancel: Cancel,
    tasks: Tasks,
}

impl Fetcher {
    /// Reads secrets and keys; nothing is fetched yet.
    pub(super) fn new(
        store: &Arc<Store>,
        options: &Options,
        sink: &SharedSink,
        cancel: &Cancel,
    ) -> Result<Self, BuildError> {
        let tasks = Tasks::new(Arc::clone(sink), FIRST_TASK);
        let (secrets, agents) = (Secrets::read(&options.secrets)?, Agents::open(&options.agents)?);
        let offline = options.offline;
        Ok(Self { store: Arc::clone(store), secrets, agents, offline, cancel: cancel.clone(), tasks })
    }

    /// The same where nothing is built, and nobody waits for anything but the Dockerfile.
    pub(super) fn idle(store: &Arc<Store>, options: &Options, sink: &SharedSink) -> Result<Self, BuildError> {
        let machine = |source| BuildError::Machine { doing: "prepare to be interrupted".to_owned(), source };
        Self::new(store, options, sink, &Cancel::new().map_err(machine)?)
    }

    /// `--offline`
    fn may_fetch(&self, what: &str) -> Result<(), BuildError> {
        if !self.offline {
            return Ok(());
        }
        let message = format!("{what} lies elsewhere, and the build is to stay offline");
        Err(usage(message, Some("leave `--offline` out, or fetch it first".to_owned())))
    }

    /// The files of a repository; `keep` is whether `.git` stays.
    pub(super) fn git(&self, reference: &GitReference, keep: bool) -> Result<Checkout, BuildError> {
        self.may_fetch(&reference.shown)?;
        let task = self.tasks.start(format!("fetch {}", reference.shown));
        let access = Access::new(reference, &|name| Ok(self.secrets.get(name)))?;
        let access = if reference.is_ssh() {
            access.through_agent(self.agents.socket().map_err(git::Error::Io)?)
        } else {
            access
        };
        let git = Git::new(reference, access, &self.cancel);
        let revision = git.resolve()?;
        task.note(format!("commit {}", revision.commit));
        let checkout = git::kept(&git, &revision, keep, &self.store)?;
        task.ends(Outcome::Done);
        Ok(checkout)
    }

    /// A file.
    pub(super) fn url(&self, url: &str) -> Result<Downloaded, BuildError> {
        self.may_fetch(&redacted(url))?;
        let task = self.tasks.start(format!("download {}", redacted(url)));
        let authorization =
            download::authorization(url, &|name| Ok(self.secrets.get(name))).map_err(DownloadError::Write)?;
        let moved = |done, total: Option<u64>| task.moved(done, total);
        let downloads = Downloads { store: &self.store, cancel: &self.cancel, moved: &moved };
        let found = downloads.get(url, authorization.as_deref())?;
        task.ends(Outcome::Done);
        Ok(found)
    }
}
