use serde_json::json;

use crate::upkeep;

use super::failure::Failure;
use super::image_args::Format;
use super::surroundings::Surroundings;
use super::table::{size, table};
use super::upkeep_args::DfArgs;
use super::{out, session};

/// `kiln df`.
pub(super) fn run(args: &DfArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let store = session::unattended_store(&args.store, around)?;
    let usage = upkeep::usage(&store)?;
    let kinds = [
        ("Images", "images", usage.images, 0),
        ("Build cache", "cache", usage.cache, usage.cache.1),
        ("Cache mounts", "mounts", usage.mounts, usage.mounts.1),
        ("Context indexes", "contexts", usage.contexts, usage.contexts.1),
        ("Downloads", "downloads", usage.downloads, usage.downloads.1),
        ("Git checkouts", "checkouts", usage.checkouts, usage.checkouts.1),
    ];
    let text = match args.format {
        Format::Json => {
            let mut object = json!({ "store": store.root(), "total": usage.total, "other": usage.other });
            for (_, key, (count, bytes), reclaimable) in kinds {
                object[key] = json!({ "count": count, "bytes": bytes, "reclaimable": reclaimable });
            }
            format!("{object:#}\n")
        }
        Format::Text => {
            let mut rows: Vec<Vec<String>> = kinds
                .iter()
                .map(|(title, _, (count, bytes), reclaimable)| {
                    vec![(*title).to_owned(), count.to_string(), size(*bytes), size(*reclaimable)]
                })
                .collect();
            rows.push(vec!["Other".to_owned(), String::new(), size(usage.other), String::new()]);
            rows.push(vec!["Total".to_owned(), String::new(), size(usage.total), String::new()]);
            table(&["TYPE", "COUNT", "SIZE", "RECLAIMABLE"], rows)
        }
    };
    out::result(&text)
}
