use super::{Arguments, Command, Context, Fault, Read, Word, flags, json_strings};
use crate::dockerfile::words::plain_words;

/// `maintainer` (MAINT-1)
pub(super) fn maintainer<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (end, text) = text(context, rest)?;
    Ok((end, (flags, Command::Maintainer(text.text))))
}

/// `user` (USER-1)
pub(super) fn user<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (end, text) = text(context, rest)?;
    Ok((end, (flags, Command::User(text))))
}

/// `workdir` (WORKDIR-1)
pub(super) fn workdir<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (end, text) = text(context, rest)?;
    Ok((end, (flags, Command::Workdir(text))))
}

/// `stopsignal` (STOP-1): its flag words are dropped unseen (LEX-45).
pub(super) fn stopsignal<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, _) = flags(context.escape, input)?;
    let (end, text) = text(context, rest)?;
    Ok((end, (super::Flags::default(), Command::StopSignal(text))))
}

/// `text`: the whole rest of the line as one argument (D-67).
fn text<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Word> {
    if input.is_empty() {
        let usage = format!("{} VALUE", context.keyword);
        return context.count("", "D-67", "exactly one argument", &usage);
    }
    Ok((&input[input.len()..], context.word(input)))
}

/// `expose` (EXPOSE-1)
pub(super) fn expose<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (rest, words) = plain_words(rest)?;
    if words.is_empty() {
        return context.count("", "D-68", "at least one argument", "EXPOSE PORT[/PROTOCOL]");
    }
    let words = words.into_iter().map(|word| context.word(word)).collect();
    Ok((rest, (flags, Command::Expose(words))))
}

/// `volume` (VOLUME-1)
pub(super) fn volume<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (end, (volumes, _)) = word_list(context, rest)?;
    if volumes.is_empty() {
        return context.count(rest, "D-68", "at least one argument", "VOLUME PATH");
    }
    if volumes.iter().any(|volume| volume.text.trim().is_empty()) {
        return Fault::new(rest, "D-70", "VOLUME specified can not be an empty string").fail();
    }
    Ok((end, (flags, Command::Volume(volumes))))
}

/// How a list of words was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// As a JSON array.
    Json,
    /// As words with white space between.
    Plain,
}

/// `word-list`: a JSON array of strings, or else plain words.
pub(super) fn word_list<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, (Vec<Word>, Form)> {
    match json_strings(input) {
        Ok((rest, strings)) => {
            let span = context.span(input);
            Ok((rest, (strings.into_iter().map(|text| Word { text, span }).collect(), Form::Json)))
        }
        Err(nom::Err::Failure(fault)) => Err(nom::Err::Failure(fault)),
        Err(_) => {
            let (rest, words) = plain_words(input)?;
            Ok((rest, (words.into_iter().map(|word| context.word(word)).collect(), Form::Plain)))
        }
    }
}
