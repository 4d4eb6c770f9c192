//! COPY and ADD.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Command, Copying, Source, Word};
use crate::lint::shell::Call;

use super::bare;
use super::report::Report;
use super::settings::is_absolute;
use super::view::{Stage, Step, View};

/// Ends of the names of archives that ADD unpacks.
const ARCHIVES: [&str; 13] = [
    ".tar",
    ".tar.gz",
    ".tgz",
    ".tar.bz2",
    ".tbz2",
    ".tbz",
    ".tb2",
    ".tar.xz",
    ".txz",
    ".tar.zst",
    ".tar.lzma",
    ".tlz",
    ".tar.Z",
];

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let mut have_workdir: Vec<bool> = Vec::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (number, stage) in view.stages.iter().enumerate() {
        let mut has_workdir = stage.base.and_then(|base| have_workdir.get(base)).copied().unwrap_or_default();
        let unpacked = unpacked(stage);
        for (at, step) in stage.steps.iter().enumerate() {
            match step.command() {
                Command::Workdir(_) => has_workdir = true,
                Command::Add(copying, _) => add(step, copying, report),
                Command::Copy(copying, flags) => {
                    destination(step, copying, has_workdir, report);
                    match &flags.from {
                        Some(from) => {
                            other_stage((stage, number), &names, step, from, report);
                            whole(step, copying, report);
                        }
                        None => archives(step, at, copying, &unpacked, report),
                    }
                }
                _ => {}
            }
        }
        have_workdir.push(has_workdir);
        names.extend(stage.name.map(|name| name.text.as_str()));
    }
}

fn paths(copying: &Copying) -> impl Iterator<Item = &Word> {
    copying.sources.iter().filter_map(|source| match source {
        Source::Path(word) => Some(word),
        Source::Heredoc(_) => None,
    })
}

fn is_archive(path: &str) -> bool {
    ARCHIVES.iter().any(|end| path.ends_with(end))
}

/// DL3020. Of what a variable holds nothing is known.
fn add(step: &Step<'_>, copying: &Copying, report: &mut Report<'_>) {
    let is_plain = |text: &str| {
        let is_remote = text.contains("://") || text.starts_with("git@") || text.strip_suffix(".git").is_some();
        !is_remote && !is_archive(text) && !text.contains('$')
    };
    for word in paths(copying).filter(|word| is_plain(bare(&word.text))) {
        report.at("DL3020", step, word.span, ());
    }
}

/// DL3021, DL3045.
fn destination(step: &Step<'_>, copying: &Copying, has_workdir: bool, report: &mut Report<'_>) {
    let word = &copying.destination;
    let path = bare(&word.text);
    if copying.sources.len() > 1
        && !path.ends_with(['/', '\\', '}'])
        && !path.contains('$')
        && !matches!(path, "." | "..")
    {
        report.at("DL3021", step, word.span, ());
    }
    if !has_workdir && !is_absolute(path) {
        report.at("DL3045", step, word.span, ());
    }
}

/// DL3022, DL3023: a stage by name, in any case, or by number. `names` are those of the stages before.
fn other_stage(
    (stage, number): (&Stage<'_>, usize),
    names: &BTreeSet<&str>,
    step: &Step<'_>,
    from: &Word,
    report: &mut Report<'_>,
) {
    let name = bare(&from.text).to_lowercase();
    let index = name.parse::<usize>().ok();
    let is_earlier = index.is_some_and(|index| index < number) || names.contains(name.as_str());
    let is_own = index == Some(number) || stage.name.is_some_and(|own| own.text == name);
    if is_own && !is_earlier {
        report.at("DL3023", step, from.span, ());
    } else if !is_earlier && !name.contains([':', '@', '$']) {
        report.at("DL3022", step, from.span, ());
    }
}

/// DL3067
fn whole(step: &Step<'_>, copying: &Copying, report: &mut Report<'_>) {
    for word in paths(copying).filter(|word| matches!(bare(&word.text), "/" | "/." | "/*" | "/./")) {
        report.at("DL3067", step, word.span, ());
    }
}

/// The names of archives that a stage unpacks with tar, each with the last step that does.
fn unpacked<'a>(stage: &'a Stage<'_>) -> BTreeMap<&'a str, usize> {
    let mut found = BTreeMap::new();
    for (at, step) in stage.steps.iter().enumerate() {
        let Some(run) = &step.run else { continue };
        for word in run.script.of(&["tar", "bsdtar"]).filter(|call| extracts(call)).flat_map(Call::arguments) {
            let text = word.text.as_str();
            // `--file=/tmp/x.tar`, `-xf/tmp/x.tar`
            let value = match text.strip_prefix('-') {
                Some(long) if long.starts_with('-') => long.split_once('='),
                Some(cluster) => cluster.split_once('f'),
                None => None,
            };
            let text = value.map_or(text, |(_, value)| value);
            found.insert(text.rsplit('/').next().unwrap_or(text), at);
        }
    }
    found
}

fn extracts(tar: &Call) -> bool {
    let first = tar.arguments().first().map_or("", |word| word.text.as_str());
    let is_cluster = !first.starts_with("--") && first.contains('x') && !first.contains(['/', '.']);
    is_cluster || tar.has_flag(&["-x", "--extract", "--get"])
}

/// DL3010: archives that a RUN after it unpacks.
fn archives(step: &Step<'_>, at: usize, copying: &Copying, unpacked: &BTreeMap<&str, usize>, report: &mut Report<'_>) {
    for word in paths(copying).filter(|word| is_archive(bare(&word.text))) {
        let (source, to) = (bare(&word.text), bare(&copying.destination.text));
        // One that is copied alone may get a name of its own.
        let path = if copying.sources.len() == 1 && is_archive(to) { to } else { source };
        let name = path.rsplit('/').next().unwrap_or(path);
        if unpacked.get(name).is_some_and(|last| *last > at) {
            report.at("DL3010", step, word.span, ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hadolint_archives() {
        for (path, want) in [("a.tar.gz", true), ("a.tgz", true), ("a.gz", false), ("a.zip", false), ("tar", false)] {
            assert_eq!(is_archive(path), want, "{path}");
        }
    }
}
