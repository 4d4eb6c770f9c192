use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_till, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{consumed, map, opt, peek};
use nom::multi::fold_many0;
use nom::sequence::preceded;

use super::fault::{Fault, Read};
use super::instructions::Context;
use super::suggest::suggest;
use super::words::white_space;
use super::{Flag, Word};

/// A flag word.
#[derive(Clone, Debug)]
pub(super) struct RawFlag<'a> {
    /// As written.
    pub(super) raw: &'a str,
    /// With quotes and escapes taken off (LEX-41), without the dashes.
    text: String,
}

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// One value.
    Text,
    /// A value, and any number of times.
    List,
    /// Nothing, `true` or `false`.
    Switch,
}

/// A flag that an instruction knows.
pub(super) type Known = (&'static str, Kind);

/// The flags of an instruction, all of them known (LEX-44).
#[derive(Clone, Debug, Default)]
pub(super) struct Flags<'a> {
    /// Each flag, its value's text in the file.
    flags: Vec<(Flag, &'a str)>,
}

/// `flags`: flag words up to the first other word; a bare `--` ends them and is dropped (LEX-40).
pub(super) fn flags(escape: char, input: &str) -> Read<'_, Vec<RawFlag<'_>>> {
    let mut flags = Vec::new();
    let mut input = input;
    loop {
        let (start, _) = white_space(input)?;
        let (rest, read) = opt(|input| flag(escape, input)).parse(start)?;
        match read {
            Some(read) if read.text.is_empty() => {
                let (rest, _) = white_space(rest)?;
                return Ok((rest, flags));
            }
            Some(read) => flags.push(read),
            None => return Ok((start, flags)),
        }
        input = rest;
    }
}

/// `flag`: one flag word, with its quotes and escapes taken off (LEX-41).
fn flag(escape: char, input: &str) -> Read<'_, RawFlag<'_>> {
    let piece = |input| flag_piece(escape, input);
    let text = fold_many0(piece, String::new, |mut all, piece| {
        all.push_str(&piece);
        all
    });
    let (rest, (raw, text)) = preceded(peek(tag("--")), consumed(text)).parse(input)?;
    Ok((rest, RawFlag { raw, text: text.strip_prefix("--").unwrap_or(&text).to_owned() }))
}

/// `flag-piece`
fn flag_piece(escape: char, input: &str) -> Read<'_, String> {
    let plain = take_while1(move |c: char| !c.is_whitespace() && c != '\'' && c != '"' && c != escape);
    let literal = preceded(char(escape), opt(take(1_usize)));
    alt((map(plain, str::to_owned), map(literal, |next: Option<&str>| next.unwrap_or_default().to_owned()), |input| {
        flag_quoted(escape, input)
    }))
    .parse(input)
}

/// `flag-quoted`: the escape character works inside single quotes too; an open quote holds the rest.
fn flag_quoted(escape: char, input: &str) -> Read<'_, String> {
    let (input, quote) = one_of("'\"").parse(input)?;
    let plain = verify_some(take_till(move |c| c == quote || c == escape));
    let literal = map(preceded(char(escape), opt(take(1_usize))), Option::unwrap_or_default);
    let text = fold_many0(alt((plain, literal)), String::new, |mut all, piece| {
        all.push_str(piece);
        all
    });
    let (rest, (text, _)) = (text, opt(char(quote))).parse(input)?;
    Ok((rest, text))
}

/// Matches only when there is something.
fn verify_some<'a>(
    parser: impl Parser<&'a str, Output = &'a str, Error = Fault<'a>>,
) -> impl Parser<&'a str, Output = &'a str, Error = Fault<'a>> {
    nom::combinator::verify(parser, |text: &str| !text.is_empty())
}

impl<'a> Flags<'a> {
    /// Checks `raw` against the flags an instruction knows (LEX-44, D-10 to D-13).
    pub(super) fn check(
        context: &Context<'a>,
        raw: Vec<RawFlag<'a>>,
        known: &[Known],
    ) -> Result<Self, nom::Err<Fault<'a>>> {
        let mut flags: Vec<(Flag, &'a str)> = Vec::with_capacity(raw.len());
        for RawFlag { raw, text } in raw {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text.as_str(), None),
            };
            let failure = |code, message: String| Fault::new(raw, code, message);
            let Some((_, kind)) = known.iter().find(|(known, _)| *known == name) else {
                let near = suggest(name, known.iter().map(|(name, _)| *name));
                let help = near.map(|near| format!("did you mean `--{near}`?"));
                let fault = failure("D-10", format!("unknown flag: --{name}"));
                return Err(nom::Err::Failure(fault.help(help.or_else(|| Some(list(context, known))))));
            };
            if *kind != Kind::List && flags.iter().any(|(flag, _)| flag.name == name) {
                return Err(nom::Err::Failure(failure("D-11", format!("duplicate flag specified: --{name}"))));
            }
            match (kind, value) {
                (Kind::Switch, Some("")) | (Kind::Text | Kind::List, None) => {
                    let fault = failure("D-12", format!("missing a value on flag: --{name}"));
                    return Err(nom::Err::Failure(fault.help(Some(format!("write `--{name}=VALUE`")))));
                }
                (Kind::Switch, Some(value)) if boolean(value).is_none() => {
                    let message = format!("expecting boolean value for flag --{name}, not: {value}");
                    return Err(nom::Err::Failure(failure("D-13", message)));
                }
                _ => {}
            }
            let written = raw.find('=').map_or(raw, |at| &raw[at + 1..]);
            let span = context.span(raw);
            flags.push((Flag { name: name.to_owned(), value: value.map(str::to_owned), span }, written));
        }
        Ok(Self { flags })
    }

    /// The values of a flag: the text that counts, and how it was written.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = (&str, &'a str)> {
        let named = self.flags.iter().filter(move |(flag, _)| flag.name == name);
        named.map(|(flag, written)| (flag.value.as_deref().unwrap_or_default(), *written))
    }

    /// The value of a flag as a word.
    pub(super) fn word(&self, context: &Context<'a>, name: &str) -> Option<Word> {
        self.words(context, name).next()
    }

    /// All the values of a flag as words.
    pub(super) fn words(&self, context: &Context<'a>, name: &str) -> impl Iterator<Item = Word> {
        self.values(name).map(|(text, written)| Word { text: text.to_owned(), span: context.span(written) })
    }

    /// Whether a switch is on; `None` when it was not given.
    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        let (flag, _) = self.flags.iter().find(|(flag, _)| flag.name == name)?;
        Some(flag.value.as_deref().is_none_or(|value| boolean(value) == Some(true)))
    }

    /// For the syntax tree.
    pub(super) fn into_vec(self) -> Vec<Flag> {
        self.flags.into_iter().map(|(flag, _)| flag).collect()
    }
}

/// `true` or `false` in any case.
fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// What flags there are.
fn list(context: &Context<'_>, known: &[Known]) -> String {
    let keyword = context.keyword;
    if known.is_empty() {
        return format!("{keyword} has no flags; put `--` before a word that only looks like one");
    }
    let names: Vec<String> = known.iter().map(|(name, _)| format!("`--{name}`")).collect();
    format!("the flags of {keyword} are {}", names.join(", "))
}
