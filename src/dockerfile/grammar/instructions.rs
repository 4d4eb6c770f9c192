//! The instructions' arguments, after flags (dockerfile.md, one function an instruction).

use nom::Parser;
use nom::bytes::complete::tag_no_case;
use nom::combinator::{all_consuming, rest};
use nom::error::context;

use super::arguments::{RawCommand, RawList, RawPair, command, json_or_list, leading_space, pair, pairs, single};
use super::json::json_array;
use super::lexical::{list, plain_word, words};
use super::{Res, wrong, wrong_but};
use crate::dockerfile::Keyword;

/// The arguments of one instruction, as slices of the logical line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::dockerfile) enum Arguments<'a> {
    From { image: &'a str, name: Option<&'a str> },
    Arg(Vec<RawPair<'a>>),
    Pairs(Vec<RawPair<'a>>, bool),
    Command(RawCommand<'a>),
    List(RawList<'a>),
    Single(&'a str),
    Shell(Vec<String>),
    Healthcheck(Option<RawCommand<'a>>),
    Onbuild(&'a str),
}

/// The arguments of `keyword`.
pub(in crate::dockerfile) fn arguments(keyword: Keyword, escape: char, input: &str) -> Res<'_, Arguments<'_>> {
    match keyword {
        Keyword::From => from(input),
        Keyword::Arg => arg(escape, input),
        Keyword::Env => env(escape, input),
        Keyword::Label => label(escape, input),
        Keyword::Run => run(input),
        Keyword::Cmd => cmd(input),
        Keyword::Entrypoint => entrypoint(input),
        Keyword::Shell => shell(input),
        Keyword::Copy => copy(input),
        Keyword::Add => add(input),
        Keyword::Expose => expose(input),
        Keyword::Volume => volume(input),
        Keyword::User => user(input),
        Keyword::Workdir => workdir(input),
        Keyword::StopSignal => stopsignal(input),
        Keyword::Maintainer => maintainer(input),
        Keyword::Healthcheck => healthcheck(input),
        Keyword::Onbuild => onbuild(input),
    }
}

/// `IMAGE [AS NAME]` (FROM-1, FROM-2).
pub(in crate::dockerfile) fn from(input: &str) -> Res<'_, Arguments<'_>> {
    let count = "FROM requires either one or three arguments";
    let (_, found) = list(input)?;
    match &found[..] {
        [image] => Ok(("", Arguments::From { image, name: None })),
        [image, keyword, name] if from_as(keyword).is_ok() => {
            let (_, name) = stage_name(name)?;
            Ok(("", Arguments::From { image, name: Some(name) }))
        }
        [_, keyword, _] => {
            let help = crate::dockerfile::suggest(keyword, ["AS"]).map(|_| "did you mean `AS`?".to_owned());
            wrong_but(keyword, "D-22", count, help)
        }
        [_, second] => wrong_but(second, "D-20", count, Some("name a stage with `FROM IMAGE AS NAME`".to_owned())),
        _ => wrong(input, "D-20", count),
    }
}

/// The word `AS`.
pub(in crate::dockerfile) fn from_as(input: &str) -> Res<'_, &str> {
    context("from-as", all_consuming(tag_no_case("as"))).parse(input)
}

/// A name that a stage may have; its case does not matter (FROM-2).
pub(in crate::dockerfile) fn stage_name(input: &str) -> Res<'_, &str> {
    let lower = input.to_lowercase();
    let letters = lower.starts_with(|c: char| c.is_ascii_lowercase());
    let rest_is_plain =
        lower.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if letters && rest_is_plain {
        return context("stage-name", rest).parse(input);
    }
    let message =
        format!("invalid name for build stage: \"{lower}\", name can't start with a number or contain symbols");
    wrong_but(input, "D-21", message, Some("begin with a letter; then letters, digits, `-`, `_`, `.`".to_owned()))
}

/// `NAME[=DEFAULT] …` (ARG-1).
pub(in crate::dockerfile) fn arg(escape: char, input: &str) -> Res<'_, Arguments<'_>> {
    let (_, found) = words(escape, input)?;
    if found.is_empty() {
        return wrong(input, "D-66", "ARG requires at least one argument");
    }
    let mut args = Vec::new();
    for word in found {
        let (_, arg) = pair(word)?;
        if arg.name.is_empty() {
            return wrong(word, "D-65", "ARG names can not be blank");
        }
        args.push(arg);
    }
    Ok(("", Arguments::Arg(args)))
}

/// `NAME=VALUE …` or `NAME VALUE` (ENV-1).
pub(in crate::dockerfile) fn env(escape: char, input: &str) -> Res<'_, Arguments<'_>> {
    pairs("ENV", escape, input).map(|(left, (found, legacy))| (left, Arguments::Pairs(found, legacy)))
}

/// As ENV (LABEL-1).
pub(in crate::dockerfile) fn label(escape: char, input: &str) -> Res<'_, Arguments<'_>> {
    pairs("LABEL", escape, input).map(|(left, (found, legacy))| (left, Arguments::Pairs(found, legacy)))
}

/// A command; none at all runs the shell with nothing (RUN-3).
pub(in crate::dockerfile) fn run(input: &str) -> Res<'_, Arguments<'_>> {
    context("run", command).map(Arguments::Command).parse(input)
}

/// A command (CMD-1).
pub(in crate::dockerfile) fn cmd(input: &str) -> Res<'_, Arguments<'_>> {
    context("cmd", command).map(Arguments::Command).parse(input)
}

/// A command (ENT-1).
pub(in crate::dockerfile) fn entrypoint(input: &str) -> Res<'_, Arguments<'_>> {
    context("entrypoint", command).map(Arguments::Command).parse(input)
}

/// Exec form only (SHELL-1).
pub(in crate::dockerfile) fn shell(input: &str) -> Res<'_, Arguments<'_>> {
    if input.is_empty() {
        return wrong(input, "D-61", "SHELL requires at least one argument");
    }
    match context("shell", json_array).parse(input) {
        Ok((_, words)) if words.is_empty() => wrong(input, "D-61", "SHELL requires at least one argument"),
        Ok((left, words)) => Ok((left, Arguments::Shell(words))),
        Err(failure @ nom::Err::Failure(_)) => Err(failure),
        Err(_) => wrong_but(
            input,
            "D-60",
            "SHELL requires the arguments to be in JSON form",
            Some("write `SHELL [\"/bin/bash\", \"-c\"]`".to_owned()),
        ),
    }
}

/// `SRC… DEST` (COPY-1).
pub(in crate::dockerfile) fn copy(input: &str) -> Res<'_, Arguments<'_>> {
    copying("COPY", input)
}

/// `SRC… DEST` (ADD-1).
pub(in crate::dockerfile) fn add(input: &str) -> Res<'_, Arguments<'_>> {
    copying("ADD", input)
}

/// Sources and a destination.
pub(in crate::dockerfile) fn copying<'a>(keyword: &'static str, input: &'a str) -> Res<'a, Arguments<'a>> {
    let (left, found) = json_or_list(input)?;
    let count = match &found {
        RawList::Json(words, _) => words.len(),
        RawList::Plain(words) => words.len(),
    };
    if count < 2 {
        let message = format!(
            "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
        );
        return wrong_but(input, "D-80", message, Some(format!("write `{keyword} SOURCE DESTINATION`")));
    }
    Ok((left, Arguments::List(found)))
}

/// `PORT[/PROTO] …` (EXPOSE-1).
pub(in crate::dockerfile) fn expose(input: &str) -> Res<'_, Arguments<'_>> {
    let (left, words) = context("expose", list).parse(input)?;
    if words.is_empty() {
        return wrong(input, "D-68", "EXPOSE requires at least one argument");
    }
    Ok((left, Arguments::List(RawList::Plain(words))))
}

/// A JSON array or a list of paths (VOLUME-1).
pub(in crate::dockerfile) fn volume(input: &str) -> Res<'_, Arguments<'_>> {
    let (left, found) = context("volume", json_or_list).parse(input)?;
    let empty = match &found {
        RawList::Json(words, _) => words.is_empty(),
        RawList::Plain(words) => words.is_empty(),
    };
    if empty {
        return wrong(input, "D-68", "VOLUME requires at least one argument");
    }
    if let RawList::Json(words, _) = &found
        && words.iter().any(|word| word.trim().is_empty())
    {
        return wrong(input, "D-70", "VOLUME specified can not be an empty string");
    }
    Ok((left, Arguments::List(found)))
}

/// The whole line (USER-1).
pub(in crate::dockerfile) fn user(input: &str) -> Res<'_, Arguments<'_>> {
    single("USER", input).map(|(left, text)| (left, Arguments::Single(text)))
}

/// The whole line (WORKDIR-1).
pub(in crate::dockerfile) fn workdir(input: &str) -> Res<'_, Arguments<'_>> {
    single("WORKDIR", input).map(|(left, text)| (left, Arguments::Single(text)))
}

/// The whole line (STOP-1).
pub(in crate::dockerfile) fn stopsignal(input: &str) -> Res<'_, Arguments<'_>> {
    single("STOPSIGNAL", input).map(|(left, text)| (left, Arguments::Single(text)))
}

/// The whole line (MAINT-1).
pub(in crate::dockerfile) fn maintainer(input: &str) -> Res<'_, Arguments<'_>> {
    single("MAINTAINER", input).map(|(left, text)| (left, Arguments::Single(text)))
}

/// `CMD command` or `NONE` (HC-1).
pub(in crate::dockerfile) fn healthcheck(input: &str) -> Res<'_, Arguments<'_>> {
    if input.is_empty() {
        return wrong(input, "D-68", "HEALTHCHECK requires at least one argument");
    }
    let (after, kind) = plain_word(input)?;
    let (after, _) = leading_space(after)?;
    match kind.to_ascii_uppercase().as_str() {
        "NONE" if after.is_empty() => Ok(("", Arguments::Healthcheck(None))),
        "NONE" => wrong(after, "D-73", "HEALTHCHECK NONE takes no arguments"),
        "CMD" => match context("healthcheck", command).parse(after)? {
            (_, RawCommand::Exec(words)) if words.is_empty() => {
                wrong(input, "D-74", "Missing command after HEALTHCHECK CMD")
            }
            (_, RawCommand::Shell("")) => wrong(input, "D-74", "Missing command after HEALTHCHECK CMD"),
            (left, found) => Ok((left, Arguments::Healthcheck(Some(found)))),
        },
        _ => wrong(kind, "D-72", format!("Unknown type \"{}\" in HEALTHCHECK (try CMD)", kind.to_ascii_uppercase())),
    }
}

/// Another instruction (ONB-1).
pub(in crate::dockerfile) fn onbuild(input: &str) -> Res<'_, Arguments<'_>> {
    if input.is_empty() {
        return wrong(input, "D-68", "ONBUILD requires at least one argument");
    }
    context("onbuild", rest).map(Arguments::Onbuild).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_2_stage_names() {
        for (input, good) in [("a", true), ("Build-1_x.y", true), ("1a", false), ("a/b", false), ("", false)] {
            assert_eq!(stage_name(input).is_ok(), good, "{input}");
        }
    }

    #[test]
    fn from_1_one_or_three_words() {
        for (input, good) in
            [("a", true), ("a AS b", true), ("a as b", true), ("", false), ("a b", false), ("a xx b", false), ("a as b c", false)]
        {
            assert_eq!(from(input).is_ok(), good, "{input}");
        }
    }

    #[test]
    fn hc_1_types() {
        for (input, good) in
            [("NONE", true), ("none x", false), ("CMD x", true), ("cmd [\"a\"]", true), ("CMD", false), ("FOO", false)]
        {
            assert_eq!(healthcheck(input).is_ok(), good, "{input}");
        }
    }
}
