//! What is told of wrong files: codes, wording, places and ways out.

use super::{Diagnostic, parse};

/// The findings about a stage that holds `lines`.
pub(super) fn findings(lines: &str) -> Vec<Diagnostic> {
    parse(format!("FROM a\n{lines}").as_bytes()).diagnostics
}

/// Each finding underlines the words to blame.
#[test]
fn d_7_to_d_81_findings_within_an_instruction() {
    for (lines, code, message, under) in [
        ("FOO x", "D-7", "unknown instruction: FOO", "FOO"),
        ("\\", "D-7", "unknown instruction: ", "\\"),
        ("RUN a && \\\n cat <<E\nx\n", "D-8", "unterminated heredoc", "<<E"),
        ("CMD [ \"echo\", [ \"x\" ] ]", "D-9", "arrays must be comprised of strings only", "[ \"x\" ]"),
        ("VOLUME [\"/a\", \\\n 2]", "D-9", "arrays must be comprised of strings only", "2"),
        ("CMD --help", "D-10", "unknown flag: --help", "--help"),
        ("COPY --chown=1 --chown=2 a b", "D-11", "duplicate flag specified: --chown", "--chown=2"),
        ("COPY --chown x /y", "D-12", "missing a value on flag: --chown", "--chown"),
        ("COPY --link= x /y", "D-12", "missing a value on flag: --link", "--link="),
        ("COPY --link=maybe x y", "D-13", "expecting boolean value for flag --link, not: maybe", "--link=maybe"),
        ("FROM a b", "D-20", "FROM requires either one or three arguments", "b"),
        ("FROM a as 1x", "D-21", "invalid name for build stage: \"1x\"", "1x"),
        ("FROM a xx b", "D-22", "FROM requires either one or three arguments", "xx b"),
        ("RUN --network=lan x", "D-31", "invalid network mode \"lan\"", "lan"),
        ("RUN --security=lax x", "D-32", "security \"lax\" is not valid", "lax"),
        ("RUN --mount='a\"b' x", "D-33", "failed to parse csv mounts", "'a\"b'"),
        ("RUN --mount=from=$A,target=/ x", "D-34", "'from' doesn't support variable expansion", "from=$A,target=/"),
        ("RUN --device=a.org/x=1,speed=2 x", "D-48", "unexpected key 'speed' in 'speed=2'", "a.org/x=1,speed=2"),
        ("RUN --device=a,name=b x", "D-48", "device name already set to a", "a,name=b"),
        ("SHELL bash", "D-60", "SHELL requires the arguments to be in JSON form", "bash"),
        ("SHELL []", "D-61", "SHELL requires at least one argument", "[]"),
        ("LABEL", "D-62", "LABEL requires at least one argument", "LABEL"),
        ("ENV PATH", "D-63", "ENV must have two arguments", "PATH"),
        ("LABEL a=b c", "D-64", "can't find = in \"c\". Must be of the form: name=value", "c"),
        ("ENV =x", "D-65", "ENV names can not be blank", "=x"),
        ("ARG =x", "D-65", "ARG names can not be blank", "=x"),
        ("ARG --x", "D-66", "ARG requires at least one argument", "ARG"),
        ("uSer", "D-67", "USER requires exactly one argument", "uSer"),
        ("EXPOSE  ", "D-68", "EXPOSE requires at least one argument", "EXPOSE"),
        ("VOLUME []", "D-68", "VOLUME requires at least one argument", "[]"),
        ("VOLUME [\" \"]", "D-70", "VOLUME specified can not be an empty string", "[\" \"]"),
        ("HEALTHCHECK foo", "D-72", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)", "foo"),
        ("HEALTHCHECK none x", "D-73", "HEALTHCHECK NONE takes no arguments", "x"),
        ("HEALTHCHECK CMD []", "D-74", "Missing command after HEALTHCHECK CMD", "CMD"),
        ("HEALTHCHECK --interval=5 CMD x", "D-75", "time: missing unit in duration \"5\"", "5"),
        ("HEALTHCHECK --timeout=5x CMD x", "D-75", "time: unknown unit \"x\" in duration \"5x\"", "5x"),
        ("HEALTHCHECK --timeout=x CMD x", "D-75", "time: invalid duration \"x\"", "x"),
        ("HEALTHCHECK --interval=1us CMD x", "D-75", "Interval \"interval\" cannot be less than 1ms", "1us"),
        ("HEALTHCHECK --retries=-1 CMD x", "D-76", "--retries cannot be negative (-1)", "-1"),
        ("ONBUILD ONBUILD RUN x", "D-77", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", "ONBUILD"),
        ("ONBUILD from b", "D-77", "FROM isn't allowed as an ONBUILD trigger", "from"),
        ("COPY x", "D-80", "COPY requires at least two arguments, but only one was provided", "x"),
        ("COPY [ ]", "D-80", "COPY requires at least two arguments, but only one was provided", "[ ]"),
        ("ADD <<E <<F\nE\nF", "D-81", "ADD cannot accept a heredoc as a destination", "<<F"),
    ] {
        let found = findings(lines);
        let text = format!("FROM a\n{lines}");
        let [finding] = found.as_slice() else { panic!("{lines:?}: {found:#?}") };
        assert_eq!(finding.code, code, "{lines:?}");
        assert!(finding.message.contains(message), "{lines:?}: {}", finding.message);
        assert_eq!(finding.span.map(|span| &text[span.start..span.end]), Some(under), "{lines:?}");
        assert_eq!(finding.lines.map(|lines| lines.first), Some(2), "{lines:?}");
    }
}

#[test]
fn d_1_to_d_15_findings_about_the_file() {
    let long = format!("FROM a\nRUN x\n# {}\nRUN y", "y".repeat(65535));
    for (text, codes) in [
        ("", &["D-1"][..]),
        ("# only\n\n# comments", &["D-2"]),
        ("\u{feff}", &["D-2"]),
        ("# escape=\\\n# escape=\\\nFROM a", &["D-4"]),
        ("# escape=x\nFROM a", &["D-5"]),
        ("RUN x\nRUN y\nFROM a", &["D-14"]),
        ("ARG a", &["D-15"]),
        ("FORM a\nRUN x", &["D-7"]),
        (&long, &["D-3"]),
        (&long[13..], &["D-3", "D-2"]),
    ] {
        let found = parse(text.as_bytes()).diagnostics;
        assert_eq!(found.iter().map(|found| found.code.clone()).collect::<Vec<_>>(), codes, "{text:.40?}");
    }
}

#[test]
fn lex_43_an_unknown_name_is_answered_with_the_nearest_known_one() {
    for (line, help) in [
        ("COYP a b", Some("did you mean `COPY`?")),
        ("entrypont x", Some("did you mean `ENTRYPOINT`?")),
        ("FETCH x", None),
        ("COPY --chwon=1 a b", Some("did you mean `--chown`?")),
        ("RUN --network=hosts x", Some("did you mean `host`?")),
    ] {
        assert_eq!(findings(line)[0].help.as_deref(), help, "{line}");
    }
}

#[test]
fn diag_3_all_wrong_instructions_are_told_of() {
    let found = findings("FOO\nRUN ok\nUSER\n");
    assert_eq!(
        found.iter().map(|found| (found.code.to_string(), found.lines.unwrap().first)).collect::<Vec<_>>(),
        [("D-7".to_owned(), 2), ("D-67".to_owned(), 4)]
    );
}
