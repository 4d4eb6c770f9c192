//! Each rule of the language and of contexts has a test: `tests/rules.txt` says which.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::kit::skipped;

/// What shows that a rule holds.
#[derive(Debug)]
enum Proof<'a> {
    /// A function of this name, in the library's tests or in these.
    Test(&'a str),
    /// A case of the shared set, which CI runs on every rung.
    Case(&'a str),
    /// Nothing does, for this reason.
    OutOfScope(&'a str),
}

/// `RULE test:NAME case:NAME …` or `RULE out of scope: REASON`, a line each.
fn table(text: &str) -> BTreeMap<&str, Vec<Proof<'_>>> {
    let mut table = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (rule, rest) = line.split_once(' ').unwrap_or_else(|| panic!("nothing is said of {line}"));
        let proofs = match rest.trim().strip_prefix("out of scope: ") {
            Some(reason) => vec![Proof::OutOfScope(reason)],
            None => rest
                .split_whitespace()
                .map(|word| match word.split_once(':') {
                    Some(("test", name)) => Proof::Test(name),
                    Some(("case", name)) => Proof::Case(name),
                    _ => panic!("{rule}: {word:?} is neither test:NAME nor case:NAME"),
                })
                .collect(),
        };
        assert!(table.insert(rule, proofs).is_none(), "{rule} is there twice");
    }
    table
}

/// The tests of the repository by name, each with its text.
fn tests() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeMap::new();
    for file in ["src", "tests"].iter().flat_map(|dir| walkdir::WalkDir::new(root.join(dir))) {
        let file = file.unwrap();
        if file.path().extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = fs::read_to_string(file.path()).unwrap();
        for text in source.split("#[test]").skip(1) {
            let Some((_, after)) = text.split_once("fn ") else { continue };
            let Some((name, _)) = after.split_once('(') else { continue };
            tests.insert(name.to_owned(), text.to_owned());
        }
    }
    tests
}

/// Whether a test says that it is about `rule`: in its text, or in its name as in `lex_10_to_15_directives`.
fn speaks_of(name: &str, text: &str, rule: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let (family, number) = rule.split_once('-').unwrap();
    let number: u32 = number.parse().unwrap();
    let mut current = "";
    let named = words.iter().enumerate().any(|(at, word)| {
        let Ok(found) = word.parse::<u32>() else {
            if word.eq_ignore_ascii_case(family) || words.get(at + 1).is_some_and(|next| next.parse::<u32>().is_ok()) {
                current = if matches!(*word, "to" | "and") { current } else { word };
            }
            return false;
        };
        let until = (words.get(at + 1) == Some(&"to"))
            .then(|| words[at + 2..].iter().find_map(|word| word.parse().ok()))
            .flatten()
            .unwrap_or(found);
        current.eq_ignore_ascii_case(family) && (found..=until).contains(&number)
    });
    let quoted =
        text.match_indices(rule).any(|(at, _)| !text[at + rule.len()..].starts_with(|c: char| c.is_ascii_digit()));
    named || quoted
}

#[test]
fn what_is_named_exists_and_is_about_the_rule() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("tests/rules.txt")).unwrap();
    let (table, tests) = (table(&text), tests());
    let cases = root.join("../shared/conformance/cases");
    if !cases.exists() {
        skipped(
            "the shared conformance cases are not beside the clone: the cases of tests/rules.txt are not looked at",
        );
    }
    let mut wrong = Vec::new();
    for (rule, proof) in table.iter().flat_map(|(rule, proofs)| proofs.iter().map(move |proof| (rule, proof))) {
        let holds = match proof {
            Proof::Test(name) => tests.get(*name).is_some_and(|text| speaks_of(name, text, rule)),
            Proof::Case(name) => {
                let about = fs::read_to_string(cases.join(name).join("case.json"));
                !cases.exists() || about.is_ok_and(|about| about.contains(rule))
            }
            Proof::OutOfScope(reason) => reason.len() > 20,
        };
        if !holds {
            wrong.push(format!("{rule}: {proof:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_rule_of_the_language_and_of_contexts_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("tests/rules.txt")).unwrap();
    let table = table(&text);
    let mut missing = Vec::new();
    for page in ["dockerfile.md", "context.md"] {
        let Ok(page) = fs::read_to_string(root.join("../shared/spec").join(page)) else {
            return skipped("the rules are not beside the clone: whether all are in tests/rules.txt is not looked at");
        };
        let rules = page.lines().filter_map(|line| line.strip_prefix("- ")?.split_once(' '));
        let is_rule = |word: &str| {
            word.split_once('-').is_some_and(|(family, number)| {
                family.chars().all(|c| c.is_ascii_uppercase()) && number.parse::<u32>().is_ok()
            })
        };
        let rules = rules.map(|(rule, _)| rule.to_owned()).filter(|rule| is_rule(rule));
        missing.extend(rules.filter(|rule| table.get(rule.as_str()).is_none_or(Vec::is_empty)));
    }
    assert_eq!(missing, [""; 0]);
}

#[test]
fn names_of_tests_are_understood() {
    for (name, rule, spoken) in [
        ("lex_10_to_15_directives", "LEX-12", true),
        ("lex_10_to_15_directives", "LEX-16", false),
        ("lex_1_and_3_only_lf", "LEX-3", true),
        ("lex_1_and_3_only_lf", "LEX-2", false),
        ("from_4_and_19_only", "FROM-19", true),
        ("pos_1_to_pos_14_accepted", "POS-9", true),
        ("exp_22_and_arg_3_both", "ARG-3", true),
        ("exp_22_and_arg_3_both", "ARG-22", false),
    ] {
        assert_eq!(speaks_of(name, "", rule), spoken, "{name} {rule}");
    }
    assert!(speaks_of("any", "(\"ARG-13\", …)", "ARG-13") && !speaks_of("any", "ARG-13", "ARG-1"));
}
