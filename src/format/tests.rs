//! What the layout is, and that it changes no meaning.

use std::path::Path;

use proptest::prelude::*;

use crate::dockerfile::{Dockerfile, ItemKind, Layout, LayoutLine, Parsed, generated, parse};
use crate::image::{ImageConfig, Platform, Reference};
use crate::plan::{BaseError, Bases, Found, ImageId, PlanOptions, plan};

use super::format;

/// Has every image, and each has a trigger.
struct All;

impl Bases for All {
    fn context(&self, _: &str, _: &Platform) -> Result<Option<Found>, BaseError> {
        Ok(None)
    }

    fn image(&self, _: &Reference, platform: &Platform) -> Result<Found, BaseError> {
        let mut config = ImageConfig::scratch(platform);
        config.config.on_build = vec!["ARG  A=1".to_owned()];
        Ok(Found::Image(ImageId(0), Box::new(config)))
    }
}

/// What a build makes of a file, places left out: steps with all that is in their keys, history and configs; or why it
/// makes nothing of it.
fn planned(file: &Dockerfile) -> String {
    let platform: Platform = "linux/amd64".parse().unwrap();
    let options = PlanOptions::whole_file(platform);
    let lines: Vec<String> = match plan(file, &options, &All) {
        Ok(mut plan) => {
            let all = plan.stages.iter_mut().flat_map(|stage| {
                let of_stage = (&stage.name, &stage.base, &stage.platform, &stage.config, &stage.author);
                let head = format!("{of_stage:?}");
                let steps = stage.steps.iter_mut().map(|step| {
                    step.op.forget_places();
                    format!("{:?} {:?}", step.created_by, step.op)
                });
                std::iter::once(head).chain(steps)
            });
            all.collect()
        }
        Err(found) => found.errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect(),
    };
    lines.join("\n")
}

