use serde_json::json;

use crate::registry::{Page, Registry};

use super::failure::Failure;
use super::image_args::Format;
use super::remote_args::TagsArgs;
use super::surroundings::Surroundings;
use super::table::{lines, printable};
use super::{options, out, values};

/// `kiln tags`: a tag a line.
pub(super) fn run(args: &TagsArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let name = values::image_name(&args.repository)?;
    let registry = Registry::new(options::access(&args.registries, around)?);
    let tags = registry.tags(&name, &Page { limit: args.limit, after: args.last.clone() })?;
    let text = match args.format {
        Format::Json => format!("{:#}\n", json!({ "name": name.place(), "tags": tags })),
        Format::Text => printable(&lines(&tags)),
    };
    out::result(&text)
}
