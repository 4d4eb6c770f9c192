//! What may be typed. Checked further in [`super::options`].
#![expect(clippy::doc_markdown, reason = "the comments are the texts of --help")]
#![expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};

use super::foreign::{Ignored, Unsupported};
use super::image_args::{
    CopyArgs, HistoryArgs, ImagesArgs, InspectArgs, LoadArgs, LoginArgs, LogoutArgs, PinArgs, RmiArgs, SaveArgs,
    TagArgs,
};
use super::remote_args::{DeleteArgs, ReferrersArgs, TagsArgs};
use super::upkeep_args::{DfArgs, PruneArgs, StoreVerb};

const EXIT_CODES: &str = "Exit status: 0 done; 1 the arguments, the Dockerfile or one of its steps failed; 100 a defect of kiln; \
102 disk or memory ran out; 130 stopped by a signal.";

const EXAMPLES: &str = "Examples:
  kiln build -t app .                          keep the image in the store as `app`
  kiln build -t app -o app.tar .               write it as an OCI archive as well
  kiln build -o type=docker,dest=app.tar .     write what `docker load` and `podman load` read
  kiln build --build-context base=oci-layout://base.tar -o out.tar .";

/// Turn a Dockerfile into an OCI image, without a daemon
#[derive(Parser, Debug)]
#[command(
    name = "kiln",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    args_override_self = true,
    after_help = EXIT_CODES
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Subcommand, Debug)]
pub(super) enum Verb {
    /// Build an image from a Dockerfile
    #[command(args_override_self = true, after_help = EXAMPLES)]
    Build(Box<BuildArgs>),
    /// Send an image of the store to a registry
    Push(PushArgs),
    /// Fetch an image from a registry into the store
    Pull(PullArgs),
    /// Write the digests of the images that a Dockerfile names into it, or into a lock file
    Pin(PinArgs),
    /// Remove from the store what is out of use
    Prune(PruneArgs),
    /// Say what the store takes on the disk
    Df(DfArgs),
    /// Look after the store
    Store(StoreVerb),
    /// Copy an image between registries, layouts, archives and the store
    Copy(CopyArgs),
    /// List the tags of a repository
    Tags(TagsArgs),
    /// List what refers to an image of a registry: signatures, lists of parts
    Referrers(ReferrersArgs),
    /// Remove images from registries
    Delete(DeleteArgs),
    /// Keep a user's password for a registry, once the registry has taken it
    Login(LoginArgs),
    /// Forget what is kept for a registry
    Logout(LogoutArgs),
    /// List the images of the store
    Images(ImagesArgs),
    /// Give an image of the store further names
    Tag(TagArgs),
    /// Take names from images of the store
    Rmi(RmiArgs),
    /// Tell all about images of the store
    Inspect(InspectArgs),
    /// Tell how an image of the store was made, instruction by instruction
    History(HistoryArgs),
    /// Write images of the store into one archive, or into a layout
    Save(SaveArgs),
    /// Put the images of an archive or layout into the store
    Load(LoadArgs),
    /// Make a one-layer image in the store out of a root filesystem
    Import(ImportArgs),
    /// Say what is likely wrong with Dockerfiles
    Lint(Box<super::lint::LintArgs>),
    /// Put Dockerfiles into the usual layout; what they build stays the same to the byte
    Fmt(FmtArgs),
    /// Say how processes are isolated on this machine, and why not better
    Doctor(DoctorArgs),
}

/// How progress is shown.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ProgressMode {
    /// Tty on a terminal, else plain
    Auto,
    /// One line a step, with the last output of the running ones
    Tty,
    /// Every line, never clipped: for logs
    Plain,
    /// One JSON object a line, errors too
    #[value(alias = "rawjson")]
    Json,
    /// Nothing but the output of a step that fails
    #[value(alias = "none")]
    Quiet,
}

/// When the registry is asked.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PullMode {
    /// When the store has no such image
    #[value(aliases = ["false", "0", "f"])]
    Missing,
    /// Always
    #[value(aliases = ["true", "1", "t", "newer"])]
    Always,
    /// Never
    Never,
}

/// Where the store is.
#[derive(clap::Args, Debug)]
pub(super) struct StoreArgs {
    /// Directory of images and cache [env: KILN_STORE] [default: $XDG_DATA_HOME/kiln, else
    /// ~/.local/share/kiln]
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub(super) store: Option<PathBuf>,
}

