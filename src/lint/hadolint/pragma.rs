//! `# hadolint ignore=…` above an instruction, `# hadolint global ignore=…` at the top of the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Dockerfile, ItemKind, Span};

/// What comments switch off.
#[derive(Debug, Default)]
pub(super) struct Pragmas<'a> {
    global: BTreeSet<&'a str>,
    /// By the first byte of the instruction.
    at: BTreeMap<usize, BTreeSet<&'a str>>,
    /// The comments that are not global, and the instruction below each.
    pub(super) inline: Vec<(Span, usize)>,
}

impl<'a> Pragmas<'a> {
    pub(super) fn of(file: &'a Dockerfile) -> Self {
        let mut pragmas = Self::default();
        let mut waiting: Vec<(Span, BTreeSet<&str>)> = Vec::new();
        let mut at_top = true;
        for item in &file.items {
            match &item.kind {
                ItemKind::Comment(text) => match Pragma::read(text) {
                    Some(Pragma::Global(rules)) if at_top => pragmas.global.extend(rules),
                    Some(Pragma::Inline(rules)) => waiting.push((item.span, rules)),
                    _ => {}
                },
                ItemKind::Instruction(instruction) => {
                    at_top = false;
                    let start = instruction.span.start;
                    for (span, rules) in waiting.drain(..) {
                        pragmas.inline.push((span, start));
                        pragmas.at.entry(start).or_default().extend(rules);
                    }
                }
                ItemKind::Blank | ItemKind::Invalid | ItemKind::Directive { .. } => waiting.clear(),
            }
        }
        pragmas
    }

    /// Whether `code` is off at the instruction that begins at `start`.
    pub(super) fn ignore(&self, code: &str, start: usize) -> bool {
        self.global.contains(code) || self.at.get(&start).is_some_and(|rules| rules.contains(code))
    }
}

enum Pragma<'a> {
    Global(BTreeSet<&'a str>),
    Inline(BTreeSet<&'a str>),
}

impl<'a> Pragma<'a> {
    /// Reads a comment, given without its `#`.
    fn read(comment: &'a str) -> Option<Self> {
        let rest = comment.trim_start().strip_prefix("hadolint")?;
        let words = rest.trim_start();
        if words.len() == rest.len() {
            return None;
        }
        let (is_global, rest) = match words.strip_prefix("global") {
            Some(rest) if rest.starts_with(char::is_whitespace) => (true, rest.trim_start()),
            _ => (false, words),
        };
        let list = rest.strip_prefix("ignore")?.trim_start().strip_prefix('=')?;
        let mut rules = BTreeSet::new();
        for item in list.split(',') {
            let item = item.trim_start();
            let end = item.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(item.len());
            rules.insert(&item[..end]);
            // Words behind the list explain it.
            if !item[end..].trim().is_empty() {
                break;
            }
        }
        Some(if is_global { Self::Global(rules) } else { Self::Inline(rules) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    #[test]
    fn hadolint_pragmas() {
        for (text, code, want) in [
            ("# hadolint ignore=DL3006\nFROM a\n", "DL3006", true),
            ("#hadolint   ignore = DL3007 , DL3006, SC1035\nFROM a\n", "SC1035", true),
            ("# hadolint ignore=DL3006 because\nFROM a\n", "DL3006", true),
            ("# hadolint ignore=DL3006\n# why\nFROM a\n", "DL3006", true),
            ("# hadolint ignore=DL3006\n\nFROM a\n", "DL3006", false),
            ("# hadolint ignore=DL3007\nFROM a\n", "DL3006", false),
            ("# hadolintignore=DL3006\nFROM a\n", "DL3006", false),
            ("# hadolint ignore DL3006\nFROM a\n", "DL3006", false),
            ("# hadolint global ignore=DL3006,DL3007\n\nFROM a\n", "DL3007", true),
            ("# escape=`\n# hadolint global ignore=DL3006\nFROM a\n", "DL3006", true),
        ] {
            let file = parse(text.as_bytes()).file;
            let start = file.instructions().next().unwrap().span.start;
            assert_eq!(Pragmas::of(&file).ignore(code, start), want, "{text}");
        }
        let file = parse(b"FROM a\n# hadolint global ignore=DL3006\nFROM b\n").file;
        assert!(!Pragmas::of(&file).ignore("DL3006", 0));
    }
}
