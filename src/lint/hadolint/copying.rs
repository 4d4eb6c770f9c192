//! COPY and ADD.

use crate::dockerfile::{Command, Copying, Instruction, Source, Word};
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
    for (number, stage) in view.stages.iter().enumerate() {
        let is_workdir = |at: &Instruction| matches!(at.command, Command::Workdir(_));
        let mut has_workdir = view.chain(stage).skip(1).any(|below| below.own().any(is_workdir));
        for (at, step) in stage.steps.iter().enumerate() {
            match step.command() {
                Command::Workdir(_) => has_workdir = true,
                Command::Add(copying, _) => add(step, copying, report),
                Command::Copy(copying, flags) => {
                    destination(step, copying, has_workdir, report);
                    match &flags.from {
                        Some(from) => other_stage(view, number, step, copying, from, report),
                        None => unpacked(stage, at, copying, report),
                    }
                }
                _ => {}
            }
        }
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

/// DL3022, DL3023, DL3067.
fn other_stage(
    view: &View<'_>,
    number: usize,
    step: &Step<'_>,
    copying: &Copying,
    from: &Word,
    report: &mut Report<'_>,
) {
    let name = bare(&from.text);
    let is_called = |stage: &Stage<'_>| stage.name.is_some_and(|own| own.text.eq_ignore_ascii_case(name));
    let index = name.parse::<usize>().ok();
    let is_own = index == Some(number) || view.stages.get(number).is_some_and(is_called);
    let is_earlier = index.is_some_and(|index| index < number) || view.stages.iter().take(number).any(is_called);
    if is_own && !is_earlier {
        report.at("DL3023", step, from.span, ());
    } else if !is_earlier && !name.contains([':', '@', '$']) {
        report.at("DL3022", step, from.span, ());
    }
    for word in paths(copying).filter(|word| matches!(bare(&word.text), "/" | "/." | "/*" | "/./")) {
        report.at("DL3067", step, word.span, ());
    }
}

/// DL3010: an archive that a RUN after it unpacks.
fn unpacked(stage: &Stage<'_>, at: usize, copying: &Copying, report: &mut Report<'_>) {
    let Some(step) = stage.steps.get(at) else { return };
    for word in paths(copying).filter(|word| is_archive(bare(&word.text))) {
        let source = bare(&word.text);
        let mut name = source.rsplit('/').next().unwrap_or(source);
        let to = bare(&copying.destination.text);
        // The archive gets a name of its own.
        if copying.sources.len() == 1 && is_archive(to) {
            name = to.rsplit('/').next().unwrap_or(to);
        }
        let extracts = |call: &Call| {
            let first = call.arguments().first().map_or("", |word| word.text.as_str());
            let cluster = !first.starts_with("--") && first.contains('x') && !first.contains(['/', '.']);
            let does = cluster || call.has_flag(&["-x", "--extract", "--get"]);
            does && call
                .arguments()
                .iter()
                .any(|word| word.text.rsplit('/').next() == Some(name) || matches_name(&word.text, name))
        };
        let after = stage.steps.iter().skip(at + 1).filter_map(|step| step.run.as_ref());
        if after.flat_map(|run| run.script.of(&["tar", "bsdtar"])).any(extracts) {
            report.at("DL3010", step, word.span, ());
        }
    }
}

/// `--file=/tmp/x.tar`, or `-xf/tmp/x.tar`.
fn matches_name(argument: &str, name: &str) -> bool {
    argument.starts_with('-') && argument.ends_with(name)
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
