//! FROM, names of stages, and instructions that a stage should have once.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Keyword, Lines, Span};
use crate::lint::fixes;

use super::report::Report;
use super::view::{Stage, View};

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let mut names = BTreeSet::new();
    for stage in &view.stages {
        image(stage, report);
        if let Some(platform) = stage.platform {
            if matches!(platform.text.as_str(), "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
                let fix = fixes::without_target_platform(report.file, stage.from);
                report.from("DL3065", stage, platform, fix);
            } else if !platform.text.contains('$') {
                report.from("DL3029", stage, platform, ());
            }
        }
        if let Some(name) = stage.name {
            if !names.insert(&name.text) {
                report.from("DL3024", stage, name, ());
            }
            if matches!(name.text.as_str(), "scratch" | "context") {
                report.from("DL3063", stage, name, ());
            }
        }
        repeated(stage, report);
        consecutive(stage, report);
    }
    let final_stages = view.final_stages();
    let has_check = final_stages.iter().flat_map(|stage| stage.own()).any(|at| at.keyword == Keyword::Healthcheck);
    if let (Some(last), false) = (final_stages.first(), has_check) {
        report.add("DL3057", last.from, last.from.span, ());
    }
    pragmas(view, report);
}

fn image(stage: &Stage<'_>, report: &mut Report<'_>) {
    let text = stage.image.text.as_str();
    if stage.base.is_some() || text == "scratch" {
        return;
    }
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        // A variable may hold the tag.
        None if digest.is_none() && !last.contains('$') => report.from("DL3006", stage, stage.image, ()),
        Some((_, "latest")) if digest.is_none() => report.from("DL3007", stage, stage.image, ()),
        _ => {}
    }
    let registry = match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    };
    let trusted = &report.options.trusted_registries;
    if !trusted.is_empty() && !name.starts_with('$') && !trusted.iter().any(|pattern| is_like(registry, pattern)) {
        report.from("DL3026", stage, stage.image, format!("{registry} is not among them"));
    }
}

/// A `*` at either end of a pattern stands for anything; the hub has several names.
fn is_like(registry: &str, pattern: &str) -> bool {
    let hub = |name: &str| matches!(name, "docker.io" | "hub.docker.com" | "index.docker.io");
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => true,
        (Some(end), _) => registry.ends_with(end),
        (_, Some(start)) => registry.starts_with(start),
        _ => registry == pattern || (hub(registry) && hub(pattern)),
    }
}

fn repeated(stage: &Stage<'_>, report: &mut Report<'_>) {
    for (keyword, code) in [(Keyword::Healthcheck, "DL3012"), (Keyword::Cmd, "DL4003"), (Keyword::Entrypoint, "DL4004")]
    {
        for at in stage.own().filter(|at| at.keyword == keyword).skip(1) {
            report.add(code, at, at.span, ());
        }
    }
}

/// RUNs with the same flags, with nothing but comments between.
fn consecutive(stage: &Stage<'_>, report: &mut Report<'_>) {
    let own: Vec<_> = stage.own().collect();
    let flags = |at: &crate::dockerfile::Instruction| -> Vec<(String, Option<String>)> {
        at.flags.iter().map(|flag| (flag.name.clone(), flag.value.clone())).collect()
    };
    for pair in own.windows(2) {
        let [first, second] = pair else { continue };
        if first.keyword == Keyword::Run && second.keyword == Keyword::Run && flags(first) == flags(second) {
            report.add("DL3059", second, second.span, ());
        }
    }
}

/// DL1001, at the comment.
fn pragmas(view: &View<'_>, report: &mut Report<'_>) {
    let all = view.globals.iter().copied();
    let all = all.chain(view.stages.iter().flat_map(|stage| std::iter::once(stage.from).chain(stage.own())));
    let all: BTreeMap<usize, _> = all.map(|at| (at.span.start, at)).collect();
    for (span, start) in report.pragmas.inline.clone() {
        let Some(at) = all.get(&start) else { continue };
        let text = report.file.text.get(span.start..span.end).unwrap_or_default();
        let span = Span::new(span.start, span.start + text.trim_end().len());
        let below = report.file.text.get(span.start..start).unwrap_or_default();
        let line = at.lines.first - below.bytes().filter(|byte| *byte == b'\n').count();
        let mut at = (*at).clone();
        at.lines = Lines { first: line, last: line };
        report.add("DL1001", &at, span, ());
    }
}
