//! Dockerfiles of a megabyte, of shapes that nobody writes: reading one takes time in proportion to its length, and no
//! more of the stack than any other.

use std::fmt::Write as _;
use std::time::Duration;

use crate::dockerfile::parse;
use crate::format::format;
use crate::fuzzing::planned;
use crate::lint::{self, CheckOptions, Subject};

/// How long a file is: a megabyte, and a part of one where the compiler has not optimised.
const LENGTH: usize = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };

/// How long each of reading, judging and formatting may take; planning, which makes several lines of text of one, has twice as
/// long. A build without optimisation is about fifteen times
/// as slow, and what ends at the limit of a plan's text takes as long for a sixteenth of the length as for all of it.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 3_000 } else { 200 });

/// How long this thread has been on a processor (proc(5), `schedstat`): other programs do not count.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// `head`, and as many of `unit` as there is room for.
fn repeated(head: &str, unit: &str) -> String {
    format!("{head}{}", unit.repeat((LENGTH - head.len()) / unit.len()))
}

/// `head`, and lines made of their numbers.
fn numbered(head: &str, line: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    let mut number = 0;
    while text.len() < LENGTH {
        text.push_str(&line(number));
        number += 1;
    }
    text
}

/// The shapes, each with a name.
fn shapes() -> Vec<(&'static str, String)> {
    let nested = |depth: usize| format!("{}x{}", "${A:-".repeat(depth), "}".repeat(depth));
    let long = "x".repeat(LENGTH / 18);
    vec![
        ("one line", repeated("FROM a\nRUN ", "x")),
        ("long lines", repeated("FROM a\n", &format!("RUN {long}\n"))),
        ("long lines of words", repeated("FROM a\n", &format!("COPY {}/\n", "a ".repeat(LENGTH / 36)))),
        ("continued lines of a command", repeated("FROM a\nRUN a", "\\\nb ")),
        ("continued lines of words", repeated("FROM a\nENV a=b", " \\\nb=c")),
        ("continuations of nothing", repeated("FROM a\nRUN a", "\\\n")),
        ("comments in an instruction", repeated("FROM a\nRUN a \\\n", "#\n")),
        ("blank lines in an instruction", repeated("FROM a\nRUN a \\\n", "\n")),
        ("nested variables", repeated("FROM a\n", &format!("LABEL a={}\n", nested(60)))),
        ("variables nested too deeply", repeated("FROM a\nLABEL a=", "${A:-\\\n")),
        ("variables in a word", repeated("FROM a\nENV A=b\nLABEL a=", "$A\\\n")),
        ("variables without a value", repeated("FROM a\n", "ENV a=$b\n")),
        ("variables that nothing defines", numbered("FROM a\n", |n| format!("ENV a{n}=$b{n}\n"))),
        ("patterns", repeated("FROM a\nENV A=abcabc\n", "LABEL a=${A#*b}${A%%c*}${A//b/d}${A/?/e}\n")),
        ("patterns on long values", repeated(&format!("FROM a\nENV A={long}\n"), "LABEL a=${A//x*y/}${A%%*y}\n")),
        ("patterns of many parts", repeated("FROM a\nENV A=abc\nLABEL a=${A/", "a*b?")),
        ("heredocs", repeated("FROM a\n", "RUN <<A\nA\n")),
        ("heredocs of COPY", repeated("FROM a\n", "COPY <<A /\n$x\nA\n")),
        ("heredocs of an instruction", {
            let count = LENGTH / 9;
            format!("FROM a\nCOPY {}/b\n{}", "<<A \\\n".repeat(count), "A\n".repeat(count))
        }),
        ("a heredoc without an end", repeated("FROM a\nRUN <<A\n", "x\n")),
        ("heredocs without an end", repeated("FROM a\nRUN ", "<<A \\\n")),
        ("blank lines", repeated("FROM a\n", "\n")),
        ("comments", repeated("FROM a\n", "#c\n")),
        ("comments that describe", format!("{}FROM a AS b\n", repeated("", "# c\n"))),
        ("directives", repeated("", "#syntax=a\n")),
        ("deep JSON", repeated("FROM a\nCMD ", "[\\\n")),
        ("deep objects in JSON", repeated("FROM a\nCMD [", "{\"a\":\\\n")),
        ("long JSON", repeated("FROM a\nCMD [\"a\"", ",\"b\"\\\n") + "]"),
        ("JSON that does not end", repeated("FROM a\nCMD [\"a\"", ",\"b\"\\\n")),
        ("escapes in JSON", repeated("FROM a\nCMD [\"", "\\u00e9\\\n")),
        ("flags of COPY", repeated("FROM a\nCOPY ", "--exclude=a \\\n") + "b /c"),
        ("flags of RUN", repeated("FROM a\nRUN ", "--mount=target=/b \\\n") + "c"),
        ("fields of a mount", repeated("FROM a\nRUN --mount=target=/b", ",rw\\\n") + " c"),
        ("flags that are dropped", repeated("FROM a\nARG ", "--a \\\n") + "b"),
        ("quotes", repeated("FROM a\nENV a=", "'\"\\\n")),
        ("quotes in a flag", repeated("FROM a\nRUN --mount=", "'\"\\\n")),
        ("unknown instructions", repeated("FROM a\n", "X\n")),
        ("instructions without a stage", repeated("", "RUN a\n")),
        ("arguments", numbered("FROM a\nARG A0=b\n", |n| format!("ARG A{}=$A{n}\n", n + 1))),
        ("arguments before the stages", numbered("ARG A0=b\n", |n| format!("ARG A{}=$A{n}\n", n + 1)) + "FROM a\n"),
        ("arguments in FROM", numbered("ARG A=b\n", |n| format!("FROM $A AS s{n}\n"))),
        ("one argument again and again", repeated("FROM a\nARG A=b\n", "ARG A=$A\n")),
        ("a value that grows", repeated("FROM a\n", "ENV A=$A:b\n")),
        ("arguments and commands", numbered("FROM a\n", |n| format!("ARG A{n}=b\nRUN c\n"))),
        ("a variable for each command", numbered("FROM a\n", |n| format!("ENV A{n}=b\nRUN c\n"))),
        ("labels", numbered("FROM a\n", |n| format!("LABEL a{n}=b\n"))),
        ("ports", repeated("FROM a\n", "EXPOSE 1-65535\n")),
        ("single ports", numbered("FROM a\n", |n| format!("EXPOSE {}\n", n % 65_536))),
        ("directories in directories", repeated("FROM a\n", "WORKDIR b\n")),
        ("stages", repeated("", "FROM a\n")),
        ("stages with names", numbered("", |n| format!("FROM a AS s{n}\n"))),
        ("stages on each other", numbered("FROM a AS s0\n", |n| format!("FROM s{n} AS s{}\n", n + 1))),
        ("stages of one name", repeated("", "FROM a AS b\n")),
        ("files of all stages", {
            let mut text = numbered("", |n| format!("FROM a AS s{n}\n"));
            text.truncate(text[..LENGTH / 2].rfind('\n').unwrap_or_default() + 1);
            let stages = text.lines().count();
            numbered(&(text + "FROM a\n"), |n| format!("COPY --from=s{} b /\n", n % stages))
        }),
        ("files of stages by number", numbered("FROM a\n", |n| format!("FROM a\nCOPY --from={n} b /\n"))),
        (
            "mounts of all stages",
            numbered("FROM a AS s0\n", |n| format!("FROM a AS s{}\nRUN --mount=from=s{n},target=/b c\n", n + 1)),
        ),
        ("files of later stages", numbered("", |n| format!("FROM a AS s{n}\nCOPY --from=s{} b /\n", n + 1))),
        ("files of the last stage", repeated("", "FROM a\nCOPY --from=z b /\n") + "FROM a AS z\n"),
        ("triggers", repeated("FROM a AS b\n", "ONBUILD RUN c\n") + "FROM b\n"),
        ("triggers in all stages", {
            let triggers = "ONBUILD CMD\n".repeat(LENGTH / 24);
            repeated(&format!("FROM a AS b\n{triggers}"), "FROM b\n")
        }),
        ("variables in all stages", {
            let mut text = numbered("FROM a AS b\n", |n| format!("ENV A{n}=c\n"));
            text.truncate(text[..LENGTH / 2].rfind('\n').unwrap_or_default() + 1);
            repeated(&text, "FROM b\n")
        }),
        ("health checks", repeated("FROM a\n", "HEALTHCHECK CMD b\n")),
        ("old pairs", repeated("FROM a\n", "ENV a b\n")),
    ]
}

