use serde_json::{Value, json};

use crate::image::Reference;
use crate::images::{self, Description, Found};

use super::failure::Failure;
use super::image_args::{Format, InspectArgs};
use super::surroundings::Surroundings;
use super::table::{size, table};
use super::{out, session, values};

/// `kiln inspect`.
pub(super) fn run(args: &InspectArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let platform = args.platform.as_deref().map(values::platform).transpose()?;
    let store = session::store(&args.store, around)?;
    let mut described = Vec::new();
    for text in &args.images {
        let found = images::find(&store, text)?;
        let description = images::describe(&store, &found, platform.as_ref())?;
        described.push((found, description));
    }
    let text = match args.format {
        Format::Json => format!("{:#}\n", described.iter().map(object).collect::<Value>()),
        Format::Text => described.iter().map(points).collect::<Vec<_>>().join("\n"),
    };
    out::result(&text)
}

/// The members that other engines give, and kiln's own in the manner of theirs.
fn object((found, description): &(Found, Description)) -> Value {
    let (image, config) = (&description.image, &description.image.config);
    let digests = description.repositories.iter().map(|place| format!("{place}@{}", found.top.digest));
    json!({
        "Id": description.id(),
        "Digest": found.top.digest,
        "ManifestDigest": image.descriptor.digest,
        "MediaType": found.top.media_type,
        "RepoTags": found.names.iter().map(Reference::familiar).collect::<Vec<_>>(),
        "RepoDigests": digests.collect::<Vec<_>>(),
        "Created": config.created,
        "Author": config.author,
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "Platforms": description.platforms,
        "Size": description.size,
        "AbsentSize": description.absent,
        "Config": config.config,
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Layers": image.manifest.layers,
    })
}

fn points((found, description): &(Found, Description)) -> String {
    let run = &description.image.config.config;
    let config = &description.image.config;
    let names: Vec<String> = found.names.iter().map(Reference::familiar).collect();
    let quoted = |words: &[String]| if words.is_empty() { String::new() } else { json!(words).to_string() };
    let mut rows = vec![
        ("names", names.join(", ")),
        ("id", description.id().to_string()),
        ("digest", found.top.digest.to_string()),
        ("platforms", description.platforms.join(", ")),
        ("created", config.created.clone().unwrap_or_default()),
        ("layers", config.rootfs.diff_ids.len().to_string()),
        ("size", size(description.size)),
        ("entrypoint", quoted(&run.entrypoint)),
        ("command", quoted(&run.cmd)),
        ("user", run.user.clone()),
        ("directory", run.working_dir.clone()),
        ("ports", run.exposed_ports.iter().cloned().collect::<Vec<_>>().join(", ")),
        ("volumes", run.volumes.iter().cloned().collect::<Vec<_>>().join(", ")),
    ];
    if description.absent > 0 {
        rows.push(("absent", format!("{}, which come when they are needed", size(description.absent))));
    }
    rows.extend(run.env.iter().map(|variable| ("variable", variable.clone())));
    rows.extend(run.labels.iter().map(|(name, value)| ("label", format!("{name}={value}"))));
    rows.retain(|(_, value)| !value.is_empty());
    table(&[], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect())
}
