//! What the rules of the language say, one table or test for each group.

use super::findings_tests::findings;
use super::{Command, CommandLine, Copying, Instruction, ItemKind, Keyword, Lines, Source, parse, parse_trigger};

/// The last instruction of `text`, which must have no findings.
fn last(text: &str) -> Instruction {
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.diagnostics, [], "{text:?}");
    parsed.file.instructions().last().cloned().expect("an instruction")
}

fn command(line: &str) -> Command {
    last(&format!("FROM a\n{line}")).command
}

fn shell(line: &str) -> String {
    match command(line) {
        Command::Run { command: CommandLine::Shell(word), .. } | Command::Cmd(CommandLine::Shell(word)) => word.text,
        other => panic!("{line:?} is {other:?}"),
    }
}

fn copying(line: &str) -> Copying {
    match command(line) {
        Command::Copy(copying, _) | Command::Add(copying, _) => copying,
        other => panic!("{line:?} is {other:?}"),
    }
}

#[test]
fn pos_1_to_pos_14_accepted_although_surprising() {
    for line in [
        "CMD",
        "RUN",
        "CMD ['a']",
        "ARG --x=1 A=b",
        "STOPSIGNAL --now SIGINT",
        "HEALTHCHECK --interval=5s NONE",
        "RUN x \\",
        "RUN x \\\n\n# c\n y",
        "EXPOSE 0",
        "COPY nomatch* /d",
        "FROM a AS b\nFROM a AS b",
        "ONBUILD FOO x",
        "VOLUME [",
        "from aLPINE",
        "RUN --mount=type=none,foo x",
        "STOPSIGNAL 99",
        "COPY -- --odd /out",
        "USER a b",
    ] {
        assert_eq!(findings(line), [], "{line:?}");
    }
}

#[test]
fn lex_30_to_36_continuations() {
    for (lines, text) in [
        ("RUN a\\\n  b", "a  b"),
        ("RUN a \\ \t\n&& b", "a && b"),
        ("RUN a \\\\\nRUN b", "b"),
        ("RUN a \\\n # note \\\n\n && b", "a  && b"),
        ("RUN a \\\n\\\nb", "a b"),
        ("RUN x \\", "x"),
        ("RUN a \\\r\nb\r\n", "a b"),
        ("RUN a # b", "a # b"),
        ("\tRUN   a  b  ", "a  b"),
    ] {
        assert_eq!(shell(lines), text, "{lines:?}");
    }
    assert!(last("FROM a\nRUN x \\\n\n y").empty_continuation);
    assert!(!last("FROM a\nRUN x \\\n#\n y").empty_continuation);
}

#[test]
fn lex_10_to_15_directives() {
    for (text, escape) in [
        ("# escape=`\nFROM a", '`'),
        ("  #  EsCaPe = `  \nFROM a", '`'),
        ("# check=skip=all\n# syntax = x\n# escape=`\nFROM a", '`'),
        ("\n# escape=`\nFROM a", '\\'),
        ("# colour=red\n# escape=`\nFROM a", '\\'),
        ("#!/x\n# escape=`\nFROM a", '\\'),
        ("\u{feff}# escape=`\nFROM a", '`'),
    ] {
        assert_eq!(parse(text.as_bytes()).file.escape, escape, "{text:?}");
    }
    let file = parse(b"# Check = skip=all \nFROM a").file;
    assert_eq!(file.items[0].kind, ItemKind::Directive { name: "check".into(), value: "skip=all".into() });
}

#[test]
fn lex_24_doc_comments() {
    for (text, doc) in [
        ("# one\n#  two\nFROM a", "one\ntwo"),
        ("# one\n\nFROM a", "one"),
        ("# one\n#\n# two\nFROM a", "two"),
        ("# one\nARG x\nFROM a", ""),
        (" # one\nFROM a", "# one"),
        ("# check=skip=X\nFROM a", ""),
    ] {
        assert_eq!(last(text).doc, doc, "{text:?}");
    }
}

#[test]
fn lex_41_flags() {
    let flags = |line| last(&format!("FROM a\n{line}")).flags.into_iter().map(|flag| (flag.name, flag.value));
    let got: Vec<_> = flags("COPY --ch\"own\"='a b' --chmod=06\\4\\0 --link a b").collect();
    let want = [("chown", Some("a b")), ("chmod", Some("0640")), ("link", None)];
    assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))));
}

