//! Labels: their keys, and what the command line asks of their values.

use std::str::FromStr;

use crate::dockerfile::{Command, Pair};

use super::bare;
use super::options::LabelKind;
use super::report::Report;
use super::view::{Step, View};

/// Names that are kept for one maker.
const RESERVED: [&str; 3] = ["com.docker.", "io.docker.", "org.dockerproject."];

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    for step in view.stages.iter().flat_map(|stage| &stage.steps) {
        let Command::Label(pairs) = step.command() else { continue };
        for pair in pairs {
            label(step, pair, report);
        }
    }
    missing(view, report);
}

fn label(step: &Step<'_>, pair: &Pair, report: &mut Report<'_>) {
    let key = bare(&pair.name.text);
    if key.contains('$') {
        return;
    }
    if !is_valid_key(key) {
        report.at("DL3048", step, pair.name.span, format!("`{key}`"));
    }
    let Some(kind) = report.options.labels.get(key).copied() else {
        if report.options.strict_labels {
            report.at("DL3050", step, pair.name.span, format!("`{key}`"));
        }
        return;
    };
    let value = bare(&pair.value.text);
    let code = match kind {
        _ if value.is_empty() => "DL3051",
        // A variable may hold what is wanted.
        _ if value.contains('$') => return,
        LabelKind::Url if !is_url(value) => "DL3052",
        LabelKind::Rfc3339 if !is_time(value) => "DL3053",
        LabelKind::Spdx if spdx::Expression::parse(value).is_err() => "DL3054",
        LabelKind::Hash if !is_hash(value) => "DL3055",
        LabelKind::SemanticVersion if semver::Version::from_str(value).is_err() => "DL3056",
        LabelKind::Email if !is_email(value) => "DL3058",
        _ => return,
    };
    let span = if value.is_empty() { pair.name.span } else { pair.value.span };
    report.at(code, step, span, format!("`{key}`"));
}

fn missing(view: &View<'_>, report: &mut Report<'_>) {
    let stages = view.final_stages();
    let Some(last) = stages.first() else { return };
    let has = |key: &str| {
        stages.iter().flat_map(|stage| stage.own()).any(|at| match &at.command {
            Command::Label(pairs) => pairs.iter().any(|pair| bare(&pair.name.text) == key),
            _ => false,
        })
    };
    for key in report.options.labels.keys().filter(|key| !has(key)) {
        report.add("DL3049", last.from, last.from.span, format!("`{key}`"));
    }
}

/// Lower-case letters, digits, `.` and `-`; letters and digits at both ends, and no two marks in a row.
fn is_valid_key(key: &str) -> bool {
    let is_mark = |byte: u8| matches!(byte, b'.' | b'-');
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = key.as_bytes();
    let ends = bytes.first().is_some_and(u8::is_ascii_lowercase) && bytes.last().is_some_and(|byte| is_plain(*byte));
    ends && bytes.iter().all(|byte| is_plain(*byte) || is_mark(*byte))
        && !bytes.windows(2).any(|pair| is_mark(pair[0]) && is_mark(pair[1]))
        && !RESERVED.iter().any(|start| key.starts_with(start))
}

fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme && !rest.is_empty() && !rest.starts_with('/') && !text.contains(char::is_whitespace)
}

fn is_time(text: &str) -> bool {
    // The parser takes a space for the T, too.
    matches!(text.as_bytes().get(10), Some(b'T' | b't')) && jiff::Timestamp::from_str(text).is_ok()
}

/// SHA-1 or SHA-256, or the first seven digits or more of one.
fn is_hash(text: &str) -> bool {
    ((7..=40).contains(&text.len()) || text.len() == 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let is_part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "@<>(),;".contains(c));
    is_part(user) && is_part(host) && host.contains('.') && !host.starts_with('.') && !host.ends_with('.')
}
