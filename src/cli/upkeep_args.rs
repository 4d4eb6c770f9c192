//! What may be typed for the commands that look after the store.

use clap::Subcommand;

use super::args::StoreArgs;
use super::image_args::Format;

#[derive(clap::Args, Debug)]
pub(super) struct PruneArgs {
    /// Images that have names as well
    #[arg(short, long)]
    pub(super) all: bool,

    /// Only what has not been used for so long: until=24h or unused-for=7d
    #[arg(long, value_name = "FILTER")]
    pub(super) filter: Vec<String>,

    /// Stop when the store takes no more than this, for example 10gb
    #[arg(long, value_name = "SIZE", alias = "max-used-space")]
    pub(super) keep_storage: Option<String>,

    /// Only say what would go
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    pub(super) force: bool,

    /// How the result is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct DfArgs {
    /// How the result is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct StoreVerb {
    #[command(subcommand)]
    pub(super) verb: StoreCommand,
}

#[derive(Subcommand, Debug)]
pub(super) enum StoreCommand {
    /// Read everything in the store, and say what is wrong
    Check(CheckArgs),
}

#[derive(clap::Args, Debug)]
pub(super) struct CheckArgs {
    /// Remove what is wrong, so that the next build makes it again
    #[arg(long)]
    pub(super) repair: bool,

    /// How the result is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) store: StoreArgs,
}
