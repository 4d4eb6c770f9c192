use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_till, take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{opt, recognize, rest};
use nom::multi::{many0_count, many1_count, separated_list0};

use super::fault::Read;

/// What stands between an instruction word and its arguments, and between plain words (LEX-6).
pub(super) fn is_separator(character: char) -> bool {
    matches!(character, '\t' | '\x0b' | '\x0c' | '\r' | ' ')
}

/// `separator`
pub(super) fn separator(input: &str) -> Read<'_, &str> {
    take_while1(is_separator).parse(input)
}

/// `white-space`: any amount of it, as Unicode sees it (LEX-6).
pub(super) fn white_space(input: &str) -> Read<'_, &str> {
    take_while(char::is_whitespace).parse(input)
}

/// `plain-word`: quotes mean nothing here (COPY-2).
pub(super) fn plain_word(input: &str) -> Read<'_, &str> {
    take_while1(|character| !is_separator(character)).parse(input)
}

/// `plain-words`
pub(super) fn plain_words(input: &str) -> Read<'_, Vec<&str>> {
    separated_list0(separator, plain_word).parse(input)
}

/// `quoted-word`: up to white space outside quotes; quotes and escapes are kept for expansion (ENV-3).
pub(super) fn quoted_word(escape: char, input: &str) -> Read<'_, &str> {
    let piece = |input| {
        alt((
            recognize(take_while1(move |c: char| !c.is_whitespace() && c != '\'' && c != '"' && c != escape)),
            |input| escaped(escape, input),
            single_quoted,
            |input| double_quoted(escape, input),
            open_quote,
        ))
        .parse(input)
    };
    recognize(many1_count(piece)).parse(input)
}

/// `quoted-words`
pub(super) fn quoted_words(escape: char, input: &str) -> Read<'_, Vec<&str>> {
    separated_list0(take_while1(char::is_whitespace), |input| quoted_word(escape, input)).parse(input)
}

/// `escaped`: the escape character and what it protects, if anything follows.
pub(super) fn escaped(escape: char, input: &str) -> Read<'_, &str> {
    recognize((char(escape), opt(take(1_usize)))).parse(input)
}

/// `single-quoted`: nothing is special inside (EXP-30).
pub(super) fn single_quoted(input: &str) -> Read<'_, &str> {
    recognize((char('\''), take_till(|c| c == '\''), char('\''))).parse(input)
}

/// `double-quoted`: the escape character protects a quote (EXP-31).
pub(super) fn double_quoted(escape: char, input: &str) -> Read<'_, &str> {
    let piece =
        |input| alt((take_while1(move |c| c != '"' && c != escape), move |input| escaped(escape, input))).parse(input);
    recognize((char('"'), many0_count(piece), char('"'))).parse(input)
}

/// `open-quote`: a quote that nothing closes holds the rest; expansion reports it (EXP-33).
fn open_quote(input: &str) -> Read<'_, &str> {
    recognize((alt((tag("'"), tag("\""))), rest)).parse(input)
}
