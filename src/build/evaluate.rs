//! From syntax tree to plan and findings: what a build and a check have in common.

use std::sync::Arc;

use crate::bases::{self, Locks, Resolver};
use crate::dockerfile::{Diagnostic, Dockerfile};
use crate::image::Platform;
use crate::lint::{self, CheckOptions, Subject};
use crate::plan::{self, Bases, Plan, PlanOptions};
use crate::progress::SharedSink;
use crate::registry::Registry;
use crate::store::Store;

use super::inputs::ignore_rules;
use super::run::threads;
use super::source::{MainContext, usage};
use super::{BuildError, Options};

/// Which stages are evaluated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// What the target needs.
    Target,
    /// All of the file, unless a target is given (LINT-9).
    File,
}

/// What a plan is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// It will be carried out.
    Build,
    /// It will be looked at.
    Evaluate,
}

/// What evaluation gives.
pub(super) struct Evaluation {
    pub(super) plan: Result<Plan, Vec<Diagnostic>>,
    /// Of build checks, in file order.
    pub(super) warnings: Vec<Diagnostic>,
    /// Those warnings are to be an error (LINT-7).
    pub(super) violation: Option<Diagnostic>,
}

/// Plans `file`, and judges it.
pub(super) fn evaluate(
    file: &Dockerfile,
    options: &Options,
    extent: Extent,
    context: &MainContext,
    bases: &dyn Bases,
) -> Evaluation {
    let check = match CheckOptions::read(file, &options.build_args) {
        Ok(check) => check,
        Err(found) => return Evaluation { plan: Err(vec![*found]), warnings: Vec::new(), violation: None },
    };
    let (plan, remarks) = match plan::plan(file, &plan_options(options, extent), bases) {
        Ok(mut plan) => {
            let remarks = std::mem::take(&mut plan.remarks);
            (Ok(plan), remarks)
        }
        Err(failed) => (Err(failed.errors), failed.remarks),
    };
    let ignore = match context {
        // A wrong ignore file is told of when the context is read.
        MainContext::Directory { dir, dockerfile } => ignore_rules(dir, dockerfile.as_deref()).ok(),
        MainContext::Checkout(_) | MainContext::Known { .. } | MainContext::Empty => None,
    };
    let stages = plan.as_ref().map_or(&[][..], |plan| plan.stages.as_slice());
    let warnings = lint::lint(Subject { file, stages, remarks: &remarks, ignore: ignore.as_ref() }, &check);
    let violation = lint::violation(&warnings, &check);
    Evaluation { plan, warnings, violation }
}

/// What asks registries.
pub(super) fn registry(options: &Options) -> Arc<Registry> {
    Arc::new(Registry::new(options.registries.clone()))
}

/// What gives the plan its base images.
pub(super) fn resolver(
    options: &Options,
    store: &Arc<Store>,
    registry: &Arc<Registry>,
    purpose: Purpose,
    locks: Option<Locks>,
    sink: &SharedSink,
) -> Result<Resolver, BuildError> {
    let settings = bases::Settings {
        locks,
        contexts: options.named_contexts.iter().map(|named| (named.name.clone(), named.value.clone())).collect(),
        pull: options.pull,
        policy: options.policy.clone(),
        threads: threads(),
        only_evaluates: purpose == Purpose::Evaluate,
    };
    Resolver::new(Arc::clone(store), Arc::clone(registry), settings, Arc::clone(sink))
        .map_err(|error| usage(error.message, error.help))
}

/// What the plan is made of.
pub(super) fn plan_options(options: &Options, extent: Extent) -> PlanOptions {
    PlanOptions {
        build_args: options.build_args.clone(),
        target: options.target.clone(),
        every_stage: extent == Extent::File && options.target.is_none(),
        labels: options.labels.clone(),
        platform: options.platform.clone().unwrap_or_else(Platform::host),
        build_platform: Platform::host(),
        network: options.network,
    }
}
