//! Holds the grammar file and the parser to each other: the names, and what texts made from the grammar are read as.

mod notation;
mod walker;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::parse;
use notation::{Notation, Pattern};
use walker::Walker;

const GRAMMAR: &str = include_str!("../../../grammar/dockerfile.ebnf");

/// A Dockerfile without errors of syntax, or nearly: the same for the same seed.
pub(crate) fn generated(seed: u64) -> String {
    Walker::file(&Notation::grammar(GRAMMAR), seed)
}

/// The functions that are productions: those whose first doc line begins with a name in backticks.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in sources() {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let mut doc: Option<&str> = None;
        let mut lines = code.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(comment) = line.strip_prefix("///") {
                doc = doc.or(Some(comment.trim_start()));
                continue;
            }
            let claim = doc.take().and_then(|doc| doc.strip_prefix('`')?.split('`').next());
            let Some(function) = line.trim_start_matches("pub(super) ").strip_prefix("fn ") else { continue };
            let name = function.split(['(', '<']).next().unwrap_or_default().replace('_', "-");
            let mut signature = line.to_owned();
            while !signature.ends_with('{') {
                signature.push_str(lines.next().unwrap_or("{"));
            }
            let production = signature.contains("input: &") && signature.contains("-> Read<");
            assert!(!production || claim.is_some(), "{name} reads input, and its comment does not name a production");
            if let Some(claim) = claim.filter(|_| production || name == "instruction") {
                assert_eq!(claim, name, "the comment names another production than {name}");
                names.insert(name);
            }
        }
    }
    names
}

fn sources() -> Vec<String> {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dockerfile");
    let folders = [room.clone(), room.join("instructions")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn names_used(pattern: &Pattern, into: &mut BTreeSet<String>) {
    match pattern {
        Pattern::Production(name) => {
            into.insert(name.clone());
        }
        Pattern::All(all) | Pattern::One(all) => all.iter().for_each(|pattern| names_used(pattern, into)),
        Pattern::Maybe(inner) | Pattern::Many(inner) => names_used(inner, into),
        Pattern::Terminal(_) | Pattern::Words(_) => {}
    }
}

#[test]
fn each_production_has_a_function_and_each_function_a_production() {
    let productions: BTreeSet<String> = Notation::grammar(GRAMMAR).into_keys().collect();
    let functions = functions();
    let missing: Vec<_> = productions.difference(&functions).collect();
    assert!(missing.is_empty(), "productions without a function: {missing:?}");
    let unknown: Vec<_> = functions.difference(&productions).collect();
    assert!(unknown.is_empty(), "functions without a production: {unknown:?}");
}

#[test]
fn each_name_that_the_grammar_uses_is_defined() {
    let grammar = Notation::grammar(GRAMMAR);
    let mut used = BTreeSet::new();
    for pattern in grammar.values() {
        names_used(pattern, &mut used);
    }
    let undefined: Vec<_> = used.iter().filter(|name| !grammar.contains_key(*name)).collect();
    assert!(undefined.is_empty(), "{undefined:?}");
}

#[test]
fn each_context_is_a_production() {
    let grammar = Notation::grammar(GRAMMAR);
    for text in sources() {
        for (_, after) in text.match_indices("context(\"").map(|(at, found)| text.split_at(at + found.len())) {
            let name = after.split('"').next().unwrap_or_default();
            assert!(name.is_empty() || name.starts_with(')') || grammar.contains_key(name), "{name}");
        }
    }
}

/// Findings about the order of lines and about empty values, which are no matters of syntax.
const NO_SYNTAX: [&str; 5] = ["D-2", "D-4", "D-14", "D-15", "D-70"];

fn covers(text: &str) -> Result<(), TestCaseError> {
    let parsed = parse(text.as_bytes());
    prop_assert_eq!(parsed.file.print(), text);
    let mut end = 0;
    for item in &parsed.file.items {
        prop_assert_eq!(item.span.start, end);
        end = item.span.end;
    }
    prop_assert_eq!(end, text.len());
    for span in parsed.diagnostics.iter().filter_map(|finding| finding.span) {
        prop_assert!(text.get(span.start..span.end).is_some(), "{:?} is no part of the text", span);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_the_grammar_makes_is_read_without_errors(seed in any::<u64>()) {
        let grammar = Notation::grammar(GRAMMAR);
        let text = Walker::file(&grammar, seed);
        let parsed = parse(text.as_bytes());
        let wrong: Vec<_> = parsed.diagnostics.iter().filter(|found| !NO_SYNTAX.contains(&&*found.code)).collect();
        prop_assert!(wrong.is_empty() || text.is_empty(), "{wrong:#?}\nin {text:?}");
        covers(&text)?;
    }

    #[test]
    fn any_text_is_printed_as_it_was(text in "(FROM a\n)?([ -~\n\r\t\\\\]|RUN |COPY |ENV |<<A|\nA\n|\\\\\n|\u{feff}|# escape=`\n){0,60}") {
        covers(&text)?;
    }

    #[test]
    fn any_instruction_is_printed_as_it_was(word in 0_usize..18, rest in "[ -~\\\\\n\u{e9}\u{a0}<'\"\\[$]{0,40}") {
        let keyword = super::Keyword::ALL[word];
        covers(&format!("FROM a\n{keyword} {rest}"))?;
        covers(&format!("# escape=`\nFROM a\nONBUILD {keyword} {rest}"))?;
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        covers(&String::from_utf8_lossy(&bytes))?;
        parse(&bytes);
    }
}
