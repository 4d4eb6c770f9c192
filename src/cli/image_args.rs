//! What may be typed for the commands that handle images of the store.

use std::path::PathBuf;

use clap::ValueEnum;

use super::args::{RegistryArgs, StoreArgs, TransferArgs, path};

/// How a result is written.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// For people
    #[value(alias = "table")]
    Text,
    /// For programs
    Json,
}

/// What kind of archive or layout an image is saved in.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SavedAs {
    /// A tar that `docker load` and all OCI tools read
    #[value(alias = "docker-archive")]
    Docker,
    /// A tar that holds an OCI layout
    #[value(alias = "oci-archive")]
    Oci,
    /// An OCI layout as a directory, beside the images that are in it
    OciDir,
}

#[derive(clap::Args, Debug)]
pub(super) struct ImagesArgs {
    /// Only this repository, or this name [default: all]
    #[arg(value_name = "NAME[:TAG]")]
    pub(super) name: Option<String>,

    /// Print nothing but the image ids
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// How the list is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct TagArgs {
    /// The image: a name, or the beginning of an id
    #[arg(value_name = "IMAGE")]
    pub(super) image: String,

    /// Its further names
    #[arg(value_name = "NAME[:TAG]", required = true)]
    pub(super) names: Vec<String>,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct RmiArgs {
    /// The images: names, or beginnings of ids
    #[arg(value_name = "IMAGE", required = true)]
    pub(super) images: Vec<String>,

    /// Take all its names from an image that is given by its id, and pass over what is not there
    #[arg(short, long)]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct InspectArgs {
    /// The images: names, or beginnings of ids
    #[arg(value_name = "IMAGE", required = true)]
    pub(super) images: Vec<String>,

    /// Of an image for several platforms, this one [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub(super) platform: Option<String>,

    /// How it is written: json, or text for the main points
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "json")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct HistoryArgs {
    /// The image: a name, or the beginning of an id
    #[arg(value_name = "IMAGE")]
    pub(super) image: String,

    /// Of an image for several platforms, this one [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub(super) platform: Option<String>,

    /// Do not shorten instructions
    #[arg(long)]
    pub(super) no_trunc: bool,

    /// How it is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct SaveArgs {
    /// The images: names, or beginnings of ids
    #[arg(value_name = "IMAGE", required = true)]
    pub(super) images: Vec<String>,

    /// Where to: a file, or a directory for oci-dir [default: standard output]
    #[arg(short, long, value_name = "FILE", value_parser = path())]
    pub(super) output: Option<PathBuf>,

    /// What it is to be
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "docker")]
    pub(super) format: SavedAs,

    /// Of an image for several platforms, this one [default: this machine's]
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "all_platforms")]
    pub(super) platform: Option<String>,

    /// All platforms, in an OCI format
    #[arg(long)]
    pub(super) all_platforms: bool,

    #[command(flatten)]
    pub(super) transfer: TransferArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct LoadArgs {
    /// The archive, plain or compressed, or the layout [default: standard input]
    #[arg(short, long, value_name = "FILE", value_parser = path())]
    pub(super) input: Option<PathBuf>,

    /// The name of an image that has none in the archive
    #[arg(long, value_name = "NAME[:TAG]")]
    pub(super) name: Option<String>,

    /// Print nothing but digests
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// How the result is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct CopyArgs {
    /// Where from: `docker://NAME`, `store:IMAGE`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or
    /// `docker-archive:FILE[:NAME]`
    #[arg(value_name = "SOURCE")]
    pub(super) source: String,

    /// Where to: the same
    #[arg(value_name = "DEST")]
    pub(super) destination: String,

    /// Of an image for several platforms, this one [default: this machine's]
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "all")]
    pub(super) platform: Option<String>,

    /// All platforms, and the index that holds them
    #[arg(short, long, alias = "all-platforms")]
    pub(super) all: bool,

    #[command(flatten)]
    pub(super) transfer: TransferArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct LoginArgs {
    /// The registry [default: docker.io]
    #[arg(value_name = "HOST[:PORT]")]
    pub(super) registry: Option<String>,

    /// The user name; asked for on a terminal
    #[arg(short, long, value_name = "NAME")]
    pub(super) username: Option<String>,

    /// The password, in sight of everybody on this machine: better on standard input
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub(super) password: Option<String>,

    /// Read the password from standard input
    #[arg(long)]
    pub(super) password_stdin: bool,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct LogoutArgs {
    /// The registry [default: docker.io]
    #[arg(value_name = "HOST[:PORT]")]
    pub(super) registry: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct PinArgs {
    /// The Dockerfile [default: Dockerfile]
    #[arg(value_name = "FILE", value_parser = path())]
    pub(super) file: Option<PathBuf>,

    /// Write a lock file beside it, for `kiln build --locked`, and leave the Dockerfile as it is
    #[arg(long)]
    pub(super) lock: bool,

    /// Ask for the digests of images that have one, too
    #[arg(long)]
    pub(super) update: bool,

    /// Set a build argument, by which images may be named
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(super) build_arg: Vec<String>,

    /// A name that means something else than an image, as for `kiln build`
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) build_context: Vec<String>,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}
