//! What people read when a Dockerfile is wrong: every row of the list of diagnostics, by the real program.

use std::fmt::Write as _;

use crate::kit::Kit;

/// Rule ids, a Dockerfile, flags, the essential part of the message, and the line it points at.
type Row = (&'static str, &'static str, &'static str, &'static str, Option<u32>);

/// Needs no base image. D-3 has a test of its own, since its line is long.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("D-1 NEG-1", "", "", "the Dockerfile cannot be empty", None),
    ("D-2 NEG-2", "# only\n# comments\n", "", "file with no instructions", Some(2)),
    ("D-4 NEG-22", "# escape=\\\n# escape=\\\nFROM scratch\n", "", "only one escape parser directive can be used", Some(2)),
    ("D-5 NEG-21", "# escape=x\nFROM scratch\n", "", "invalid escape token 'x' does not match", Some(1)),
    ("D-6", "# check=foo=bar\nFROM scratch\nLABEL a=b\n", "", "failed to parse check options", Some(1)),
    ("D-6", "# check=error=perhaps\nFROM scratch\nLABEL a=b\n", "", "failed to parse check options", Some(1)),
    ("D-7 NEG-9", "FROM scratch\nCOPPY a b\n", "", "unknown instruction: COPPY", Some(2)),
    ("D-8 NEG-20", "FROM scratch\nRUN <<E\nx\n", "", "unterminated heredoc", Some(2)),
    ("D-9 NEG-4", "FROM scratch\nCMD [ \"echo\", [ \"x\" ] ]\n", "", "when using JSON array syntax, arrays must be comprised of strings only", Some(2)),
    ("D-10 NEG-10", "FROM scratch\nCMD --help\n", "", "unknown flag: --help", Some(2)),
    ("D-10", "FROM scratch\nCOPY --chwon=1 a b\n", "", "unknown flag: --chwon", Some(2)),
    ("D-11", "FROM scratch\nCOPY --chown=1 \\\n  --chown=2 a b\n", "", "duplicate flag specified: --chown", Some(3)),
    ("D-12 NEG-11", "FROM scratch\nCOPY --chown x /y\n", "", "missing a value on flag: --chown", Some(2)),
    ("D-13 NEG-30", "FROM scratch\nCOPY --link=maybe x y\n", "", "expecting boolean value for flag --link, not: maybe", Some(2)),
    ("D-14 NEG-8", "RUN x\n", "", "no build stage in current context", Some(1)),
    ("D-15", "ARG x=1\n", "", "dockerfile contains no stages to build", None),
    ("D-16 NEG-27", "FROM scratch\nENV X=${Y\n", "", "failed to process \"${Y\"", Some(2)),
    ("D-16", "FROM scratch\nENV X=${Y:=x}\n", "", "failed to process \"${Y:=x}\"", Some(2)),
    ("D-17", "FROM scratch\nENV X=${Y:?unset}\n", "", "Y: unset", Some(2)),
    ("D-20 NEG-5", "FROM a b\n", "", "FROM requires either one or three arguments", Some(1)),
    ("D-21 NEG-6", "FROM scratch AS 1x\n", "", "invalid name for build stage: \"1x\", name can't start with a number or contain symbols", Some(1)),
    ("D-22 NEG-7", "FROM a xx b\n", "", "FROM requires either one or three arguments", Some(1)),
    ("D-23", "ARG X\nFROM $X\n", "", "base name ($X) should not be blank", Some(2)),
    ("D-24", "ARG X\nFROM --platform=$X scratch\n", "", "empty platform value from expression $X", Some(2)),
    ("D-25", "FROM --platform=a/b/c/d/e scratch\n", "", "failed to parse platform a/b/c/d/e", Some(1)),
    ("D-26 POS-12", "from aLPINE\n", "", "failed to parse stage name \"aLPINE\": invalid reference format", Some(1)),
    ("D-28", "FROM scratch AS build\nLABEL a=b\n", "--target biuld", "target stage \"biuld\" could not be found", None),
    ("D-29", "FROM scratch AS a\nCOPY --from=b /x /x\nFROM scratch AS b\nCOPY --from=a /x /x\n", "", "circular dependency detected on stage: b", Some(2)),
    ("D-30", "FROM scratch\nRUN []\n", "", "arguments are required", Some(2)),
    ("D-31", "FROM scratch\nRUN --network=nnoe x\n", "", "invalid network mode \"nnoe\"", Some(2)),
    ("D-32", "FROM scratch\nRUN --security=x x\n", "", "security \"x\" is not valid", Some(2)),
    ("D-34", "FROM scratch\nRUN --mount=type=bind,from=$x,target=/m x\n", "", "'from' doesn't support variable expansion, define alias stage instead", Some(2)),
    ("D-35", "FROM scratch\nRUN --mount=type=cahce,target=/m x\n", "", "unsupported mount type \"cahce\"", Some(2)),
    ("D-36", "FROM scratch\nRUN --mount=type=cache,traget=/m x\n", "", "unexpected key 'traget' in 'traget=/m'", Some(2)),
    ("D-37", "FROM scratch\nRUN --mount=type=cache,foo,target=/m x\n", "", "invalid field 'foo' must be a key=value pair", Some(2)),
    ("D-38", "FROM scratch\nRUN --mount=type=bind,target=/m,ro=perhaps x\n", "", "invalid value for ro: perhaps", Some(2)),
    ("D-38", "FROM scratch\nRUN --mount=type=cache,target=/m,mode=rwx x\n", "", "invalid value rwx for mode", Some(2)),
    ("D-38", "FROM scratch\nRUN --mount=type=tmpfs,target=/m,size=many x\n", "", "invalid value for size: many", Some(2)),
    ("D-39", "FROM scratch\nRUN --mount=type=bind,target=/m,size=5 x\n", "", "unexpected key 'size' for mount type 'bind'", Some(2)),
    ("D-40", "FROM scratch\nRUN --mount=type=tmpfs,target=/m,mode=0700 x\n", "", "mode not allowed for \"tmpfs\" type mounts", Some(2)),
    ("D-41", "FROM scratch\nRUN --mount=type=cache,target=/m,sharing=loked x\n", "", "unsupported sharing value \"loked\"", Some(2)),
    ("D-42", "FROM scratch\nRUN --mount=type=tmpfs,target=/m,sharing=locked x\n", "", "invalid cache sharing set for tmpfs mount", Some(2)),
    ("D-43", "FROM scratch\nRUN --mount=type=secret,id=a,from=x x\n", "", "secret mount should not have a from", Some(2)),
    ("D-43", "FROM scratch\nRUN --mount=type=secret,id=a,sharing=locked x\n", "", "", Some(2)),
    ("D-43", "FROM scratch\nRUN --mount=type=secret x\n", "", "invalid secret mount. one of source, target required", Some(2)),
    ("D-44", "FROM scratch\nRUN --mount=type=ssh,source=/x x\n", "", "ssh does not support source", Some(2)),
    ("D-45", "FROM scratch\nRUN --mount=type=cache,target=/ x\n", "", "invalid mount target \"/\"", Some(2)),
    ("D-46", "FROM scratch AS a\nRUN --mount=type=bind,from=b,target=/m x\nFROM scratch AS b\nLABEL a=b\nFROM a\nCOPY --from=b / /\n", "", "cannot mount from stage \"b\" to \"/m\", stage needs to be defined before current command", Some(2)),
    ("D-48", "FROM scratch\nRUN --device=name=a,name=b x\n", "", "device name already set to a", Some(2)),
    ("D-49", "FROM scratch\nRUN --network=host x\n", "", "network.host is not allowed", Some(2)),
    ("D-49", "FROM scratch\nRUN --security=insecure x\n", "", "security.insecure is not allowed", Some(2)),
    ("D-60 NEG-19", "FROM scratch\nSHELL bash\n", "", "SHELL requires the arguments to be in JSON form", Some(2)),
    ("D-61", "FROM scratch\nSHELL []\n", "", "SHELL requires at least one argument", Some(2)),
    ("D-62", "FROM scratch\nENV\n", "", "ENV requires at least one argument", Some(2)),
    ("D-63 NEG-3", "FROM scratch\nENV PATH\n", "", "ENV must have two arguments", Some(2)),
    ("D-64 NEG-23", "FROM scratch\nLABEL a=b c\n", "", "Syntax error - can't find = in \"c\". Must be of the form: name=value", Some(2)),
    ("D-65 NEG-24", "FROM scratch\nARG =x\n", "", "ARG names can not be blank", Some(2)),
    ("D-66", "FROM scratch\nARG\n", "", "ARG requires at least one argument", Some(2)),
    ("D-67 NEG-25", "FROM scratch\nUSER\n", "", "USER requires exactly one argument", Some(2)),
    ("D-68", "FROM scratch\nEXPOSE\n", "", "EXPOSE requires at least one argument", Some(2)),
    ("D-68", "FROM scratch\nONBUILD\n", "", "ONBUILD requires at least one argument", Some(2)),
    ("D-69 NEG-26", "FROM scratch\nEXPOSE 99999\n", "", "invalid containerPort: 99999", Some(2)),
    ("D-69", "FROM scratch\nEXPOSE 80/tpc\n", "", "invalid port: \"80/tpc\": invalid proto: tpc", Some(2)),
    ("D-69", "FROM scratch\nEXPOSE 1-3:2-9\n", "", "invalid ranges specified for container and host Ports: 2-9 and 1-3", Some(2)),
    ("D-70", "FROM scratch\nVOLUME [\"\"]\n", "", "VOLUME specified can not be an empty string", Some(2)),
    ("D-68 POS-11", "FROM scratch\nVOLUME []\n", "", "VOLUME requires at least one argument", Some(2)),
    ("D-71 NEG-28", "FROM scratch\nSTOPSIGNAL SIGTREM\n", "", "invalid signal: SIGTREM", Some(2)),
    ("D-72 NEG-18", "FROM scratch\nHEALTHCHECK FOO\n", "", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)", Some(2)),
    ("D-73 NEG-16", "FROM scratch\nHEALTHCHECK NONE x\n", "", "HEALTHCHECK NONE takes no arguments", Some(2)),
    ("D-74", "FROM scratch\nHEALTHCHECK CMD\n", "", "Missing command after HEALTHCHECK CMD", Some(2)),
    ("D-75 NEG-17", "FROM scratch\nHEALTHCHECK --interval=1us CMD x\n", "", "Interval \"interval\" cannot be less than 1ms", Some(2)),
    ("D-75", "FROM scratch\nHEALTHCHECK --interval=5 CMD x\n", "", "time: missing unit in duration \"5\"", Some(2)),
    ("D-75", "FROM scratch\nHEALTHCHECK --timeout=soon CMD x\n", "", "time: invalid duration \"soon\"", Some(2)),
    ("D-76", "FROM scratch\nHEALTHCHECK --retries=-1 CMD x\n", "", "--retries cannot be negative (-1)", Some(2)),
    ("D-76", "FROM scratch\nHEALTHCHECK --retries=x CMD x\n", "", "parsing \"x\": invalid syntax", Some(2)),
    ("D-77 NEG-14", "FROM scratch\nONBUILD ONBUILD RUN x\n", "", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", Some(2)),
    ("D-77 NEG-15", "FROM scratch\nONBUILD FROM b\n", "", "FROM isn't allowed as an ONBUILD trigger", Some(2)),
    ("D-80 NEG-12", "FROM scratch\nCOPY x\n", "", "COPY requires at least two arguments, but only one was provided. Destination could not be determined", Some(2)),
    ("D-80 NEG-13", "FROM scratch\nCOPY [ ]\n", "", "COPY requires at least two arguments", Some(2)),
    ("D-81 NEG-29", "FROM scratch\nCOPY <<E <<F\nE\nF\n", "", "COPY cannot accept a heredoc as a destination", Some(2)),
    ("D-82", "ARG b=x\nFROM scratch\nCOPY --from=$b x y\n", "", "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround", Some(3)),
    ("D-83", "FROM scratch\nCOPY --from=7 x y\n", "", "invalid stage index 7", Some(2)),
    ("D-84", "FROM scratch AS a\nCOPY --from=b x y\nFROM scratch AS b\nLABEL a=b\nFROM a\nLABEL c=d\n", "", "cannot copy from stage \"b\", it needs to be defined before current stage \"a\"", Some(2)),
    ("D-85", "FROM scratch\nCOPY http://example.com/x y\n", "", "source can't be a URL for COPY", Some(2)),
    ("D-85", "FROM scratch\nCOPY git@example.com:x/y.git y\n", "", "source can't be a git ref for COPY", Some(2)),
    ("D-86", "FROM scratch\nCOPY --chmod=9 a b\n", "", "invalid chmod parameter: '9'. it should be octal string and between 0 and 07777", Some(2)),
    ("D-86", "FROM scratch\nCOPY --chmod=u+q a b\n", "", "", Some(2)),
    ("D-87 DIAG-6", "FROM scratch\nCOPY hello.txt \\\n  dir/file.tx /\n", "", "\"/dir/file.tx\": not found", Some(3)),
    ("D-87", "FROM scratch\nCOPY nothing-like-it /\n", "", "\"/nothing-like-it\": not found", Some(2)),
    ("D-87", "FROM scratch\nCOPY ignored.log /\n", "", "\"/ignored.log\": not found", Some(2)),
    ("D-88", "FROM scratch\nCOPY hello.txt /a\nCOPY dir /a\n", "", "cannot copy to non-directory: /a", Some(3)),
    ("D-88", "FROM scratch\nCOPY dir /hello.txt/\nCOPY hello.txt /\n", "", "cannot replace to directory /hello.txt with file", Some(3)),
    ("D-89", "FROM scratch\nCOPY --exclude=[ hello.txt /\n", "", "invalid excludepatterns: [", Some(2)),
    ("D-89", "FROM scratch\nCOPY --parents [ /\n", "", "invalid includepatterns: ", Some(2)),
    ("D-90", "FROM scratch\nADD --checksum=sha256:00 hello.txt /\n", "", "checksum requires HTTP(S) or Git sources", Some(2)),
    ("D-90", "FROM scratch\nADD --checksum=sha256:00 a b /\n", "", "checksum can't be specified for multiple sources", Some(2)),
    ("D-90", "FROM scratch\nADD --checksum=sha256:00 http://localhost/x /\n", "", "", Some(2)),
    ("D-90", "FROM scratch\nADD --checksum=v1 https://localhost/x.git /\n", "", "invalid checksum \"v1\" for a git source", Some(2)),
    ("D-91", "FROM scratch\nADD --keep-git-dir=false \\\n  https://localhost/x.git?keep-git-dir=true /\n", "", "inconsistent keep-git-dir configuration", Some(3)),
    ("D-91", "FROM scratch\nADD --checksum=1234567 https://localhost/x.git?commit=7654321 /\n", "", "checksum mismatch \"7654321\" != \"1234567\"", Some(2)),
    ("D-91", "FROM scratch\nADD https://localhost/x.git?depth=1 /\n", "", "unexpected query \"depth\"", Some(2)),
    ("D-91", "FROM scratch\nADD https://me:pw@localhost/x.git?ref /\n", "", "query \"ref\" has no value", Some(2)),
    ("D-91", "FROM scratch\nADD a https://localhost/x.git?ref=a&ref=b /\n", "", "query \"ref\" has multiple values", Some(2)),
    ("D-91", "FROM scratch\nADD https://localhost/x.git?ref=a#b /\n", "", "ref conflicts: \"b\" vs \"a\"", Some(2)),
    ("D-91", "FROM scratch\nADD git@localhost:x?subdir=a#:b /\n", "", "subdir conflicts: \"b\" vs \"a\"", Some(2)),
    ("D-91", "FROM scratch\nADD https://localhost/x.git?tag=a&branch=b /\n", "", "branch conflicts with tag", Some(2)),
    ("D-91", "FROM scratch\nADD https://localhost/x.git#-x /\n", "", "invalid git ref \"-x\"", Some(2)),
    ("D-92", "FROM scratch\nCOPY hello.txt /a\nWORKDIR /a/b\n", "", "not a directory", Some(3)),
    ("D-95", "# check=error=true\nfrom scratch as A\nCOPY hello.txt /\n", "", "lint violation found for rules: ConsistentInstructionCasing, StageNameCasing", None),
    ("D-96", "FROM scratch\nCOPY hello.txt /\n", "--build-arg SOURCE_DATE_EPOCH=x", "invalid SOURCE_DATE_EPOCH: x", None),
    ("D-99", "FROM scratch\nCOPY --chown=bob hello.txt /\n", "", "invalid user index: -1", Some(2)),
];

