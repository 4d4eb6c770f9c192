//! What only evaluation shows, seen by `plan` in passing.

use crate::dockerfile::Dockerfile;
use crate::plan::{Remark, RemarkKind, Unknown};

use super::Rule;
use super::findings::Findings;
use super::fixes;

pub(super) fn check(file: &Dockerfile, remarks: &[Remark], findings: &mut Findings<'_>) {
    for remark in remarks {
        let Some(at) = findings.instruction(remark.lines.first) else { continue };
        for (rule, message) in judge(&remark.kind) {
            let fix = match &remark.kind {
                RemarkKind::Exposed(text) if rule == Rule::ExposeProtoCasing => {
                    fixes::lower_case(file, remark.span, text, text.find('/').unwrap_or_default())
                }
                _ => None,
            };
            findings.add_with(rule, at, remark.span, message, fix);
        }
    }
}

fn judge(kind: &RemarkKind) -> Vec<(Rule, String)> {
    match kind {
        RemarkKind::UndefinedVariable(unknown) => {
            let message = format!("Usage of undefined variable '${}'{}", unknown.name, near(unknown, "$"));
            vec![(Rule::UndefinedVar, message)]
        }
        RemarkKind::UndeclaredInFrom(unknown) => {
            let message = format!("FROM argument '{}' is not declared{}", unknown.name, near(unknown, ""));
            vec![(Rule::UndefinedArgInFrom, message)]
        }
        RemarkKind::NoImageByDefault(text) => {
            let message = format!("Default value for ARG {text} results in empty or invalid base image name");
            vec![(Rule::InvalidDefaultArgInFrom, message)]
        }
        RemarkKind::RelativeWorkdir(path) => {
            let message = format!("Relative workdir {path:?} can have unexpected results if the base image changes");
            vec![(Rule::WorkdirRelativePath, message)]
        }
        RemarkKind::ShellForm(keyword) => {
            let message = format!(
                "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
            );
            vec![(Rule::JsonArgsRecommended, message)]
        }
        RemarkKind::OtherPlatform { image, found, wanted } => {
            let message = format!(
                "Base image {image} was pulled with platform \"{found}\", expected \"{wanted}\" for current build"
            );
            vec![(Rule::InvalidBaseImagePlatform, message)]
        }
        RemarkKind::Exposed(text) => exposed(text),
        RemarkKind::Argument { .. } | RemarkKind::ArgumentInFrom(_) => Vec::new(),
    }
}

fn near(unknown: &Unknown, mark: &str) -> String {
    unknown.near.as_ref().map(|near| format!(" (did you mean {mark}{near}?)")).unwrap_or_default()
}

fn exposed(text: &str) -> Vec<(Rule, String)> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
    let mut found = Vec::new();
    if ports.contains(':') {
        let message =
            format!("EXPOSE instruction should not define an IP address or host-port mapping, found '{text}'");
        found.push((Rule::ExposeInvalidFormat, message));
    }
    if protocol.contains(char::is_uppercase) {
        let message = format!("Defined protocol '{text}' in EXPOSE instruction should be lowercase");
        found.push((Rule::ExposeProtoCasing, message));
    }
    found
}
