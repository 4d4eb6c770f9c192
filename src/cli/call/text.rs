//! Answers for people.

use crate::build::{Checked, Needed, Outline, SourceText, Targets};
use crate::dockerfile::{Diagnostic, Lines};
use crate::lint::Rule;

use super::super::table::{printable, table};

/// Lines of the Dockerfile shown before an instruction and after it.
const AROUND: usize = 2;

/// Lines of one instruction shown.
const MOST: usize = 20;

/// CALL-2, LINT-8. Errors are told apart.
pub(super) fn checked(checked: &Checked) -> String {
    let mut text = match checked.warnings.len() {
        0 if !checked.errors.is_empty() => String::new(),
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    for found in &checked.warnings {
        text.push('\n');
        text.push_str(&warning(&checked.source, found));
    }
    text
}

fn warning(source: &SourceText, found: &Diagnostic) -> String {
    let page = Rule::of_code(&found.code).map(|rule| format!(" - {}", rule.url())).unwrap_or_default();
    let excerpt = found.lines.map(|lines| excerpt(source, lines)).unwrap_or_default();
    printable(&format!("WARNING: {}{page}\n{}\n{excerpt}", found.code, found.message))
}

/// The lines of an instruction, marked, with some around them.
fn excerpt(source: &SourceText, lines: Lines) -> String {
    const RULE: &str = "--------------------\n";
    let mut text = format!("{}:{}\n{RULE}", source.name, lines.first);
    let last = lines.last.min(lines.first + MOST);
    let shown = lines.first.saturating_sub(AROUND).max(1)..=last + AROUND;
    for (number, line) in (1..).zip(source.text.lines()).filter(|(number, _)| shown.contains(number)) {
        let mark = if (lines.first..=lines.last).contains(&number) { ">>>" } else { "   " };
        let line = format!("{number:4} | {mark} {line}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + RULE
}

/// CALL-3.
pub(super) fn outline(outline: &Outline) -> String {
    let mut head = Vec::new();
    if let Some(name) = &outline.name {
        head.push(vec!["TARGET:".to_owned(), name.clone()]);
    }
    if let Some(description) = &outline.description {
        head.push(vec!["DESCRIPTION:".to_owned(), description.clone()]);
    }
    let arguments = outline.arguments.iter().map(|argument| {
        [Some(&argument.name), argument.value.as_ref(), argument.description.as_ref()]
            .map(|cell| cell.cloned().unwrap_or_default())
            .to_vec()
    });
    let needed = |all: &[Needed]| {
        all.iter()
            .map(|needed| vec![needed.id.clone(), if needed.required { "true".into() } else { String::new() }])
            .collect()
    };
    let parts = [
        table(&[], head),
        table(&["BUILD ARG", "VALUE", "DESCRIPTION"], arguments.collect()),
        table(&["SECRET", "REQUIRED"], needed(&outline.secrets)),
        table(&["SSH", "REQUIRED"], needed(&outline.agents)),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// CALL-4. A stage without a name cannot be asked for, except the default.
pub(super) fn targets(targets: &Targets) -> String {
    let rows = targets.targets.iter().filter_map(|target| {
        let name = match (&target.name, target.is_default) {
            (Some(name), true) => format!("{name} (default)"),
            (None, true) => "(default)".to_owned(),
            (Some(name), false) => name.clone(),
            (None, false) => return None,
        };
        Some(vec![name, target.description.clone().unwrap_or_default()])
    });
    table(&["TARGET", "DESCRIPTION"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Argument, Target};

    #[test]
    fn call_2_warnings_with_their_lines() {
        let text = "FROM a\nENV A=1\nENV B=1\nRUN x \\\n  y\nCMD x\n".to_owned();
        let source = SourceText { name: "Dockerfile".into(), text };
        let lines = Lines { first: 4, last: 5 };
        let found =
            Diagnostic::warning("UndefinedVar", crate::dockerfile::Span::default(), lines, "it is\x1b not there");
        let mut result = Checked { source, warnings: vec![found], errors: Vec::new() };
        insta::assert_snapshot!(checked(&result), @r"
        Check complete, 1 warning has been found!

        WARNING: UndefinedVar - https://docs.docker.com/go/dockerfile/rule/undefined-var/
        it is not there
        Dockerfile:4
        --------------------
           2 |     ENV A=1
           3 |     ENV B=1
           4 | >>> RUN x \
           5 | >>>   y
           6 |     CMD x
        --------------------
        ");
        result.warnings.clear();
        assert_eq!(checked(&result), "Check complete, no warnings found.\n");
    }

    #[test]
    fn call_3_tables() {
        let lines = Lines::default();
        let argument = |name: &str, value: Option<&str>, description: Option<&str>| Argument {
            name: name.into(),
            value: value.map(str::to_owned),
            description: description.map(str::to_owned),
            lines,
        };
        let result = Outline {
            source: SourceText::default(),
            name: Some("app".into()),
            description: None,
            arguments: vec![argument("VERSION", Some("1.2"), Some("of the app")), argument("X", None, None)],
            secrets: vec![Needed { id: "token".into(), required: true, lines }],
            agents: Vec::new(),
            caches: Vec::new(),
        };
        insta::assert_snapshot!(outline(&result), @r"
        TARGET:   app

        BUILD ARG   VALUE   DESCRIPTION
        VERSION     1.2     of the app
        X

        SECRET   REQUIRED
        token    true
        ");
    }

    #[test]
    fn call_4_table() {
        let target = |name: Option<&str>, is_default| Target {
            name: name.map(str::to_owned),
            is_default,
            description: name.map(|name| format!("makes {name}")),
            base: "a".into(),
            platform: None,
            lines: Lines::default(),
        };
        let list = vec![target(Some("build"), false), target(None, false), target(None, true)];
        insta::assert_snapshot!(targets(&Targets { source: SourceText::default(), targets: list }), @r"
        TARGET      DESCRIPTION
        build       makes build
        (default)
        ");
    }
}
