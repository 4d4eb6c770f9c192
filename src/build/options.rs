use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bases::Pull;
use crate::dockerfile::Diagnostic;
use crate::image::{Digest, Platform, Reference};
use crate::output::OutputSpec;
use crate::plan::Network;
use crate::policy::Policy;
use crate::registry::Access;
use crate::remote::Source;
use crate::sandbox::{HostEntry, Isolation, Limits, Resources};
use crate::share::{ExportSpec, Location};

/// What to build and how: the command line, checked.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Options {
    /// The build context.
    pub context: ContextSpec,
    /// The Dockerfile.
    pub dockerfile: DockerfileSpec,
    /// The store's directory.
    pub store: PathBuf,
    /// `-t`, in order.
    pub tags: Vec<Reference>,
    /// `-o`, in order.
    pub outputs: Vec<OutputSpec>,
    /// `--build-arg`; those without a value are filled from the environment or dropped.
    pub build_args: BTreeMap<String, String>,
    /// `--build-context`, in order.
    pub named_contexts: Vec<NamedContext>,
    /// `--label`, in order.
    pub labels: Vec<(String, String)>,
    /// `--target`
    pub target: Option<String>,
    /// `--platform`, when given.
    pub platform: Option<Platform>,
    /// `--no-cache`
    pub no_cache: bool,
    /// `--no-cache-filter`
    pub no_cache_filter: Vec<String>,
    /// `--pull`: when the registry is asked.
    pub pull: Pull,
    /// `--policy`: what images must be like.
    pub policy: Policy,
    /// `--locked`: every image has its digest in the Dockerfile or in the lock file beside it.
    pub locked: bool,
    /// `--offline`: nothing is fetched. Of registries `registries` says so.
    pub offline: bool,
    /// `--cache-from`, in order.
    pub cache_from: Vec<Location>,
    /// `--cache-to`, in order.
    pub cache_to: Vec<ExportSpec>,
    /// `--network`
    pub network: Network,
    /// `--isolation`; `None` is `auto`.
    pub isolation: Option<Isolation>,
    /// `--jobs`: stages at once; `None` lets kiln choose.
    pub jobs: Option<usize>,
    /// `--add-host`
    pub hosts: Vec<HostEntry>,
    /// `--shm-size`, bytes; 0 is the default.
    pub shm_size: u64,
    /// `--ulimit` and `--step-timeout`
    pub limits: Limits,
    /// `--memory` and its like, `--resource`, `--cgroup-parent`
    pub resources: Resources,
    /// `--secret`
    pub secrets: Vec<Secret>,
    /// `--ssh`
    pub agents: Vec<SshAgent>,
    /// `--allow` names `network.host` (or `--network=host` was given).
    pub allow_network_host: bool,
    /// `--allow security.insecure`
    pub allow_insecure: bool,
    /// How registries are reached: `--registry-mirror`, and what the configuration file says.
    pub registries: Access,
    /// The clock: seconds since 1970.
    pub now: i64,
}

/// The positional argument (CTX-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ContextSpec {
    /// A directory.
    Directory(PathBuf),
    /// `-`
    Stdin,
    /// A repository, or a file by URL.
    Remote(Source),
}

/// `-f` (DF).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DockerfileSpec {
    /// Not given: `Dockerfile` in the context, else `dockerfile` (DF-1).
    Default,
    /// A path.
    Path(PathBuf),
    /// `-`
    Stdin,
    /// `http://` or `https://`
    Url(String),
}

/// `--build-context NAME=VALUE`, not looked at yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedContext {
    /// Left of the `=`.
    pub name: String,
    /// Right of it.
    pub value: String,
}

/// `--secret` (SEC).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its id.
    pub id: String,
    /// Where its bytes come from.
    pub source: SecretSource,
}

/// Where a secret's bytes come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretSource {
    /// A file, read when the build starts (SEC-3).
    File(PathBuf),
    /// An environment variable; unset is empty.
    Env(String),
}

/// `--ssh` (SSH-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SshAgent {
    /// Its id.
    pub id: String,
    /// The socket of an agent, or files that hold keys.
    pub paths: Vec<PathBuf>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a build has made.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The image; `None` where nothing but files was asked for (`type=local`, `type=tar`).
    pub image: Option<BuiltImage>,
    /// Contents of the metadata file (META-1).
    pub metadata: serde_json::Value,
    /// Findings that did not stop the build.
    pub warnings: Vec<Diagnostic>,
    /// The Dockerfile as errors name it (DF-6), and its text.
    pub source: SourceText,
}

/// The names of a finished image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuiltImage {
    /// Digest of the config: the image id.
    pub id: Digest,
    /// Digest of the manifest.
    pub manifest: Digest,
}

/// A Dockerfile's name and text, which diagnostics point into.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SourceText {
    /// Its base name as given (DF-6).
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile is to blame, or one of its steps: at least one of the diagnostics is an error.
    #[error("the Dockerfile could not be built")]
    Dockerfile {
        /// What the diagnostics point into.
        source_text: SourceText,
        /// Errors and warnings, in file order.
        diagnostics: Vec<Diagnostic>,
    },
    /// Disk or memory ran out in a step.
    #[error("disk or memory ran out")]
    Exhausted {
        /// What the diagnostics point into.
        source_text: SourceText,
        /// Errors and warnings, in file order.
        diagnostics: Vec<Diagnostic>,
    },
    /// The options do not fit together, or name what is not there.
    #[error("{message}")]
    Usage {
        /// One line.
        message: String,
        /// The way out.
        help: Option<String>,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// An output cannot be written.
    #[error(transparent)]
    Output(#[from] crate::output::OutputError),
    /// A context or Dockerfile cannot be downloaded.
    #[error(transparent)]
    Download(#[from] crate::download::DownloadError),
    /// A context in a git repository cannot be fetched.
    #[error(transparent)]
    Git(#[from] crate::git::Error),
    /// An image cannot be pushed.
    #[error(transparent)]
    Transfer(#[from] crate::transfer::Error),
    /// The cache was not exported, and was to be (`ignore-error=false`).
    #[error("{message}")]
    Cache {
        /// One line.
        message: String,
    },
    /// The machine failed.
    #[error("cannot {doing}")]
    Machine {
        /// What was attempted.
        doing: String,
        /// Why.
        source: std::io::Error,
    },
    /// The build was stopped.
    #[error("the build was stopped")]
    Cancelled,
}
