use std::fmt::Write as _;

use serde_json::json;

use crate::sandbox;

use super::args::DoctorArgs;
use super::failure::Failure;
use super::out;

/// `kiln doctor`.
pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let probe = sandbox::probe();
    let text = if args.json {
        let refused: Vec<_> = probe
            .refused
            .iter()
            .map(|refused| {
                json!({ "isolation": refused.isolation.as_str(), "reason": refused.why, "way_out": refused.way_out })
            })
            .collect();
        format!("{:#}\n", json!({ "isolation": probe.isolation.as_str(), "refused": refused }))
    } else {
        let mut text = format!("isolation: {}\n", probe.isolation);
        for refused in &probe.refused {
            let _infallible = writeln!(text, "not {}: {}", refused.isolation, refused.why);
            if let Some(way_out) = &refused.way_out {
                let _infallible = writeln!(text, "    to have it: {way_out}");
            }
        }
        text
    };
    out::stdout(&text).map_err(|error| Failure::machine("cannot write to standard output", &error))
}
