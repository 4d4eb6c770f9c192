//! What may be typed for the commands that ask a registry, or take something from it, without the store.

use super::args::RegistryArgs;
use super::image_args::Format;

#[derive(clap::Args, Debug)]
pub(super) struct TagsArgs {
    /// The repository
    #[arg(value_name = "REPOSITORY")]
    pub(super) repository: String,

    /// At most so many
    #[arg(short = 'n', long, value_name = "N")]
    pub(super) limit: Option<usize>,

    /// Those that come after this tag
    #[arg(long, value_name = "TAG")]
    pub(super) last: Option<String>,

    /// How the list is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct ReferrersArgs {
    /// The image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    pub(super) image: String,

    /// Those of this type alone
    #[arg(long, value_name = "TYPE")]
    pub(super) artifact_type: Option<String>,

    /// How the list is written
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}

#[derive(clap::Args, Debug)]
pub(super) struct DeleteArgs {
    /// The images: a tag goes alone, where the registry can do that; a digest with all tags that lead to it
    #[arg(value_name = "NAME[:TAG|@DIGEST]", required = true)]
    pub(super) images: Vec<String>,

    /// Of a tag, remove what it leads to, with all other tags of that
    #[arg(long)]
    pub(super) manifest: bool,

    /// The digests are those of blobs, not of manifests; what has them is broken then
    #[arg(long, conflicts_with = "manifest")]
    pub(super) blob: bool,

    #[command(flatten)]
    pub(super) registries: RegistryArgs,
}
