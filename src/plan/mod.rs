//! From syntax tree to a graph of stages with every argument resolved, before any step runs (dockerfile.md).
//!
//! The work goes in the phases of DIAG-2: `outline` evaluates the FROM lines and finds the target, `graph` checks the
//! references between stages, `reach` resolves the bases of those that the target needs, and `stage` evaluates their
//! instructions in file order. The first phase with an error ends the work; within it all errors are told.

mod config;
mod copying;
mod epoch;
pub mod expand;
mod graph;
mod history;
mod model;
mod mount_options;
mod mounts;
mod options;
mod outline;
mod paths;
mod pattern;
mod place;
mod ports;
mod reach;
mod run;
mod scope;
mod stage;
mod state;
#[cfg(test)]
mod tests;
mod values;

pub use model::{
    BaseRef, CopyFrom, CopyOp, CopySource, ImageId, MetaOp, Mount, MountFrom, MountKind, Network, Op, Plan, RunOp,
    RunScript, Security, Sharing, Stage, Step, WorkdirOp,
};
pub use options::{BaseError, Bases, Found, PlanOptions};

use std::collections::BTreeMap;

use crate::dockerfile::{Diagnostic, Dockerfile};

use outline::Outline;
use state::Shared;

/// Plans the build of `file` for one platform.
///
/// Images and contexts are looked up in `bases`, and only for what the target needs (FROM-19). Nothing is run.
///
/// # Errors
///
/// All errors of the first phase that has any (DIAG-2), in file order; never an empty list.
pub fn plan(file: &Dockerfile, options: &PlanOptions, bases: &dyn Bases) -> Result<Plan, Vec<Diagnostic>> {
    let one = |error| vec![error];
    let mut warnings = Vec::new();
    let mut outline = Outline::read(file, options)?;
    let epoch = epoch::resolve(&outline, &mut warnings).map_err(one)?;
    if let Some(epoch) = epoch {
        outline.globals.set_epoch(epoch);
    }
    let target = outline.target(options).map_err(one)?;
    let replacements = reach::replacements(&outline, options, bases);
    let replaced: Vec<bool> = replacements.iter().map(Option::is_some).collect();
    graph::check(&outline, &replaced)?;
    let reached = reach::reach(&outline, &replacements, target, options, bases)?;
    let mut numbers = vec![None; outline.stages.len()];
    for (number, &index) in reached.keys().enumerate() {
        numbers[index] = Some(number);
    }
    let proxy_env = outline.globals.proxy_env();
    let shared = Shared { outline: &outline, options, bases, numbers, proxy_env };
    let mut stages = Vec::with_capacity(reached.len());
    let mut states = BTreeMap::new();
    let mut errors = Vec::new();
    for (&index, reached) in &reached {
        let below = match reached.base {
            // The stage below has failed: that error is the one to tell.
            reach::Base::Stage(below) if !states.contains_key(&below) => continue,
            reach::Base::Stage(below) => states.get(&below),
            _ => None,
        };
        match stage::evaluate(&shared, index, reached, below) {
            Ok(mut evaluated) => {
                if index == target {
                    config::command_line_labels(&mut evaluated.stage.config, &options.labels);
                }
                warnings.append(&mut evaluated.warnings);
                stages.push(evaluated.stage);
                states.insert(index, evaluated.state);
            }
            Err(mut found) => errors.append(&mut found),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Plan { target: stages.len() - 1, stages, warnings, epoch })
}
