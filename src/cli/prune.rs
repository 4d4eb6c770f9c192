use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::image::rfc_3339;
use crate::store::Store;
use crate::upkeep::{self, Limits, Pruned};

use super::args::ProgressMode;
use super::failure::Failure;
use super::image_args::Format;
use super::surroundings::Surroundings;
use super::table::{printable, size};
use super::upkeep_args::PruneArgs;
use super::{out, render, session, values};

/// `kiln prune`.
pub(super) fn run(args: &PruneArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let limits = Limits {
        all: args.all,
        unused_for: filter(&args.filter)?,
        budget: args.keep_storage.as_deref().map(|text| values::size("--keep-storage", text)).transpose()?,
    };
    let store = session::unattended_store(&args.store, around)?;
    if args.all && !args.force && !args.dry_run && io::stdin().is_terminal() && !agreed()? {
        return Ok(());
    }
    let pruned = upkeep::prune(&store, &limits, SystemTime::now(), args.dry_run)?;
    out::result(&match args.format {
        Format::Json => format!("{:#}\n", object(&pruned)),
        Format::Text => text(&pruned, args.dry_run),
    })?;
    warn(&pruned, limits.budget, args.all);
    Ok(())
}

/// `kiln build --store-budget`.
pub(super) fn to_budget(store: &Path, budget: u64, mode: ProgressMode) -> Result<(), Failure> {
    let limits = Limits { budget: Some(budget), ..Limits::default() };
    let pruned = upkeep::prune(&Store::open(store)?, &limits, SystemTime::now(), false)?;
    match mode {
        ProgressMode::Quiet => {}
        ProgressMode::Json => {
            let mut event = object(&pruned);
            event["event"] = "pruned".into();
            out::json(&event);
        }
        _ => {
            if pruned.freed > 0 {
                let line = format!("freed {} in the store, which takes {}\n", size(pruned.freed), size(pruned.left));
                out::stderr(line.as_bytes());
            }
            warn(&pruned, Some(budget), false);
        }
    }
    Ok(())
}

fn filter(given: &[String]) -> Result<Option<std::time::Duration>, Failure> {
    let mut longest = None;
    for text in given {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if !matches!(name, "until" | "unused-for") {
            let hint = "there is `until=24h`, which is the same as `unused-for=24h`";
            return Err(Failure::usage(format!("--filter: there is no filter `{name}`"), Some(hint)));
        }
        longest = longest.max(Some(values::duration("--filter", value)?));
    }
    Ok(longest)
}

fn agreed() -> Result<bool, Failure> {
    out::stderr(b"This removes all images of the store, and its whole cache. Go on? [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|error| Failure::machine("cannot read the answer", &error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn text(pruned: &Pruned, dry_run: bool) -> String {
    let mut text = String::new();
    let verb = if dry_run { "would remove" } else { "removed" };
    for removed in &pruned.removed {
        let name = printable(removed.name.lines().next().unwrap_or_default());
        text.push_str(&format_line(verb, &format!("{} {name}", removed.kind), removed.bytes));
    }
    if pruned.garbage > 0 {
        text.push_str(&format_line(verb, "what nothing needed", pruned.garbage));
    }
    text + &format!(
        "{}: {}\nThe store takes: {}\n",
        if dry_run { "Reclaimable space" } else { "Total reclaimed space" },
        size(pruned.freed),
        size(pruned.left)
    )
}

fn format_line(verb: &str, what: &str, bytes: u64) -> String {
    format!("{verb} {what} ({})\n", size(bytes))
}

fn object(pruned: &Pruned) -> serde_json::Value {
    let time = |time: SystemTime| {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        rfc_3339(i64::try_from(seconds).unwrap_or_default())
    };
    let removed = pruned.removed.iter().map(|removed| {
        let used = time(removed.used);
        json!({ "kind": removed.kind.to_string(), "name": removed.name, "used": used, "bytes": removed.bytes })
    });
    json!({
        "removed": removed.collect::<Vec<_>>(),
        "garbage": pruned.garbage,
        "freed": pruned.freed,
        "left": pruned.left,
        "in_use": pruned.in_use,
        "refused": pruned.refused,
    })
}

/// What has stayed that was to go.
fn warn(pruned: &Pruned, budget: Option<u64>, all: bool) {
    let warn = |message: String, hint: &str| {
        out::stderr(render::message("warning", &message, Some(hint), render::colours()).as_bytes());
    };
    if let Some(path) = pruned.refused.first() {
        let message = format!("{} could not be removed, and {} more", path.display(), pruned.refused.len() - 1);
        warn(message, "run `kiln prune` as the user whose builds made them");
    }
    if let Some(budget) = budget.filter(|budget| pruned.left > *budget) {
        let message = format!("the store takes {}, more than {}", size(pruned.left), size(budget));
        warn(
            message,
            if pruned.in_use > 0 {
                "the rest is in use by other builds"
            } else if all {
                "there is nothing left that may go"
            } else {
                "images that have names stay: `kiln rmi` takes names away, `kiln prune --all` removes them by age"
            },
        );
    }
}