/// Reads, plans, judges and formats, and tells what took too long.
fn measure(text: &str) -> Vec<String> {
    let mut slow = Vec::new();
    let mut began = processor_time();
    let mut done = |what: &str| {
        let took = processor_time().saturating_sub(began);
        if took > if what == "planning" { 2 * LIMIT } else { LIMIT } {
            slow.push(format!("{what} {took:?}"));
        }
        began = processor_time();
    };
    let parsed = parse(text.as_bytes());
    done("reading");
    if !parsed.diagnostics.is_empty() {
        return slow;
    }
    let plan = planned(&parsed.file);
    done("planning");
    let (stages, remarks) = match &plan {
        Ok(plan) => (&plan.stages[..], &plan.remarks),
        Err(failed) => (&[][..], &failed.remarks),
    };
    let check = CheckOptions::default();
    lint::lint(Subject { file: &parsed.file, stages, remarks, ignore: None }, &check);
    done("judging");
    format(&parsed.file);
    done("formatting");
    slow
}

#[test]
fn a_megabyte_of_any_shape_is_read_in_a_moment() {
    let mut slow = Vec::new();
    for (name, text) in shapes() {
        assert!(text.len() > LENGTH / 2, "{name}");
        slow.extend(measure(&text).into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}

#[test]
fn a_long_dockerfile_is_planned_in_a_moment() {
    let mut text = String::from("FROM a AS b\nARG V=1\nENV A=$V PATH=/x:$PATH\n");
    for number in 0..100 {
        let _infallible = write!(
            text,
            "RUN --mount=type=cache,target=/c apt-get install a{number} && \\\n    # why\n    make\nCOPY a b{number} /d/\nENV A{number}=${{A}}x B=\"c d\"\n"
        );
    }
    let began = processor_time();
    let plan = planned(&parse(text.as_bytes()).file);
    let took = processor_time().saturating_sub(began);
    assert!(plan.is_ok());
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 10 });
    assert!(took <= limit, "{took:?}");
}
