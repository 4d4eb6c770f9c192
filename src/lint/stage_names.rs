//! FROM: names of stages, and platforms as they are written.

use std::collections::BTreeSet;

use crate::dockerfile::{Command, Word};
use crate::image::Platform;

use super::Rule;
use super::findings::Findings;
use super::fixes;
use super::written::{Written, WrittenStage};

pub(super) fn check(written: &Written<'_>, findings: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for stage in &written.stages {
        let Command::From { platform, name, .. } = &stage.from.command else { continue };
        let span = name.as_ref().map_or(stage.from.span, |name| name.span);
        if let Some((name, as_written)) = stage.name(written.file) {
            if as_written.contains(char::is_uppercase) {
                let message = format!("Stage name '{as_written}' should be lowercase");
                let fix = fixes::lower_case(written.file, span, as_written, 0);
                findings.add_with(Rule::StageNameCasing, stage.from, span, message, fix);
            }
            if matches!(name, "scratch" | "context") {
                let message = format!("Stage name should not use the same name as reserved stage \"{name}\"");
                findings.add(Rule::ReservedStageName, stage.from, span, message);
            }
            if !seen.insert(name) {
                let message = format!("Duplicate stage name \"{name}\", stage names should be unique");
                findings.add(Rule::DuplicateStageName, stage.from, span, message);
            }
        }
        if let Some(platform) = platform {
            check_platform(platform, stage, written, findings);
        }
    }
}

fn check_platform(word: &Word, stage: &WrittenStage<'_>, written: &Written<'_>, findings: &mut Findings<'_>) {
    let text = word.text.as_str();
    if matches!(text, "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
        let message =
            format!("Setting platform to predefined {text} in FROM is redundant as this is the default behavior");
        let fix = fixes::without_target_platform(written.file, stage.from);
        findings.add_with(Rule::RedundantTargetPlatform, stage.from, word.span, message, fix);
    }
    if text.contains('$') {
        return;
    }
    // A stage that is named after its platform is there for it.
    let name = stage.name(written.file).map_or("", |(name, _)| name);
    let is_meant = text
        .parse::<Platform>()
        .is_ok_and(|platform| [platform.os, platform.architecture].iter().any(|part| name.contains(part.as_str())));
    if !is_meant {
        let message = format!("FROM --platform flag should not use constant value \"{text}\"");
        findings.add(Rule::FromPlatformFlagConstDisallowed, stage.from, word.span, message);
    }
}
