//! The build checks of a file alone: no base image is looked up, and no build argument is known.

use std::collections::BTreeMap;

use crate::context::Patterns;
use crate::dockerfile::{Diagnostic, Dockerfile};
use crate::image::{Platform, Reference};
use crate::plan::{self, BaseError, Bases, Found, ImageId, PlanOptions};

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
    let options = PlanOptions::whole_file(platform);
    let (stages, remarks, mut errors) = match plan::plan(file, &options, &Anything) {
        Ok(plan) => (plan.stages, plan.remarks, Vec::new()),
        Err(failed) => (Vec::new(), failed.remarks, failed.errors),
    };
    errors.retain(|error| {
        error.span.is_none_or(|span| file.text.get(span.start..span.end).is_none_or(|text| !text.contains('$')))
    });
    let warnings = lint(Subject { file, stages: &stages, remarks: &remarks, ignore }, &check);
    Offline { warnings, errors, are_errors: check.are_errors() }
}

/// Every image is there, and nothing is known of it.
struct Anything;

impl Bases for Anything {
    fn context(&self, _: &str, _: &Platform) -> Result<Option<Found>, BaseError> {
        Ok(None)
    }

    fn image(&self, _: &Reference, _: &Platform) -> Result<Found, BaseError> {
        Ok(Found::Unknown(ImageId(0)))
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