/// Directives, instructions and what describes them, places left out.
fn meaning(file: &Dockerfile) -> String {
    let places = regex::Regex::new(r"Span \{ start: \d+, end: \d+ \}").unwrap();
    let lines = file.items.iter().filter_map(|item| match &item.kind {
        ItemKind::Directive { .. } => Some(format!("{:?}", item.kind)),
        ItemKind::Instruction(one) => Some(format!("{} {:?} {:?} {:?}", one.keyword, one.doc, one.flags, one.command)),
        _ => None,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    places.replace_all(&text, "").into_owned()
}

/// All comments.
fn comments(file: &Dockerfile) -> Vec<String> {
    let mut comments = Vec::new();
    for item in &file.items {
        match &item.kind {
            ItemKind::Comment(text) => comments.push(text.trim_end().to_owned()),
            ItemKind::Instruction(_) => {
                let whole = file.text[item.span.start..item.span.end].trim_start_matches('\u{feff}');
                let lines = Layout::read(file.escape, whole).expect("one instruction").lines;
                comments.extend(lines.iter().filter_map(|line| match line {
                    LayoutLine::Comment(text) => Some(text.trim()[1..].to_owned()),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    comments
}

/// Formats `text`, unless it has errors, and compares.
fn keeps_its_meaning(text: &str) -> Result<(), TestCaseError> {
    let Parsed { file, diagnostics } = parse(text.as_bytes());
    if !diagnostics.is_empty() {
        return Ok(());
    }
    let formatted = format(&file);
    let again = parse(formatted.as_bytes());
    prop_assert_eq!(&again.diagnostics, &[], "{:?}\nfrom {:?}", formatted, text);
    prop_assert_eq!(meaning(&again.file), meaning(&file), "{:?}\nfrom {:?}", formatted, text);
    prop_assert_eq!(comments(&again.file), comments(&file), "{:?}\nfrom {:?}", formatted, text);
    prop_assert_eq!(planned(&again.file), planned(&file), "{:?}\nfrom {:?}", formatted, text);
    prop_assert_eq!(format(&again.file), formatted, "twice is not once: {:?}", text);
    Ok(())
}

fn formatted(text: &str) -> String {
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.diagnostics, [], "{text}");
    keeps_its_meaning(text).unwrap();
    format(&parsed.file)
}

#[test]
fn words_are_spaced_by_one_blank_and_those_of_the_language_are_in_upper_case() {
    for (text, want) in [
        ("from   a\tas  b", "FROM a AS b\n"),
        ("  from a  ", "FROM a\n"),
        ("FROM a\ncopy  --link   a  b", "FROM a\nCOPY --link a b\n"),
        ("FROM a\nrun   --network=none  --  a   b ", "FROM a\nRUN --network=none -- a   b\n"),
        ("FROM a\nenv  A=1   B=\"2  3\"", "FROM a\nENV A=1 B=\"2  3\"\n"),
        ("FROM a\nenv  A   1  2", "FROM a\nENV A 1  2\n"),
        ("FROM a\nhealthcheck  --retries=1   cmd  a  b", "FROM a\nHEALTHCHECK --retries=1 CMD a  b\n"),
        ("FROM a\nhealthcheck none", "FROM a\nHEALTHCHECK NONE\n"),
        ("FROM a\ncmd [\"a\",\"b\" ,  \"c\" ]", "FROM a\nCMD [\"a\", \"b\", \"c\"]\n"),
        ("FROM a\nvolume  /a   /b", "FROM a\nVOLUME /a /b\n"),
        ("FROM a\nonbuild   run  a   b", "FROM a\nONBUILD run  a   b\n"),
        ("FROM a\nworkdir   /a  b ", "FROM a\nWORKDIR /a  b\n"),
        ("FROM a\ncmd", "FROM a\nCMD\n"),
    ] {
        assert_eq!(formatted(text), want, "{text:?}");
    }
}

#[test]
fn continued_lines_are_indented_where_that_means_nothing() {
    for (text, want) in [
        ("FROM a\nCOPY a \\\n\tb\\\n c\\\n\n /d/", "FROM a\nCOPY a \\\n    b \\\n    c \\\n    /d/\n"),
        ("FROM a\nENV A=1 \\  \n# b\nB=\"x\\\n  y\"", "FROM a\nENV A=1 \\\n    # b\n    B=\"x\\\n  y\"\n"),
        ("FROM a\nENV A=1 \\\n \\\n \\\n  #\nB=2", "FROM a\nENV A=1 \\\n    \\\n    #\n    B=2\n"),
        (
            "FROM a\nRUN --network=none\\\n a && \\\n\n  # c  \n\t b  ",
            "FROM a\nRUN --network=none \\\n a && \\\n  # c\n\t b\n",
        ),
        ("FROM a\nRUN \\\n  # c \n\ta", "FROM a\nRUN \\\n    # c\n    a\n"),
        ("FROM a\nCMD [\"a\" \\\n,\"b\"\\\n]", "FROM a\nCMD [\"a\", \\\n    \"b\" \\\n    ]\n"),
        ("FR\\\nOM a \\\nas b", "FR\\\nOM a \\\n    AS b\n"),
        ("FROM a\nRUN b \\\n  # last\n\n", "FROM a\nRUN b\n# last\n"),
        ("FROM a\nRUN b \\", "FROM a\nRUN b\n"),
        ("\\\nFROM  a", "\\\nFROM  a\n"),
        ("# escape=`\nFROM a\nCOPY a\\ `\n b\\ c:\\ ", "# escape=`\nFROM a\nCOPY a\\ `\n    b\\ c:\\\n"),
    ] {
        assert_eq!(formatted(text), want, "{text:?}");
    }
}

#[test]
fn lines_between_instructions() {
    for (text, want) in [
        ("\n\n#x\n\n\n\nFROM a\n\n", "#x\n\nFROM a\n"),
        ("#  syntax = a b\n #escape=\\\nFROM a", "# syntax=a b\n #escape=\\\nFROM a\n"),
        ("\n\n# escape=`\nFROM a", "\n# escape=`\nFROM a\n"),
        ("\u{feff}# ESCAPE=`\nFROM a", "# escape=`\nFROM a\n"),
        ("  # x  \nFROM a", "  # x\nFROM a\n"),
        ("FROM a\r\nRUN <<E\r\nb \n\r\nE\r\n\r\n\n\ncmd c", "FROM a\r\nRUN <<E\r\nb \n\r\nE\r\n\r\nCMD c\r\n"),
        ("FROM a\nRUN b\r\n", "FROM a\nRUN b\n"),
        ("FROM a\nCOPY   <<-A <<B\t/c/\n x \n\tA\n#\nB", "FROM a\nCOPY <<-A <<B /c/\n x \n\tA\n#\nB\n"),
    ] {
        assert_eq!(formatted(text), want, "{text:?}");
    }
}

#[test]
fn what_a_change_would_break_is_kept() {
    let long = format!("FROM a\nCOPY {} /\n", "a ".repeat(32_000));
    for (text, want) in [
        // Without the blank the escape character would join the next line.
        ("FROM a\nUSER a\\\u{a0}\nRUN b", "FROM a\nUSER a\\\u{a0}\nRUN b\n"),
        (long.as_str(), long.as_str().trim_end_matches(" /\n").trim_end()),
    ] {
        let got = formatted(text);
        assert!(got.starts_with(want), "{got:.80}");
    }
    let array = format!("FROM a\nCOPY [{}\"/\"]\n", "\"a\",".repeat(16_000));
    assert_eq!(formatted(&array), array, "with blanks the line would be too long");
}

#[test]
fn every_dockerfile_of_the_corpus_keeps_its_meaning() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dockerfiles");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
            keeps_its_meaning(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            count += 1;
        }
    }
    assert!(count >= 32, "{count}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_the_grammar_makes_keeps_its_meaning(seed in any::<u64>()) {
        keeps_its_meaning(&format!("{}\nFROM a\nRUN b", generated(seed)))?;
        keeps_its_meaning(&generated(seed))?;
    }

    #[test]
    fn lines_of_any_instruction_keep_their_meaning(
        word in 0_usize..18,
        rest in "([ -~]|[ \t\\\\\u{a0}\r\"'#\\[\\],<=]| \\\\\n| \\\\ \r\n|\\\\\n *#[ -~]{0,3}\n|\\\\\n\n|=| \"[a-z ]{0,3}\"|EOF\n|<<EOF){0,24}",
        lower in any::<bool>(),
    ) {
        let keyword = crate::dockerfile::Keyword::ALL[word].as_str();
        let keyword = if lower { keyword.to_lowercase() } else { keyword.to_owned() };
        keeps_its_meaning(&format!("FROM a\n{keyword} {rest}"))?;
        keeps_its_meaning(&format!("# escape=`\nFROM a\n{keyword} {}", rest.replace('\\', "`")))?;
    }
}
