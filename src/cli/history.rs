use serde_json::{Value, json};

use crate::image::seconds_of;
use crate::images::{self, Past};

use super::failure::Failure;
use super::image_args::{Format, HistoryArgs};
use super::surroundings::Surroundings;
use super::table::{age, size, table};
use super::{options, out, session, values};

/// Characters of an instruction that are shown.
const WIDTH: usize = 60;

/// `kiln history`.
pub(super) fn run(args: &HistoryArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let platform = args.platform.as_deref().map(values::platform).transpose()?;
    let store = session::store(&args.store, around)?;
    let found = images::find(&store, &args.image)?;
    let image = images::describe(&store, &found, platform.as_ref())?.image;
    let past = images::history(&image.config, &image.manifest.layers);
    let text = match args.format {
        Format::Json => format!("{:#}\n", past.iter().map(object).collect::<Value>()),
        Format::Text => {
            let now = options::now();
            let width = if args.no_trunc { usize::MAX } else { WIDTH };
            let rows = past.iter().map(|past| row(past, now, width)).collect();
            table(&["CREATED", "CREATED BY", "SIZE", "COMMENT"], rows)
        }
    };
    out::result(&text)
}

fn bytes(past: &Past) -> Option<u64> {
    past.layer.as_ref().map_or(Some(0), |(_, blob)| blob.as_ref().map(|blob| blob.size))
}

fn row(past: &Past, now: i64, width: usize) -> Vec<String> {
    let by = past.created_by.split_whitespace().collect::<Vec<_>>().join(" ");
    let by = match by.char_indices().nth(width) {
        Some((at, _)) => format!("{}…", &by[..at]),
        None => by,
    };
    let created = past.created.as_deref().and_then(seconds_of);
    vec![
        created.map_or_else(String::new, |created| age(created, now)),
        by,
        bytes(past).map_or_else(|| "unknown".to_owned(), size),
        past.comment.clone(),
    ]
}

fn object(past: &Past) -> Value {
    let (layer, blob) = past.layer.as_ref().map_or((None, None), |(layer, blob)| (Some(layer), blob.as_ref()));
    json!({
        "created": past.created,
        "created_by": past.created_by,
        "comment": past.comment,
        "diff_id": layer,
        "digest": blob.map(|blob| blob.digest),
        "size": bytes(past),
    })
}
