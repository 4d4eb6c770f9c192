use std::num::NonZero;
use std::process::ExitCode;

use serde_json::json;

use crate::upkeep::{self, Checked};

use super::failure::Failure;
use super::image_args::Format;
use super::surroundings::Surroundings;
use super::table::{lines, size};
use super::upkeep_args::{CheckArgs, StoreCommand, StoreVerb};
use super::{out, session};

/// `kiln store`.
pub(super) fn run(args: &StoreVerb, around: Surroundings<'_>) -> Result<ExitCode, Failure> {
    match &args.verb {
        StoreCommand::Check(args) => check(args, around),
    }
}

/// `kiln store check`: exit code 1 where something is wrong, unless it is repaired.
fn check(args: &CheckArgs, around: Surroundings<'_>) -> Result<ExitCode, Failure> {
    let store = session::unattended_store(&args.store, around)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let checked = upkeep::check(&store, threads)?;
    let mut refused = Vec::new();
    if args.repair {
        refused = upkeep::repair(&store, &checked.findings)?;
    }
    let is_sound = checked.findings.is_empty() || (args.repair && refused.is_empty());
    out::result(&match args.format {
        Format::Json => {
            let findings: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
            let object = json!({
                "findings": findings,
                "repaired": args.repair,
                "refused": refused,
                "blobs": checked.blobs,
                "bytes": checked.bytes,
                "records": checked.records,
                "trees": checked.trees,
            });
            format!("{object:#}\n")
        }
        Format::Text => text(&checked, args.repair),
    })?;
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn text(checked: &Checked, repaired: bool) -> String {
    let looked_at = format!(
        "{} blobs of {}, {} records, {} unpacked layers",
        checked.blobs,
        size(checked.bytes),
        checked.records,
        checked.trees
    );
    let summary = match (checked.findings.len(), repaired) {
        (0, _) => format!("The store is sound: {looked_at}\n"),
        (count, true) => format!("Repaired, what was wrong is removed ({count}): {looked_at}\n"),
        (count, false) => format!("Wrong: {count}; `--repair` removes it: {looked_at}\n"),
    };
    lines(&checked.findings) + &summary
}
