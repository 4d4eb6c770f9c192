//! The build checks of a file alone: no base image is looked up, and no build argument is known.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Patterns;
use crate::dockerfile::{Command, Diagnostic, Dockerfile};
use crate::image::{ImageConfig, Platform, Reference};
use crate::plan::{self, BaseError, Bases, Found, ImageId, Network, PlanOptions, RemarkKind};

use super::written::Written;
use super::{CheckOptions, Subject, lint};

/// What a file alone shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offline {
    /// Findings of the build checks, in file order.
    pub warnings: Vec<Diagnostic>,
    /// What would fail every build.
    pub errors: Vec<Diagnostic>,
    /// Findings are to be errors (LINT-7).
    pub are_errors: bool,
}

/// Judges a file without its bases. What they, or build arguments, might change is not told: variables that a base may
/// define, and errors in words that hold variables.
pub fn offline(file: &Dockerfile, ignore: Option<&Patterns>) -> Offline {
    let check = match CheckOptions::read(file, &BTreeMap::new()) {
        Ok(check) => check,
        Err(found) => return Offline { errors: vec![*found], ..Offline::default() },
    };
    let platform = Platform::host();
    let options = PlanOptions {
        build_args: BTreeMap::new(),
        target: None,
        every_stage: true,
        labels: Vec::new(),
        build_platform: platform.clone(),
        platform,
        network: Network::Default,
    };
    let (stages, mut remarks, mut errors) = match plan::plan(file, &options, &Unknown) {
        Ok(plan) => (plan.stages, plan.remarks, Vec::new()),
        Err(failed) => (Vec::new(), failed.remarks, failed.errors),
    };
    let unknown = lines_on_unknown_bases(file);
    remarks.retain(|remark| {
        !matches!(remark.kind, RemarkKind::UndefinedVariable(_)) || !unknown.contains(&remark.lines.first)
    });
    errors.retain(|error| {
        error.span.is_none_or(|span| file.text.get(span.start..span.end).is_none_or(|text| !text.contains('$')))
    });
    let warnings = lint(Subject { file, stages: &stages, remarks: &remarks, ignore }, &check);
    Offline { warnings, errors, are_errors: check.are_errors() }
}

/// First lines of the instructions in stages whose base is not `scratch`.
fn lines_on_unknown_bases(file: &Dockerfile) -> BTreeSet<usize> {
    let written = Written::of(file);
    let mut lines = BTreeSet::new();
    let mut known: BTreeMap<&str, bool> = BTreeMap::new();
    for stage in &written.stages {
        let Command::From { image, name, .. } = &stage.from.command else { continue };
        let is_known = known.get(image.text.as_str()).copied().unwrap_or(image.text == "scratch");
        if !is_known {
            lines.extend(stage.own.iter().map(|at| at.lines.first));
        }
        if let Some(name) = name {
            known.insert(&name.text, is_known);
        }
    }
    lines
}

/// Every image is there, is for the platform asked for, and sets nothing.
struct Unknown;

impl Bases for Unknown {
    fn context(&self, _: &str, _: &Platform) -> Result<Option<Found>, BaseError> {
        Ok(None)
    }

    fn image(&self, _: &Reference, platform: &Platform) -> Result<Found, BaseError> {
        Ok(Found::Image(ImageId(0), Box::new(ImageConfig::scratch(platform))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    #[test]
    fn lint_offline_tells_only_what_no_base_can_change() {
        for (text, warnings, errors) in [
            ("FROM a\nENV X=$JAVA_HOME\n", &[][..], &[][..]),
            ("FROM scratch AS b\nENV X=$JAVA_HOME\nFROM b\nENV Y=$Z\n", &["UndefinedVar", "UndefinedVar"], &[]),
            ("FROM a\nEXPOSE x$PORT\n", &[], &[]),
            ("FROM a\nRUN --mount=type=foo x\n", &[], &["D-35"]),
            ("ARG X\nFROM $X\n", &["InvalidDefaultArgInFrom"], &[]),
            ("# check=what\nFROM a\n", &[], &["D-6"]),
            ("FROM a\nWORKDIR x\nCMD y\n", &["WorkdirRelativePath", "JSONArgsRecommended"], &[]),
        ] {
            let found = offline(&parse(text.as_bytes()).file, None);
            let codes = |all: &[Diagnostic]| all.iter().map(|one| one.code.to_string()).collect::<Vec<_>>();
            assert_eq!(
                (codes(&found.warnings), codes(&found.errors)),
                (codes_of(warnings), codes_of(errors)),
                "{text}"
            );
        }
    }

    fn codes_of(all: &[&str]) -> Vec<String> {
        all.iter().map(|&code| code.to_owned()).collect()
    }
}