/// The error that a build gives; everything that a build has said before it is left out.
fn error_of(dockerfile: &str, flags: &str) -> String {
    let mut kit = Kit::new();
    kit.file("hello.txt", "x").file("dir/file.txt", "x").file("ignored.log", "x").file(".dockerignore", "*.log\n");
    kit.dockerfile(dockerfile);
    let flags: Vec<&str> = flags.split_whitespace().collect();
    kit.flag(&flags);
    let built = kit.build();
    built.fails_with(1, &[]);
    let stderr = built.stderr();
    let said = stderr.find("error").map_or(stderr.as_str(), |at| &stderr[at..]);
    said.trim_end().to_owned()
}

/// `--> Dockerfile:LINE:COLUMN`
fn line_of(error: &str) -> Option<u32> {
    let after = error.split_once("--> Dockerfile:")?.1;
    after.split(':').next()?.parse().ok()
}

#[test]
fn diag_1_to_6_every_row_names_line_cause_and_way_out() {
    let mut all = String::new();
    let mut wrong = String::new();
    for (ids, dockerfile, flags, message, line) in ROWS {
        let error = error_of(dockerfile, flags);
        if !error.contains(message) || line_of(&error) != *line {
            let _infallible = write!(wrong, "{ids}: wanted {message:?} on line {line:?}:\n{error}\n\n");
        }
        let _infallible = write!(all, "== {ids}\n{error}\n\n");
    }
    assert!(wrong.is_empty(), "{wrong}");
    insta::assert_snapshot!(all);
}

