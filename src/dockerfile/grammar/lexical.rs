//! Lines, directives, the instruction word, flags and words (LEX-10 to LEX-45, ENV-3).

use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::char;
use nom::combinator::{all_consuming, recognize, rest, verify};
use nom::error::context;
use nom::multi::many0;
use nom::sequence::{preceded, terminated};
use nom::{AsChar, Parser};

use super::Res;

/// White space that separates words (LEX-6): not every Unicode space does.
pub(in crate::dockerfile) fn is_separator(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// A flag with its quotes removed, and the text it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::dockerfile) struct RawFlag<'a> {
    pub(in crate::dockerfile) text: String,
    pub(in crate::dockerfile) at: &'a str,
}

/// A line of white space.
pub(in crate::dockerfile) fn blank(input: &str) -> Res<'_, ()> {
    context("blank", all_consuming(take_while(char::is_whitespace))).map(drop).parse(input)
}

/// A comment line: what stands after its `#` (LEX-20).
pub(in crate::dockerfile) fn comment(input: &str) -> Res<'_, &str> {
    context("comment", preceded((take_while(char::is_whitespace), char('#')), rest)).parse(input)
}

/// A directive: its name in lower case, and its value (LEX-10).
pub(in crate::dockerfile) fn directive(input: &str) -> Res<'_, (String, &str)> {
    let name = recognize((verify(nom::character::complete::anychar, |c| c.is_ascii_alphabetic()), take_while(|c: char| c.is_alphanum() && c.is_ascii())));
    let head = (take_while(char::is_whitespace), char('#'), take_while(char::is_whitespace));
    let equals = (take_while(char::is_whitespace), char('='), take_while(char::is_whitespace));
    let value = verify(rest.map(str::trim_end), |value: &str| !value.is_empty());
    context("directive", (preceded(head, name), preceded(equals, value)))
        .map(|(name, value): (&str, &str)| (name.to_ascii_lowercase(), value))
        .parse(input)
}

/// A line that the next one continues: what stands before the escape character (LEX-30, LEX-31).
pub(in crate::dockerfile) fn continuation(escape: char, input: &str) -> Res<'_, &str> {
    let before = |text: &str| {
        let kept = text.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
        (!kept.ends_with(escape)).then_some(kept.len())
    };
    match before(input) {
        Some(length) => Ok(("", &input[..length])),
        None => Err(nom::Err::Error(super::Failure { at: input, reading: "continuation", fault: None })),
    }
}

/// The instruction word; may be empty (LEX-36).
pub(in crate::dockerfile) fn keyword(input: &str) -> Res<'_, &str> {
    context("keyword", terminated(take_while(|c| !is_separator(c)), take_while(is_separator))).parse(input)
}

/// All flags before the arguments (LEX-40).
pub(in crate::dockerfile) fn flags(escape: char, input: &str) -> Res<'_, Vec<RawFlag<'_>>> {
    let mut found = Vec::new();
    let mut at = input;
    loop {
        let (word, _) = nom::character::complete::multispace0(at)?;
        match flag(escape, word) {
            // A bare `--` ends the flags.
            Ok((after, flag)) if flag.text == "--" => return Ok((after, found)),
            Ok((after, flag)) => {
                found.push(flag);
                at = after;
            }
            Err(nom::Err::Error(_)) => return Ok((word, found)),
            Err(error) => return Err(error),
        }
    }
}

/// One word that begins with `--`: quotes group and vanish, the escape character makes the next one literal (LEX-41).
pub(in crate::dockerfile) fn flag(escape: char, input: &str) -> Res<'_, RawFlag<'_>> {
    let (_, _) = context("flag", nom::bytes::complete::tag("--")).parse(input)?;
    let mut text = String::new();
    let mut quote = None;
    let mut chars = input.char_indices();
    let mut end = input.len();
    while let Some((at, c)) = chars.next() {
        if c == escape {
            text.extend(chars.next().map(|(_, next)| next));
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_some() {
            text.push(c);
        } else if matches!(c, '"' | '\'') {
            quote = Some(c);
        } else if c.is_whitespace() {
            end = at;
            break;
        } else {
            text.push(c);
        }
    }
    Ok((&input[end..], RawFlag { text, at: &input[..end] }))
}

/// Words between white space; quotes mean nothing (COPY-2).
pub(in crate::dockerfile) fn list(input: &str) -> Res<'_, Vec<&str>> {
    let item = preceded(take_while(is_separator), plain_word);
    context("list", terminated(many0(item), take_while(is_separator))).parse(input)
}

/// One word of a list.
pub(in crate::dockerfile) fn plain_word(input: &str) -> Res<'_, &str> {
    context("plain-word", take_while1(|c| !is_separator(c))).parse(input)
}

/// Words in which quotes group and escapes protect, both kept (ENV-3).
pub(in crate::dockerfile) fn words(escape: char, input: &str) -> Res<'_, Vec<&str>> {
    let mut found = Vec::new();
    let mut at = input;
    loop {
        let (start, _) = take_while(char::is_whitespace).parse(at)?;
        if start.is_empty() {
            return Ok((start, found));
        }
        let (after, word) = quoted_word(escape, start)?;
        if !word.is_empty() {
            found.push(word);
        }
        at = after;
    }
}

/// One such word. A lone escape character at the end of the line is dropped.
pub(in crate::dockerfile) fn quoted_word(escape: char, input: &str) -> Res<'_, &str> {
    let mut quote = None;
    let mut chars = input.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == escape && quote != Some('\'') {
            if chars.next().is_none() && quote.is_none() {
                return Ok(("", &input[..at]));
            }
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
        } else if quote.is_none() && c.is_whitespace() {
            return Ok((&input[at..], &input[..at]));
        }
    }
    Ok(("", input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lex_10_directives() {
        for (input, want) in [
            ("# escape=`", Some(("escape", "`"))),
            ("#Syntax = docker/dockerfile:1 x ", Some(("syntax", "docker/dockerfile:1 x"))),
            ("# a b=c", None),
            ("# escape=", None),
            ("# 1a=b", None),
            ("FROM a=b", None),
        ] {
            let got = directive(input).ok().map(|(_, (name, value))| (name, value));
            assert_eq!(got.as_ref().map(|(name, value)| (name.as_str(), *value)), want, "{input:?}");
        }
    }

    #[test]
    fn lex_40_and_41_flags() {
        for (input, flags_want, rest_want) in [
            ("--a=1 --b x --c", vec!["--a=1", "--b"], "x --c"),
            (r#"--chown="a b" x"#, vec!["--chown=a b"], "x"),
            (r"--a=\'b\ c x", vec!["--a='b c"], "x"),
            ("-- --a x", vec![], " --a x"),
            ("x", vec![], "x"),
            ("--a", vec!["--a"], ""),
        ] {
            let (rest, got) = flags('\\', input).unwrap();
            assert_eq!(got.iter().map(|flag| flag.text.as_str()).collect::<Vec<_>>(), flags_want, "{input}");
            assert_eq!(rest, rest_want, "{input}");
        }
    }

    #[test]
    fn env_3_words() {
        for (input, want) in [
            (r#"a=b\ c d="x y""#, vec![r"a=b\ c", r#"d="x y""#]),
            (r"a='x\' b", vec![r"a='x\'", "b"]),
            ("a\\", vec!["a"]),
            ("", vec![]),
        ] {
            assert_eq!(words('\\', input).unwrap().1, want, "{input}");
        }
    }
}