#[test]
fn lex_46_to_49_json_or_text() {
    let exec = |line| match command(line) {
        Command::Cmd(CommandLine::Exec(words)) => Some(words),
        _ => None,
    };
    assert_eq!(exec(r#"CMD [ "a" , "\u0041\n" ] "#), Some(vec!["a".into(), "A\n".into()]));
    assert_eq!(exec(r#"CMD ["\ud83d\ude80","\ud83dx"]"#), Some(vec!["\u{1f680}".into(), "\u{fffd}x".into()]));
    assert_eq!(exec("CMD []"), Some(vec![]));
    for text in ["['a']", r#"["a","b""#, r#"["a",]"#, r#"["a"] b"#, r#"["\q"]"#, "[bare]", "[\"a\tb\"]"] {
        assert_eq!(shell(&format!("CMD {text}")), text);
    }
}

#[test]
fn lex_50_to_59_heredocs() {
    let bodies = |lines: &str| match command(lines) {
        Command::Run { heredocs, .. } => heredocs,
        other => panic!("{other:?}"),
    };
    for (lines, name, body, expand, strip) in [
        ("RUN <<EOF\na\\\n#b\r\nEOF", "EOF", "a\\\n#b\r\n", true, false),
        ("RUN cat <<-'E' > x\n\ta\n\tE", "E", "\ta\n", false, true),
        ("RUN <<\"one two\"\none two\n", "one two", "", false, false),
        ("RUN << X\nX", "X", "", true, false),
        ("RUN <<\\X\nX", "X", "", true, false),
        ("RUN <<E>out\nE>out\r\n", "E>out", "", true, false),
        ("RUN a \\\n3<<$X\n$X\n", "$X", "", true, false),
    ] {
        let heredoc = bodies(lines).remove(0);
        let got = (heredoc.name.as_str(), heredoc.body.as_str(), heredoc.expand, heredoc.strip_tabs);
        assert_eq!(got, (name, body, expand, strip), "{lines:?}");
    }
    for lines in ["RUN cat<<E", "RUN a <<<b", "RUN it's <<E", "RUN \"a <<E\"", "RUN x\\<\\<E", "RUN [\"a\", \"<<E\"]"] {
        assert_eq!(bodies(lines), [], "{lines:?}");
    }
    assert_eq!(bodies("RUN <<A 4<<B\na\nA\nb\nB\n")[1].fd, Some(4));
    assert_eq!(findings("USER <<X\nLABEL a=<<Y\nCMD <<Z"), []);
}

#[test]
fn lex_70_positions() {
    let text = "\n FROM a\nRUN <<E \\\n b\nx\nE\n\n";
    let run = last(text);
    assert_eq!(run.lines, Lines { first: 3, last: 6 });
    assert_eq!(&text[run.span.start..run.span.end], "RUN <<E \\\n b\nx\nE");
    let copy = copying("COPY a \\\n #\n b\\\nc");
    assert_eq!((copy.destination.span.start, copy.destination.span.end), (20, 24));
}

#[test]
fn copy_1_to_5_sources() {
    let copy = copying("COPY \"a b\" <<E <<E /d/\none\nE\ntwo\nE");
    let bodies: Vec<_> = copy
        .sources
        .iter()
        .map(|source| match source {
            Source::Path(word) => word.text.as_str(),
            Source::Heredoc(heredoc) => heredoc.body.as_str(),
        })
        .collect();
    // COPY-62: both files get the last body; the first is written over, so it is left empty.
    assert_eq!(bodies, ["\"a", "b\"", "", "two\n"]);
    assert!(matches!(copying("COPY [\"<<E\", \"/d\"]").sources[0], Source::Path(_)));
}

#[test]
fn env_1_to_3_pairs() {
    for (line, pairs) in [
        ("ENV a=b\\ c d=\"x y\"", &[("a", "b\\ c"), ("d", "\"x y\"")][..]),
        ("ENV a b  c ", &[("a", "b  c")]),
        ("ENV a= b='x\\' c=1", &[("a", ""), ("b", "'x\\'"), ("c", "1")]),
        ("LABEL \"a b\"=\"c=d\"", &[("\"a b\"", "\"c=d\"")]),
        ("ENV A=1\x0cB=2\t\x0bC='open x", &[("A", "1"), ("B", "2"), ("C", "'open x")]),
    ] {
        let (Command::Env(got) | Command::Label(got)) = command(line) else { panic!("{line}") };
        let got: Vec<_> = got.iter().map(|pair| (pair.name.text.as_str(), pair.value.text.as_str())).collect();
        assert_eq!(got, pairs, "{line:?}");
    }
}

#[test]
fn hc_3_durations() {
    for (text, nanoseconds) in
        [("1m30s", 90_000_000_000), ("0", 0), ("1.5ms", 1_500_000), ("+1h", 3_600_000_000_000), ("", 0)]
    {
        let Command::Healthcheck { interval, .. } = command(&format!("HEALTHCHECK --interval={text} CMD x")) else {
            panic!("{text}")
        };
        assert_eq!(interval, nanoseconds, "{text}");
    }
}

#[test]
fn onb_2_the_text_is_kept_with_its_heredocs() {
    let Command::Onbuild(onbuild) = command("ONBUILD COPY <<A \\\n <<B /d/\na\nA\nB\n") else { panic!() };
    assert_eq!((onbuild.text.as_str(), onbuild.inner), ("COPY <<A  <<B /d/\na\nA\nB", Some(Keyword::Copy)));
}

#[test]
fn onb_3_a_trigger_is_one_instruction() {
    assert_eq!(parse_trigger("RUN <<E\nx\nE").map(|run| run.keyword), Ok(Keyword::Run));
    for (text, code) in [("RUN a\nRUN b", "D-78"), ("", "D-78"), ("FETCH x", "D-7"), ("ENV A", "D-63")] {
        assert_eq!(parse_trigger(text).map_err(|error| error.code).err().as_deref(), Some(code), "{text:?}");
    }
}

/// Quadratic time would be minutes here.
#[test]
fn files_of_any_shape_are_read_in_linear_time() {
    let start = std::time::Instant::now();
    for (head, unit) in [
        ("RUN x ", "\\\n"),
        ("COPY ", "<<A \\\n"),
        ("CMD ", "[[\\\n"),
        ("ENV a=", "'\"\\\n"),
        ("RUN ", "--mount=a=b \\\n"),
        ("ARG ", "--x a=b \\\n"),
        ("", "#syntax=a\n"),
        ("", "X\n"),
        ("", "# a\n"),
        ("RUN <<A <<A\n", "x\nA\n"),
    ] {
        let text = format!("{head}{}", unit.repeat(200_000 / unit.len()));
        assert_eq!(parse(text.as_bytes()).file.print().len(), text.len());
    }
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