#[test]
fn d_3_a_line_that_is_too_long() {
    let error = error_of(&format!("FROM scratch\nRUN {}\n", "x".repeat(66_000)), "");
    assert!(error.contains("dockerfile line greater than max allowed size of 65535"), "{error}");
    assert_eq!(line_of(&error), Some(2));
    assert!(error.len() < 2_000, "the line is shown shortened");
}

#[test]
fn several_errors_are_told_in_one_run() {
    let error = error_of("FROM scratch\nCOPPY a b\nRUN --netwrk=none x\nEXPSE 5\nENV\n", "");
    for part in ["COPPY", "did you mean `COPY`?", "--netwrk", "did you mean `--network`?", "EXPSE", "ENV requires"] {
        assert!(error.contains(part), "no {part:?} in:\n{error}");
    }
}

#[test]
fn d_93_and_d_94_contexts_that_cannot_be_read() {
    for (rules, message) in [("[\n", "syntax error in pattern"), ("!\n", "illegal exclusion pattern: \"!\"")] {
        let mut kit = Kit::new();
        kit.file("a", "x").file(".dockerignore", rules).dockerfile("FROM scratch\nCOPY a /\n");
        kit.build().fails_with(1, &[message, ".dockerignore", "line 1"]);
    }
    let mut kit = Kit::new();
    kit.dockerfile("FROM scratch\nCOPY a /\n");
    std::fs::remove_dir(kit.path("context")).unwrap();
    let built = kit.build();
    assert!(built.stderr().contains("context"), "{}", built.stderr());
}

