//! COPY and ADD of what the ignore file keeps out of the build context.

use crate::context::Patterns;
use crate::dockerfile::{Command, Keyword, Source};
use crate::plan::{CopyFrom, CopySource, Op, Stage};
use crate::rootfs::RootPath;

use super::Rule;
use super::findings::Findings;

pub(super) fn check(stages: &[Stage], ignore: &Patterns, findings: &mut Findings<'_>) {
    // With exceptions a path may be there in part.
    if ignore.is_empty() || ignore.has_exceptions() {
        return;
    }
    for step in stages.iter().flat_map(|stage| &stage.steps) {
        let Op::Copy(copy) = &step.op else { continue };
        // A trigger stands at the FROM that runs it, and is not for this file to mend.
        let at = findings.instruction(step.lines.first).filter(|at| at.keyword != Keyword::From);
        let (Some(at), CopyFrom::Context) = (at, &copy.from) else { continue };
        let (Command::Copy(copying, _) | Command::Add(copying, _)) = &at.command else { continue };
        for (written, source) in copying.sources.iter().zip(&copy.sources) {
            let (Source::Path(word), CopySource::Path(path)) = (written, source) else { continue };
            if is_ignored(path, ignore) {
                let message = format!("Attempting to Copy file {path:?} that is excluded by .dockerignore");
                findings.add(Rule::CopyIgnoredFile, at, word.span, message);
            }
        }
    }
}

fn is_ignored(path: &str, ignore: &Patterns) -> bool {
    let path = RootPath::clamped(path.as_bytes());
    if path.is_root() { ignore.excludes_everything() } else { ignore.excludes(&path) }
}
