//! What may be typed. Checked further in [`super::options`].

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Turn a Dockerfile into an OCI image, without a daemon and without root
#[derive(Parser, Debug)]
#[command(name = "kiln", version, propagate_version = true, disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Subcommand, Debug)]
pub(super) enum Verb {
    /// Build an image from a Dockerfile
    Build(Box<BuildArgs>),
    /// Make a one-layer image in the store out of a root filesystem
    Import(ImportArgs),
    /// Say how processes are isolated on this machine, and why not better
    Doctor(DoctorArgs),
}

/// How progress is shown.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ProgressMode {
    /// `tty` on a terminal, else `plain`
    Auto,
    /// One line a step, with the last output of the running ones
    Tty,
    /// Every line, never clipped: for logs
    Plain,
    /// One JSON event a line
    #[value(alias = "rawjson")]
    Json,
    /// Nothing
    #[value(alias = "none")]
    Quiet,
}

/// Where the store is.
#[derive(clap::Args, Debug)]
pub(super) struct StoreArgs {
    /// Directory of images and cache [default: $XDG_DATA_HOME/kiln, else ~/.local/share/kiln]
    #[arg(long, value_name = "DIR", env = "KILN_STORE")]
    pub(super) store: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
pub(super) struct BuildArgs {
    /// The build context: a directory, or `-` for an archive or a Dockerfile on standard input
    #[arg(value_name = "CONTEXT")]
    pub(super) context: PathBuf,

    /// The Dockerfile; `-` reads standard input [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// Name the image; may be repeated
    #[arg(short, long, value_name = "NAME[:TAG]")]
    pub(super) tag: Vec<String>,

    /// Write the image: FILE.tar, DIR, or type=oci|docker|oci-layout|local|tar|image,dest=…; may be repeated
    #[arg(short, long, value_name = "SPEC")]
    pub(super) output: Vec<String>,

    /// Set a build argument; without a value it is taken from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(super) build_arg: Vec<String>,

    /// Say what a name in FROM or --from means: a directory, oci-layout://, docker-archive://, docker-image://, host:
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) build_context: Vec<String>,

    /// Label the image
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) label: Vec<String>,

    /// Build this stage [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub(super) target: Option<String>,

    /// Build for this platform [default: this machine's]
    #[arg(long, value_name = "OS/ARCH", env = "DOCKER_DEFAULT_PLATFORM")]
    pub(super) platform: Vec<String>,

    /// Run every step anew
    #[arg(long)]
    pub(super) no_cache: bool,

    /// Run the steps of these stages anew
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub(super) no_cache_filter: Vec<String>,

    /// Ask the registry even for images that the store holds
    #[arg(long)]
    pub(super) pull: bool,

    /// Network of RUN: default, none or host
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub(super) network: String,

    /// Grant network.host or security.insecure
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    pub(super) allow: Vec<String>,

    /// Add a line to /etc/hosts of RUN
    #[arg(long, value_name = "HOST:IP")]
    pub(super) add_host: Vec<String>,

    /// Size of /dev/shm in RUN, for example 64m [default: 64m]
    #[arg(long, value_name = "SIZE")]
    pub(super) shm_size: Option<String>,

    /// Give RUN --mount=type=secret a secret: id=ID[,src=FILE|,env=NAME]
    #[arg(long, value_name = "SPEC")]
    pub(super) secret: Vec<String>,

    /// How RUN is kept apart from the machine: auto, root, rootless, single-id, chroot or files
    #[arg(long, value_name = "RUNG", default_value = "auto")]
    pub(super) isolation: String,

    /// Stages built at the same time [default: 16 for each core]
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<usize>,

    /// How progress is shown
    #[arg(long, value_name = "MODE", value_enum, default_value = "auto", env = "BUILDKIT_PROGRESS")]
    pub(super) progress: ProgressMode,

    /// Print nothing but the image id
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// Write the image id to a file
    #[arg(long, value_name = "FILE")]
    pub(super) iidfile: Option<PathBuf>,

    /// Write digests and names as JSON to a file
    #[arg(long, value_name = "FILE")]
    pub(super) metadata_file: Option<PathBuf>,

    /// Ask this registry in place of Docker Hub; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(super) registry_mirror: Vec<String>,

    /// The configuration [default: $XDG_CONFIG_HOME/kiln/config.toml]
    #[arg(long, value_name = "FILE", env = "KILN_CONFIG")]
    pub(super) config: Option<PathBuf>,

    #[command(flatten)]
    pub(super) store: StoreArgs,

    /// Same as --output type=docker
    #[arg(long)]
    pub(super) load: bool,

    #[command(flatten)]
    pub(super) unsupported: Unsupported,

    #[command(flatten)]
    pub(super) ignored: Ignored,
}

/// Flags of other builders that change the result, and that kiln does not have yet: an error, never silence.
#[derive(clap::Args, Debug)]
pub(super) struct Unsupported {
    #[arg(long, hide = true)]
    pub(super) push: bool,
    #[arg(long, hide = true)]
    pub(super) check: bool,
    #[arg(long, hide = true)]
    pub(super) call: Option<String>,
    #[arg(long, hide = true)]
    pub(super) cache_from: Vec<String>,
    #[arg(long, hide = true)]
    pub(super) cache_to: Vec<String>,
    #[arg(long, hide = true)]
    pub(super) ssh: Vec<String>,
    #[arg(long, hide = true)]
    pub(super) attest: Vec<String>,
    #[arg(long, hide = true)]
    pub(super) sbom: Option<String>,
    #[arg(long, hide = true)]
    pub(super) provenance: Option<String>,
    #[arg(long, hide = true)]
    pub(super) annotation: Vec<String>,
    #[arg(long, hide = true)]
    pub(super) ulimit: Vec<String>,
    #[arg(long, hide = true)]
    pub(super) policy: Vec<String>,
}

/// Flags of other builders that change nothing here (cli.md, rows marked N).
#[derive(clap::Args, Debug)]
pub(super) struct Ignored {
    #[arg(long, hide = true)]
    pub(super) builder: Option<String>,
    #[arg(short = 'D', long, hide = true)]
    pub(super) debug: bool,
    #[arg(long, hide = true)]
    pub(super) compress: bool,
    #[arg(long, hide = true)]
    pub(super) security_opt: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) rm: Option<bool>,
    #[arg(long, hide = true)]
    pub(super) force_rm: bool,
    #[arg(short = 'm', long, hide = true)]
    pub(super) memory: Option<String>,
    #[arg(long, hide = true)]
    pub(super) cpu_quota: Option<String>,
    #[arg(long, hide = true)]
    pub(super) cgroup_parent: Option<String>,
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
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
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
