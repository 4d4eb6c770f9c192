//! Findings in SARIF 2.1.0 (OASIS), the form that code-scanning services take.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::build::SourceText;
use crate::dockerfile::{Diagnostic, Edit, Severity};
use crate::lint::Rule;
use crate::lint::hadolint::Numbered;

use super::region::{LineIndex, Region};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// One run over several files. Rules are those that were broken, by name.
pub(super) fn sarif(files: &[(&SourceText, Vec<&Diagnostic>)]) -> Value {
    let mut rules: BTreeMap<&str, (usize, Value)> = BTreeMap::new();
    for found in files.iter().flat_map(|(_, found)| found) {
        rules.entry(&*found.code).or_insert_with(|| (0, rule(found)));
    }
    for (index, (at, _)) in rules.values_mut().enumerate() {
        *at = index;
    }
    let mut results = Vec::new();
    for (source, found) in files {
        let index = LineIndex::of(&source.text);
        for found in found {
            let at = rules.get(&*found.code).map(|(at, _)| *at);
            results.push(result(source, found, at, &index));
        }
    }
    let rules: Vec<Value> = rules.into_values().map(|(_, rule)| rule).collect();
    let driver = json!({ "name": "kiln", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver },
            "columnKind": "unicodeCodePoints",
            "artifacts": files.iter().map(|(source, _)| json!({ "location": { "uri": uri(&source.name) } })).collect::<Vec<_>>(),
            "results": results,
        }],
    })
}

fn rule(found: &Diagnostic) -> Value {
    let (check, numbered) = (Rule::of_code(&found.code), Numbered::of_code(&found.code));
    let (description, url): (Cow<'_, str>, Option<String>) = match (check, numbered) {
        (Some(rule), _) => (rule.description().into(), Some(rule.url())),
        (_, Some(rule)) => (rule.description.into(), Some(rule.url())),
        _ if found.code.starts_with("SC") => {
            ("a rule of shellcheck".into(), Some(format!("https://www.shellcheck.net/wiki/{}", found.code)))
        }
        _ => ("the Dockerfile cannot be built".into(), None),
    };
    let mut rule = json!({
        "id": found.code,
        "shortDescription": { "text": description },
        "defaultConfiguration": { "level": level(found.severity) },
    });
    if let Some(url) = url {
        rule["helpUri"] = url.into();
    }
    rule
}

fn result(source: &SourceText, found: &Diagnostic, rule: Option<usize>, index: &LineIndex<'_>) -> Value {
    let artifact = json!({ "uri": uri(&source.name) });
    let mut place = json!({ "artifactLocation": artifact });
    if let Some(at) = index.of_finding(found) {
        place["region"] = region(at);
    }
    let mut result = json!({
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": level(found.severity),
        "message": { "text": message(found) },
        "locations": [{ "physicalLocation": place }],
    });
    if let Some(fix) = &found.fix {
        let replacement = |edit: &Edit| json!({ "deletedRegion": region(index.region(edit.span)), "insertedContent": { "text": edit.text } });
        let replacements: Vec<Value> = fix.edits.iter().map(replacement).collect();
        result["fixes"] =
            json!([{ "artifactChanges": [{ "artifactLocation": artifact, "replacements": replacements }] }]);
    }
    result
}

/// All that is to say, since a viewer shows nothing else.
fn message(found: &Diagnostic) -> String {
    let more = found.label.iter().chain(&found.notes).chain(&found.help);
    more.fold(found.message.clone(), |text, more| format!("{text}\n{more}"))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info | Severity::Style => "note",
    }
}

fn region(at: Region) -> Value {
    json!({ "startLine": at.line, "startColumn": at.column, "endLine": at.end_line, "endColumn": at.end_column })
}

/// A path as the reference of RFC 3986 that it is.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _infallible = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{Fix, Lines, Span};

    #[test]
    fn sarif_has_rules_regions_and_fixes() {
        let source = SourceText { name: "a b/Dockerfile".into(), text: "FROM a\nmaintainer \u{e4}\n".into() };
        let span = Span::new(7, 17);
        let lines = Lines { first: 2, last: 2 };
        let found = Diagnostic::warning("ConsistentInstructionCasing", span, lines, "wrong case")
            .help("write it in capitals")
            .fix(Some(Fix::replace(span, "MAINTAINER")));
        let nowhere = Diagnostic::nowhere("D-15", "no stage");
        let note = Diagnostic { severity: Severity::Style, ..Diagnostic::warning("DL3048", span, lines, "label") };
        let log = sarif(&[(&source, vec![&note, &found, &nowhere])]);
        let run = &log["runs"][0];
        let rules: Vec<_> = run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
        assert_eq!(rules, ["ConsistentInstructionCasing", "D-15", "DL3048"]);
        assert_eq!(
            run["results"][1],
            json!({
                "ruleId": "ConsistentInstructionCasing",
                "ruleIndex": 0,
                "level": "warning",
                "message": { "text": "wrong case\nwrite it in capitals" },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": "a%20b/Dockerfile" },
                    "region": { "startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 11 },
                } }],
                "fixes": [{ "artifactChanges": [{
                    "artifactLocation": { "uri": "a%20b/Dockerfile" },
                    "replacements": [{
                        "deletedRegion": { "startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 11 },
                        "insertedContent": { "text": "MAINTAINER" },
                    }],
                }] }],
            })
        );
        assert_eq!((&run["results"][0]["level"], &run["results"][2]["level"]), (&json!("note"), &json!("error")));
        assert!(run["results"][2]["locations"][0]["physicalLocation"].get("region").is_none());
    }
}
