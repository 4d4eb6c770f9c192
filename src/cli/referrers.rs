use serde_json::json;

use crate::image::Descriptor;
use crate::registry::Registry;

use super::failure::Failure;
use super::image_args::Format;
use super::remote_args::ReferrersArgs;
use super::surroundings::Surroundings;
use super::table::{size, table};
use super::{options, out, values};

/// `kiln referrers`.
pub(super) fn run(args: &ReferrersArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let name = values::image_name(&args.image)?;
    let registry = Registry::new(options::access(&args.registries, around)?);
    let subject = match name.digest() {
        Some(digest) => digest,
        None => registry.resolve(&name)?.descriptor.digest,
    };
    let found = registry.referrers(&name, &subject, args.artifact_type.as_deref())?;
    let row = |entry: &Descriptor| {
        vec![entry.digest.to_string(), entry.artifact_type.clone().unwrap_or_default(), size(entry.size)]
    };
    let text = match args.format {
        Format::Json => format!("{:#}\n", json!({ "subject": subject, "referrers": found })),
        Format::Text => table(&["DIGEST", "TYPE", "SIZE"], found.iter().map(row).collect()),
    };
    out::result(&text)
}
