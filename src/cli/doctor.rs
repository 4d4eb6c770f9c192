use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::sandbox::{self, Isolation, Probe};

use super::args::DoctorArgs;
use super::failure::Failure;
use super::surroundings::Surroundings;
use super::{options, out};

/// What else is told than the rung: each with what is to be had, or why it is not.
struct Report {
    probe: Probe,
    calls: Result<(), String>,
    limits: Result<Vec<String>, String>,
    overlay: Result<(), String>,
}

/// `kiln doctor`.
pub(super) fn run(args: &DoctorArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let store = options::store_dir(&args.store, around)?;
    let probe = sandbox::probe();
    let report = Report {
        calls: sandbox::filters_calls(probe.isolation).map_err(str::to_owned),
        limits: sandbox::limitable(),
        overlay: overlay(probe.isolation, &store),
        probe,
    };
    let text = if args.json { format!("{:#}\n", report.json()) } else { report.text() };
    out::stdout(&text).map_err(|error| Failure::machine("cannot write to standard output", &error))
}

/// Whether steps get overlays of the store's trees.
fn overlay(isolation: Isolation, store: &Path) -> Result<(), String> {
    if matches!(isolation, Isolation::Chroot | Isolation::Files) {
        return Err("nothing can be mounted".to_owned());
    }
    // A store that is not there yet will be on the file system of what is.
    let there = store.ancestors().find(|directory| directory.is_dir()).unwrap_or(Path::new("/"));
    sandbox::can_overlay_in(isolation, there).map_err(|error| format!("no overlay in {}: {error}", there.display()))
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!("isolation: {}\n", self.probe.isolation);
        for refused in &self.probe.refused {
            let _infallible = writeln!(text, "not {}: {}", refused.isolation, refused.why);
            if let Some(way_out) = &refused.way_out {
                let _infallible = writeln!(text, "    to have it: {way_out}");
            }
        }
        let (calls, limits, root) = (
            self.calls.as_ref().map_or_else(|why| format!("not filtered: {why}"), |()| "filtered".to_owned()),
            self.limits.as_ref().map_or_else(|why| format!("not enforced: {why}"), |have| have.join(", ")),
            self.overlay.as_ref().map_or_else(|why| format!("work tree: {why}"), |()| "overlay".to_owned()),
        );
        text + &format!("system calls: {calls}\nlimits: {limits}\nroot filesystem: {root}\n")
    }

    fn json(&self) -> Value {
        let refused = self.probe.refused.iter().map(|refused| {
            json!({ "isolation": refused.isolation.as_str(), "reason": refused.why, "way_out": refused.way_out })
        });
        json!({
            "isolation": self.probe.isolation.as_str(),
            "refused": refused.collect::<Vec<_>>(),
            "system_calls": { "filtered": self.calls.is_ok(), "reason": self.calls.as_ref().err() },
            "limits": { "enforced": self.limits.as_deref().unwrap_or_default(), "reason": self.limits.as_ref().err() },
            "root_filesystem": {
                "driver": if self.overlay.is_ok() { "overlay" } else { "work-tree" },
                "reason": self.overlay.as_ref().err(),
            },
        })
    }
}
