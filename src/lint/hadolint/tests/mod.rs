//! Each rule firing and not firing: rows of rule, text, and the lines at which it fires.

mod commands;
mod packages;
mod rest;
mod settings;

use std::collections::BTreeMap;

use super::*;
use crate::dockerfile::{Severity, parse};

type Row<'a> = (&'a str, &'a str, &'a [usize]);

/// The lines at which `code` fires. A text that does not begin with FROM, ARG or a comment has `FROM a:1` before it.
fn lines(code: &str, text: &str, options: &HadolintOptions) -> Vec<usize> {
    let is_whole = ["FROM", "ARG", "#"].iter().any(|start| text.starts_with(start));
    let text = if is_whole { text.to_owned() } else { format!("FROM a:1\n{text}") };
    let mut parsed = parse(format!("{text}\n").as_bytes());
    options.number_errors(&mut parsed.diagnostics);
    let found = if parsed.diagnostics.is_empty() { hadolint(&parsed.file, options, &[]) } else { parsed.diagnostics };
    for one in &found {
        let span = one.span.unwrap();
        assert!(parsed.file.text.get(span.start..span.end).is_some_and(|text| !text.is_empty()), "{one:?}");
    }
    found.iter().filter(|one| one.code == code).map(|one| one.lines.unwrap().first).collect()
}

fn check_with(options: &HadolintOptions, rows: &[Row<'_>]) {
    let mut seen: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    for (code, text, want) in rows {
        assert!(Numbered::of_code(code).is_some(), "{code}");
        assert_eq!(lines(code, text, options), *want, "{code} in {text:?}");
        let (fires, silent) = seen.entry(code).or_default();
        *fires |= !want.is_empty();
        *silent |= want.is_empty();
    }
    for (code, seen) in seen {
        assert_eq!(seen, (true, true), "{code} must fire in one row and not fire in another");
    }
}

fn check(rows: &[Row<'_>]) {
    check_with(&HadolintOptions::default(), rows);
}

#[test]
fn hadolint_every_rule_has_rows() {
    let sources = [
        include_str!("commands.rs"),
        include_str!("packages.rs"),
        include_str!("rest.rs"),
        include_str!("settings.rs"),
    ];
    for rule in &CATALOGUE {
        let named = format!("fn {}_", rule.code.to_lowercase());
        assert!(sources.iter().any(|source| source.contains(&named)), "{} has no test", rule.code);
    }
}

#[test]
fn hadolint_pragmas_options_and_levels_decide() {
    let text = "# hadolint ignore=DL3006\nFROM a\nUSER root\nFROM b\nRUN cd /x\n";
    let file = parse(text.as_bytes()).file;
    let codes = |options: &HadolintOptions| -> Vec<String> {
        let found = hadolint(&file, options, &[]);
        found.iter().map(|one| format!("{} {} {}", one.lines.unwrap().first, one.code, one.severity.as_str())).collect()
    };
    let mut options = HadolintOptions::default();
    assert_eq!(codes(&options), ["4 DL3006 warning", "5 DL3003 warning"]);
    options.ignore.insert("DL3003".to_owned());
    options.levels.insert("DL3006".to_owned(), Severity::Error);
    options.levels.insert("DL1001".to_owned(), Severity::Style);
    assert_eq!(codes(&options), ["1 DL1001 style", "4 DL3006 error"]);
}

#[test]
fn hadolint_findings_point_at_the_word() {
    for (text, code, want) in [
        ("FROM a:1\nRUN true && \\\n  # note\n  apt-get install -y \\\n   one=1 two\n", "DL3008", "two"),
        ("FROM a:1\nRUN <<E\nset -e\ncd /x\nE\n", "DL3003", "cd"),
        ("FROM a:1\nRUN cat <<E >x\ny\nE\nRUN sudo x\n", "DL3004", "sudo"),
        ("FROM a:1\nONBUILD RUN sudo x\n", "DL3004", "ONBUILD RUN sudo x"),
        ("FROM a:1\nRUN [\"sudo\", \"x\"]\n", "DL3004", "RUN [\"sudo\", \"x\"]"),
        ("FROM a:1\nLABEL Big=1\n", "DL3048", "Big"),
    ] {
        let file = parse(text.as_bytes()).file;
        let found = hadolint(&file, &HadolintOptions::default(), &[]);
        let one = found.iter().find(|one| one.code == code).unwrap();
        let span = one.span.unwrap();
        assert_eq!(&file.text[span.start..span.end], want, "{text}");
    }
}

#[test]
fn hadolint_remarks_of_a_shell_linter_are_told_at_their_place() {
    let file = parse(b"FROM a:1\nENV v=1\nRUN [\"x\"]\nRUN echo \\\n  $x\nSHELL [\"cmd\"]\nRUN dir\n").file;
    let snippet = Snippet { text: "echo   $x".to_owned(), shell: "sh".to_owned(), variables: ["v".to_owned()].into() };
    assert_eq!(snippets(&file), [snippet]);
    let remark =
        Remark { snippet: 0, code: "SC2086".into(), level: Severity::Info, start: 7, end: 9, message: "m".into() };
    let found = hadolint(&file, &HadolintOptions::default(), &[remark]);
    let one = found.iter().find(|one| one.code == "SC2086").unwrap();
    let span = one.span.unwrap();
    assert_eq!((&file.text[span.start..span.end], one.severity), ("$x", Severity::Info));
}

#[test]
fn hadolint_time_grows_with_the_file() {
    let began = std::time::Instant::now();
    for (head, line) in [
        ("FROM a:1 AS b\n", "FROM b AS b\nUSER x\nCOPY --from=b x y\n"),
        ("FROM a:1\n", "COPY a.tar b.tar /\nRUN tar xf z\n"),
        ("FROM a:1\n", "# hadolint ignore=DL3003\nRUN cd x\n"),
        ("FROM a:1\nRUN true", " && \\\n  pip install x && python -m pip install y"),
        ("FROM a:1\nENV x=1", " \\\n a=$b"),
    ] {
        let file = parse(format!("{head}{}", line.repeat(8000)).as_bytes()).file;
        hadolint(&file, &HadolintOptions::default(), &[]);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