/// How registries are reached.
#[derive(clap::Args, Debug)]
pub(super) struct RegistryArgs {
    /// Ask this registry in place of Docker Hub; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(super) registry_mirror: Vec<String>,

    /// The configuration file [env: KILN_CONFIG] [default: $XDG_CONFIG_HOME/kiln/config.toml]
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) config: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub(super) struct BuildArgs {
    /// The build context: a directory, a git repository, the URL of an archive or Dockerfile, or `-` for standard input
    #[arg(value_name = "CONTEXT", value_parser = path())]
    pub(super) context: PathBuf,

    /// The Dockerfile, or its URL; `-` reads standard input [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE", value_parser = path())]
    pub(super) file: Option<PathBuf>,

    /// Name the image; may be repeated
    #[arg(short, long, value_name = "NAME[:TAG]")]
    pub(super) tag: Vec<String>,

    /// Write the image: FILE.tar, DIR, or type=oci|docker|oci-layout|local|tar|image,dest=…,
    /// or type=registry,name=…; may be repeated
    #[arg(short, long, value_name = "SPEC")]
    pub(super) output: Vec<String>,

    /// Set a build argument; without a value it is taken from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(super) build_arg: Vec<String>,

    /// Say what a name in FROM or --from means: a directory, a git repository, a URL, oci-layout://, docker-archive://,
    /// docker-image://, host:
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) build_context: Vec<String>,

    /// Label the image
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) label: Vec<String>,

    /// Build this stage [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub(super) target: Option<String>,

    /// Check the Dockerfile in place of a build: the same as --call=check
    #[arg(long)]
    pub(super) check: bool,

    /// In place of a build: check, outline (what a target takes) or targets; add `,format=json` for JSON
    #[arg(long, alias = "print", value_name = "METHOD")]
    pub(super) call: Option<String>,

    /// Build for this platform [env: DOCKER_DEFAULT_PLATFORM] [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub(super) platform: Vec<String>,

    /// Run every step anew
    #[arg(long)]
    pub(super) no_cache: bool,

    /// Run the steps of these stages anew
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub(super) no_cache_filter: Vec<String>,

    /// When the registry is asked what an image is: missing, always or never [default: missing;
    /// always where no value is given]
    #[arg(long, value_name = "WHEN", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "always", hide_possible_values = true)]
    pub(super) pull: Option<PullMode>,

    /// Fail where an image has its digest neither in the Dockerfile nor in its lock file
    #[arg(long)]
    pub(super) locked: bool,

    /// What images must be like: named by a digest, or signed; TOML, or a policy.json [env: KILN_POLICY] [default:
    /// $XDG_CONFIG_HOME/kiln/policy.toml]
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) policy: Option<PathBuf>,

    /// Fetch nothing: images and their layers have to be in the store
    #[arg(long)]
    pub(super) offline: bool,

    /// Take steps from a cache that others have filled: an image's or cache's name in a registry, or
    /// type=registry,ref=NAME or type=local,src=DIR; may be repeated
    #[arg(long, value_name = "SPEC")]
    pub(super) cache_from: Vec<String>,

    /// Give steps to such a cache: type=registry,ref=NAME, type=local,dest=DIR or type=inline; with
    /// mode=max those of all stages, each once it is done; may be repeated
    #[arg(long, value_name = "SPEC")]
    pub(super) cache_to: Vec<String>,

    /// Network of RUN: default, none or host
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub(super) network: String,

    /// Grant RUN an entitlement: network.host or security.insecure
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    pub(super) allow: Vec<String>,

    /// Add a line to /etc/hosts of RUN
    #[arg(long, value_name = "HOST:IP")]
    pub(super) add_host: Vec<String>,

    /// Size of /dev/shm in RUN, for example 64m [default: 64m]
    #[arg(long, value_name = "SIZE")]
    pub(super) shm_size: Option<String>,

    /// Limit each process of RUN, for example nofile=1024:2048; may be repeated
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub(super) ulimit: Vec<String>,

    /// Kill a RUN that takes longer, for example 90s or 1h30m
    #[arg(long, value_name = "DURATION")]
    pub(super) step_timeout: Option<String>,

    /// Give RUN --mount=type=secret a secret: id=ID[,src=FILE|,env=NAME]
    #[arg(long, value_name = "SPEC")]
    pub(super) secret: Vec<String>,

    /// Give RUN --mount=type=ssh an agent: default, ID, ID=SOCKET or ID=KEY[,KEY...]
    #[arg(long, value_name = "SPEC")]
    pub(super) ssh: Vec<String>,

    /// How RUN is kept apart from the machine: auto, root, rootless, single-id, chroot or files
    #[arg(long, value_name = "RUNG", default_value = "auto")]
    pub(super) isolation: String,

    /// Stages built at the same time [default: 16 for each core]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,

    /// How progress is shown, on standard error [env: BUILDKIT_PROGRESS] [default: auto]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) progress: Option<ProgressMode>,

    /// Print nothing but the image id, on standard output
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// Write the image id to a file
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) iidfile: Option<PathBuf>,

    /// Write digests and names as JSON to a file
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub(super) metadata_file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,

    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// After the build, remove what has been out of use the longest until the store takes no more than
    /// this; images that have names stay
    #[arg(long, value_name = "SIZE")]
    pub(super) store_budget: Option<String>,

    /// Same as --output type=docker
    #[arg(long)]
    pub(super) load: bool,

    /// Send the image to the registries of its names: the same as --output type=registry
    #[arg(long)]
    pub(super) push: bool,

    #[command(flatten)]
    pub(super) unsupported: Unsupported,

    #[command(flatten)]
    pub(super) resources: ResourceArgs,

    #[command(flatten)]
    pub(super) ignored: Ignored,
}

