//! What a target takes from outside: arguments, secrets, agents, cache mounts (CALL-3).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dockerfile::{self, Diagnostic, Dockerfile, Lines, Severity};
use crate::plan::{Mount, MountKind, Op, Plan, Remark, RemarkKind};
use crate::progress::SharedSink;
use crate::store::Store;

use super::check::description;
use super::evaluate::{Extent, Purpose, plan_options, registry, resolver};
use super::fetch::Fetcher;
use super::known::Known;
use super::{BuildError, Options, SourceText, source};

/// What a target and the stages it needs take from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outline {
    /// What the lines count in.
    pub source: SourceText,
    /// The target's name, if it has one.
    pub name: Option<String>,
    /// What the comment above it says (CALL-5).
    pub description: Option<String>,
    /// By line.
    pub arguments: Vec<Argument>,
    /// Ids of `RUN --mount=type=secret`, by line.
    pub secrets: Vec<Needed>,
    /// Ids of `RUN --mount=type=ssh`, by line.
    pub agents: Vec<Needed>,
    /// Ids of `RUN --mount=type=cache`, by line.
    pub caches: Vec<Needed>,
}

/// A build argument that the target uses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it is in this build, if anything.
    pub value: Option<String>,
    /// What the comment above it says (CALL-5).
    pub description: Option<String>,
    /// Of its first ARG.
    pub lines: Lines,
}

/// Something a step asks for by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Needed {
    /// Its id.
    pub id: String,
    /// Some step fails without it.
    pub required: bool,
    /// Of the first instruction that asks for it.
    pub lines: Lines,
}

/// Evaluates what the target needs, and lists what it takes.
///
/// # Errors
/// As [`super::run()`] before its first step.
pub fn outline(options: &Options, sink: &SharedSink) -> Result<Outline, BuildError> {
    let store = Arc::new(Store::open(&options.store)?);
    let fetcher = Fetcher::idle(&store, options, sink)?;
    let sources = source::open(options, &fetcher)?;
    let parsed = dockerfile::parse(&sources.bytes);
    let source = sources.text(&parsed.file.text);
    let failed = |diagnostics: Vec<Diagnostic>| BuildError::Dockerfile { source_text: source.clone(), diagnostics };
    if parsed.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return Err(failed(parsed.diagnostics));
    }
    let resolver = resolver(options, &store, &registry(options), Purpose::Evaluate, sources.locks(options)?, sink)?;
    let known = Known { resolver: &resolver, fetcher: &fetcher, main: sources.time };
    let plan = crate::plan::plan(&parsed.file, &plan_options(options, Extent::Target), &known)
        .map_err(|found| failed(found.errors))?;
    Ok(of_plan(&plan, &parsed.file, source))
}

fn of_plan(plan: &Plan, file: &Dockerfile, source: SourceText) -> Outline {
    let target = plan.stages.get(plan.target);
    let from = target.and_then(|stage| file.instructions().find(|from| from.lines.first == stage.lines.first));
    let name = from.and_then(|from| match &from.command {
        dockerfile::Command::From { name, .. } => name.as_ref().map(|name| name.text.clone()),
        _ => None,
    });
    let description =
        from.zip(name.as_ref()).and_then(|(from, name)| description(&from.doc, &name.to_lowercase(), true));
    let needed = |select: fn(&MountKind) -> Option<(&str, bool)>| needed(plan, select);
    Outline {
        source,
        name,
        description,
        arguments: arguments(plan, file),
        secrets: needed(|kind| match kind {
            MountKind::Secret { id, required, .. } => Some((id, *required)),
            _ => None,
        }),
        agents: needed(|kind| match kind {
            MountKind::Ssh { id, required, .. } => Some((id, *required)),
            _ => None,
        }),
        caches: needed(|kind| match kind {
            MountKind::Cache { id, .. } => Some((id, false)),
            _ => None,
        }),
    }
}

/// The arguments of the planned stages, and those before them that FROM uses or a stage takes over. The last value
/// counts, the first line and the first description.
fn arguments(plan: &Plan, file: &Dockerfile) -> Vec<Argument> {
    let first_stage = file.instructions().find(|from| from.keyword == dockerfile::Keyword::From);
    let first_stage = first_stage.map_or(usize::MAX, |from| from.lines.first);
    let is_global = |remark: &Remark| remark.lines.first < first_stage;
    let is_planned = |remark: &Remark| plan.stages.iter().any(|stage| stage.lines.first == remark.lines.first);
    let is_used = |name: &str| {
        plan.remarks.iter().any(|remark| match &remark.kind {
            RemarkKind::ArgumentInFrom(used) => used == name && is_planned(remark),
            RemarkKind::Argument { name: used, .. } => used == name && !is_global(remark),
            _ => false,
        })
    };
    let docs: BTreeMap<usize, &str> = file.instructions().map(|at| (at.lines.first, at.doc.as_str())).collect();
    let mut arguments: Vec<Argument> = Vec::new();
    for remark in &plan.remarks {
        let RemarkKind::Argument { name, value } = &remark.kind else { continue };
        if is_global(remark) && !is_used(name) {
            continue;
        }
        let description = docs.get(&remark.lines.first).and_then(|doc| description(doc, name, false));
        match arguments.iter_mut().find(|known| known.name == *name) {
            Some(known) => {
                known.value = value.clone().or_else(|| known.value.take());
                known.description = known.description.take().or(description);
            }
            None => {
                arguments.push(Argument { name: name.clone(), value: value.clone(), description, lines: remark.lines });
            }
        }
    }
    arguments.sort_by_key(|argument| argument.lines.first);
    arguments
}

fn needed(plan: &Plan, select: fn(&MountKind) -> Option<(&str, bool)>) -> Vec<Needed> {
    let mut all: Vec<Needed> = Vec::new();
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        let Op::Run(run) = &step.op else { continue };
        for Mount { kind, .. } in &run.mounts {
            let Some((id, required)) = select(kind) else { continue };
            match all.iter_mut().find(|known| known.id == id) {
                Some(known) => known.required |= required,
                None => all.push(Needed { id: id.to_owned(), required, lines: step.lines }),
            }
        }
    }
    all.sort_by_key(|needed| needed.lines.first);
    all
}
