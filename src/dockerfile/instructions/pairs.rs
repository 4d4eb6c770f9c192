use nom::Parser;
use nom::bytes::complete::{take_till, take_while1};
use nom::character::complete::char;
use nom::combinator::opt;
use nom::combinator::rest;

use super::{Arguments, Command, Context, Fault, Flags, Read, flags};
use crate::dockerfile::words::{is_separator, quoted_word, quoted_words};
use crate::dockerfile::{ArgPair, Pair};

/// `env` (ENV-1)
pub(super) fn env<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (rest, pairs) = pairs(context, rest)?;
    Ok((rest, (flags, Command::Env(pairs))))
}

/// `label` (LABEL-1)
pub(super) fn label<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (rest, pairs) = pairs(context, rest)?;
    Ok((rest, (flags, Command::Label(pairs))))
}

/// `pairs`: the form with `=` if the first word has one, else the old form (ENV-1).
fn pairs<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Vec<Pair>> {
    let Ok((_, first)) = quoted_word(context.escape, input) else {
        let usage = format!("{} NAME=VALUE", context.keyword);
        return context.count("", "D-62", "at least one argument", &usage);
    };
    if !first.contains('=') {
        return legacy_pair(context, input).map(|(rest, pair)| (rest, vec![pair]));
    }
    let (rest, words) = quoted_words(context.escape, input)?;
    let mut pairs = Vec::with_capacity(words.len());
    for word in words {
        pairs.push(pair(context, word)?.1);
    }
    Ok((rest, pairs))
}

/// `pair`: one word with a `=` (D-64, D-65).
fn pair<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Pair> {
    let halves: Read<'a, (&str, char, &str)> = (take_till(|c| c == '='), char('='), rest).parse(input);
    let Ok((rest, (name, _, value))) = halves else {
        let message = format!("Syntax error - can't find = in {input:?}. Must be of the form: name=value");
        let help = "put the whole value in quotes if it holds spaces".to_owned();
        return Fault::new(input, "D-64", message).help(Some(help)).fail();
    };
    if name.is_empty() {
        return blank(context, input);
    }
    Ok((rest, Pair { name: context.word(name), value: context.word(value), legacy: false }))
}

/// `legacy-pair`: a name, white space, and the rest of the line (D-63).
fn legacy_pair<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Pair> {
    let name = take_till(is_separator);
    let halves: Read<'a, (&str, &str, &str)> = (name, take_while1(is_separator), rest).parse(input);
    let Ok((rest, (name, _, value))) = halves else {
        let message = format!("{} must have two arguments", context.keyword);
        let help = format!("write `{} {input}=VALUE`", context.keyword);
        return Fault::new(input, "D-63", message).help(Some(help)).fail();
    };
    Ok((rest, Pair { name: context.word(name), value: context.word(value), legacy: true }))
}

/// `arg` (ARG-1): its flag words are dropped unseen (LEX-45).
pub(super) fn arg<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, _) = flags(context.escape, input)?;
    let (rest, words) = quoted_words(context.escape, rest)?;
    if words.is_empty() {
        return context.count("", "D-66", "at least one argument", "ARG NAME[=DEFAULT]");
    }
    let mut pairs = Vec::with_capacity(words.len());
    for word in words {
        pairs.push(arg_pair(context, word)?.1);
    }
    Ok((rest, (Flags::default(), Command::Arg(pairs))))
}

/// `arg-pair`: one word, with a default or without (D-65).
fn arg_pair<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, ArgPair> {
    let (end, (name, default)) = (take_till(|c| c == '='), opt((char('='), rest))).parse(input)?;
    if name.is_empty() {
        return blank(context, input);
    }
    Ok((end, ArgPair { name: context.word(name), default: default.map(|(_, value)| context.word(value)) }))
}

/// The name is missing.
fn blank<'a, T>(context: &Context<'a>, at: &'a str) -> Read<'a, T> {
    Fault::new(at, "D-65", format!("{} names can not be blank", context.keyword)).label("no name before `=`").fail()
}