#[test]
fn d_47_to_d_51_steps_that_fail() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    for (dockerfile, parts) in [
        (
            "FROM busybox\nRUN --mount=type=secret,id=token,required true\n",
            &["secret token: not found", "--secret id=token"][..],
        ),
        ("FROM busybox\nUSER nobody-here\nRUN true\n", &["unable to find user nobody-here", "Dockerfile:3"]),
        (
            "FROM busybox\nRUN echo told; exit 7\n",
            &["told", "did not complete successfully: exit code: 7", "Dockerfile:2"],
        ),
        ("FROM busybox\nRUN [\"nothing\"]\n", &["exit code: 127", "nothing"]),
    ] {
        kit.dockerfile(dockerfile).build().fails_with(1, parts);
    }
}

#[test]
fn pos_1_to_14_what_is_accepted_although_surprising() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.file("x", "x");
    for dockerfile in [
        "FROM busybox\nCMD\nRUN\n",
        "FROM busybox\nCMD ['a']\n",
        "FROM busybox\nARG --x=1 A=b\n",
        "FROM busybox\nHEALTHCHECK --interval=5s NONE\n",
        "FROM busybox\nLABEL a=b \\\n",
        "FROM busybox\nRUN true \\\n\n  # comment\n  && true\n",
        "FROM busybox\nEXPOSE 0\n",
        "FROM busybox\nCOPY nomatch* /d\n",
        "FROM busybox AS a\nFROM busybox AS a\nLABEL a=b\n",
        "FROM busybox\nONBUILD FOO x\n",
        "FROM busybox\nVOLUME [\n",
        "FROM busybox AS unreachable\nRUN --mount=type=nothing true\nFROM busybox\nLABEL a=b\n",
        "FROM busybox\nSTOPSIGNAL 99\n",
    ] {
        let built = kit.dockerfile(dockerfile).build();
        let _image = built.succeeds();
    }
}

#[test]
fn m_11_what_is_accepted_and_hardly_meant_is_told_of() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.file("a", "x").file("b", "x").file("d/c", "x");
    for (step, want) in [
        ("COPY a b /x", "line 2: of several files `/x` is the last one; `/x/` would take all of them"),
        ("COPY --chown=nobody-here:nor-there a /x", "line 2: `--chown`: there is no `nobody-here`"),
        ("COPY none* /x", "line 2: no file matches: the layer is empty"),
        ("RUN", "line 2: RUN has no command"),
        ("USER a b", "line 2: `a b` is taken for the name of one user; a group follows a colon"),
        ("COPY a b /tmp", ""),
        ("COPY a d /x/", ""),
        ("COPY --chown=daemon:staff a /x", ""),
        ("RUN true", ""),
        ("USER root:staff", ""),
    ] {
        let built = kit.dockerfile(&format!("FROM busybox\n{step}\n")).build();
        drop(built.succeeds());
        let stderr = built.stderr();
        let warnings: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("warning: ")).collect();
        assert!(
            if want.is_empty() { warnings.is_empty() } else { warnings[0].starts_with(want) },
            "{step}: {warnings:?}"
        );
    }
}
