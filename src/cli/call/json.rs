//! Answers for machines, with the members that tools of the reference builder read.

use serde_json::{Value, json};

use crate::build::{Checked, Needed, Outline, SourceText, Targets};
use crate::dockerfile::{Diagnostic, Lines};
use crate::lint::Rule;

/// CALL-2.
pub(super) fn checked(checked: &Checked) -> Value {
    let warnings: Vec<Value> = checked.warnings.iter().map(warning).collect();
    let mut object = json!({ "warnings": warnings, "sources": sources(&checked.source) });
    if let Some(error) = checked.errors.first() {
        object["buildError"] = json!({ "message": error.message, "location": location(error.lines) });
    }
    object
}

fn warning(found: &Diagnostic) -> Value {
    let rule = Rule::of_code(&found.code);
    json!({
        "ruleName": found.code,
        "description": rule.map(Rule::description),
        "url": rule.map(Rule::url),
        "detail": found.message,
        "location": location(found.lines),
    })
}

/// CALL-3.
pub(super) fn outline(outline: &Outline) -> Value {
    let arguments: Vec<Value> = outline
        .arguments
        .iter()
        .map(|argument| {
            json!({
                "name": argument.name,
                "value": argument.value,
                "description": argument.description,
                "location": location(Some(argument.lines)),
            })
        })
        .collect();
    let caches: Vec<Value> =
        outline.caches.iter().map(|cache| json!({ "id": cache.id, "location": location(Some(cache.lines)) })).collect();
    json!({
        "name": outline.name,
        "description": outline.description,
        "args": arguments,
        "secrets": needed(&outline.secrets),
        "ssh": needed(&outline.agents),
        "cache": caches,
        "sources": sources(&outline.source),
    })
}

fn needed(all: &[Needed]) -> Vec<Value> {
    let object = |needed: &Needed| json!({ "name": needed.id, "required": needed.required, "location": location(Some(needed.lines)) });
    all.iter().map(object).collect()
}

/// CALL-4.
pub(super) fn targets(targets: &Targets) -> Value {
    let list: Vec<Value> = targets
        .targets
        .iter()
        .map(|target| {
            json!({
                "name": target.name,
                "default": target.is_default,
                "description": target.description,
                "base": target.base,
                "platform": target.platform,
                "location": location(Some(target.lines)),
            })
        })
        .collect();
    json!({ "targets": list, "sources": sources(&targets.source) })
}

fn location(lines: Option<Lines>) -> Value {
    let range = |lines: Lines| json!({ "start": { "line": lines.first }, "end": { "line": lines.last } });
    json!({ "ranges": lines.map(range).into_iter().collect::<Vec<_>>() })
}

fn sources(source: &SourceText) -> Value {
    json!([{ "filename": source.name, "language": "Dockerfile", "data": base64(source.text.as_bytes()) }])
}

/// The form in which the reference builder's JSON has bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = chunk.iter().chain([&0; 2]).take(3).fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        for place in 0..4 {
            let letter = char::from(ALPHABET[three >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_2_sources_are_base64() {
        for (bytes, want) in [("", ""), ("M", "TQ=="), ("Ma", "TWE="), ("Man", "TWFu"), ("FROM a\n", "RlJPTSBhCg==")] {
            assert_eq!(base64(bytes.as_bytes()), want, "{bytes}");
        }
    }

    #[test]
    fn call_2_members() {
        let lines = Lines { first: 2, last: 3 };
        let found =
            Diagnostic::warning("MaintainerDeprecated", crate::dockerfile::Span::default(), lines, "use a label");
        let warnings = vec![found];
        let errors = vec![Diagnostic::nowhere("D-28", "no such target")];
        let object = checked(&Checked { source: SourceText::default(), warnings, errors });
        assert_eq!(object["warnings"][0]["location"]["ranges"][0]["end"]["line"], 3);
        assert!(object["warnings"][0]["url"].as_str().unwrap().ends_with("/maintainer-deprecated/"));
        assert_eq!(object["buildError"], json!({ "message": "no such target", "location": { "ranges": [] } }));
    }
}