/// Limits of each RUN as a whole.
#[derive(clap::Args, Debug, Default)]
pub(super) struct ResourceArgs {
    /// Limit RUN as a whole: memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus or
    /// cpuset-mems; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) resource: Vec<String>,

    /// Put RUN into a cgroup below this one [default: the one that kiln runs in]
    #[arg(long, value_name = "CGROUP")]
    pub(super) cgroup_parent: Option<String>,

    #[arg(short, long, hide = true)]
    pub(super) memory: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    pub(super) memory_swap: Option<String>,
    #[arg(short, long, hide = true)]
    pub(super) cpu_shares: Option<String>,
    #[arg(long, hide = true)]
    pub(super) cpu_period: Option<String>,
    #[arg(long, hide = true, allow_hyphen_values = true)]
    pub(super) cpu_quota: Option<String>,
    #[arg(long, hide = true)]
    pub(super) cpuset_cpus: Option<String>,
    #[arg(long, hide = true)]
    pub(super) cpuset_mems: Option<String>,
}

/// How a command that moves images shows what it does, and where they are.
#[derive(clap::Args, Debug)]
pub(super) struct TransferArgs {
    /// How progress is shown, on standard error [default: auto]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(super) progress: Option<ProgressMode>,

    /// Print nothing but the digest, on standard output
    #[arg(short, long)]
    pub(super) quiet: bool,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct PushArgs {
    /// The image in the store
    #[arg(value_name = "IMAGE")]
    pub(super) image: String,

    /// The name it gets in the registry; may be repeated [default: IMAGE]
    #[arg(value_name = "DEST")]
    pub(super) destinations: Vec<String>,

    /// Of an image for several platforms, send this one alone
    #[arg(long, value_name = "OS/ARCH")]
    pub(super) platform: Option<String>,

    #[command(flatten)]
    pub(super) transfer: TransferArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct PullArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub(super) images: Vec<String>,

    /// Of an image for several platforms, fetch this one [default: this machine's]
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "all_platforms")]
    pub(super) platform: Option<String>,

    /// Fetch it for all its platforms
    #[arg(long)]
    pub(super) all_platforms: bool,

    #[command(flatten)]
    pub(super) transfer: TransferArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct ImportArgs {
    /// The root filesystem: a tar, plain or compressed; `-` reads standard input
    #[arg(value_name = "ROOTFS.tar")]
    pub(super) archive: PathBuf,

    /// The image's name
    #[arg(value_name = "NAME[:TAG]")]
    pub(super) name: String,

    /// The platform the files are for [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub(super) platform: Option<String>,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct FmtArgs {
    /// The files; `-` reads standard input and writes standard output [default: Dockerfile]
    #[arg(value_name = "FILE", value_parser = path())]
    pub(super) files: Vec<PathBuf>,

    /// Change nothing; name the files that are not formatted, with the difference, and exit with 1 where there are some
    #[arg(long)]
    pub(super) check: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Takes the empty path too: scripts pass empty values for what is not set, and the context has a message of its own.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_table_of_arguments_is_sound() {
        Args::command().debug_assert();
    }
}
