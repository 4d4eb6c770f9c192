//! What a logical line consists of, told by the productions that the syntax tree is read by.

use super::Keyword;
use super::flags::flags;
use super::instructions::head;
use super::json::json_elements;
use super::words::{is_separator, plain_word, plain_words, quoted_word, quoted_words, white_space};

/// What a part of a logical line is. Between two parts only white space may stand, and in the JSON form commas; none of it
/// means anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token {
    /// A word of the language, which may be written in upper or lower case.
    Keyword,
    /// A flag, or `--`, which ends the flags.
    Flag,
    /// One of several words.
    Word,
    /// The bracket that opens a JSON array.
    Open,
    /// A string of a JSON array.
    Element,
    /// The bracket that closes it.
    Close,
    /// The rest of the line, in which each byte counts.
    Raw,
}

type Part<'a> = (Token, &'a str);

/// The parts of a logical line without an error, trimmed.
pub(super) fn tokens(escape: char, text: &str) -> Vec<Part<'_>> {
    let (keyword, word, rest) = head(text);
    let mut parts = vec![(Token::Keyword, word)];
    let rest = flag_words(escape, rest, &mut parts);
    match keyword {
        Some(Keyword::From) => {
            let place = |number| if number == 1 { Token::Keyword } else { Token::Word };
            parts.extend(words(rest).into_iter().enumerate().map(|(number, word)| (place(number), word)));
        }
        Some(Keyword::Add | Keyword::Copy | Keyword::Volume) => {
            parts.extend(json(rest).unwrap_or_else(|| as_words(words(rest))));
        }
        Some(Keyword::Expose) => parts.extend(as_words(words(rest))),
        Some(Keyword::Env | Keyword::Label) => parts.extend(pairs(escape, rest)),
        Some(Keyword::Arg) => parts.extend(as_words(quoted(escape, rest))),
        Some(Keyword::Run | Keyword::Cmd | Keyword::Entrypoint | Keyword::Shell) => parts.extend(command(rest)),
        Some(Keyword::Healthcheck) => {
            if let Ok((rest, kind)) = plain_word(rest) {
                parts.push((Token::Keyword, kind));
                parts.extend(command(white_space(rest).map_or(rest, |(rest, _)| rest)));
            }
        }
        Some(Keyword::Maintainer | Keyword::Onbuild | Keyword::StopSignal | Keyword::User | Keyword::Workdir)
        | None => parts.extend(raw(rest)),
    }
    parts
}

/// Adds the flags at the head of `text`, and gives what follows them.
fn flag_words<'a>(escape: char, text: &'a str, parts: &mut Vec<Part<'a>>) -> &'a str {
    let Ok((rest, flags)) = flags(escape, text) else { return text };
    let mut end = text;
    for flag in flags {
        parts.push((Token::Flag, flag.raw));
        end = &text[nom::Offset::offset(text, flag.raw) + flag.raw.len()..];
    }
    // What is left in between is the word that ends the flags.
    let between = end[..end.len() - rest.len()].trim();
    if !between.is_empty() {
        parts.push((Token::Flag, between));
    }
    rest
}

fn words(text: &str) -> Vec<&str> {
    plain_words(text).map_or_else(|_| Vec::new(), |(_, words)| words)
}

fn quoted(escape: char, text: &str) -> Vec<&str> {
    quoted_words(escape, text).map_or_else(|_| Vec::new(), |(_, words)| words)
}

fn as_words(words: Vec<&str>) -> Vec<Part<'_>> {
    words.into_iter().map(|word| (Token::Word, word)).collect()
}

fn raw(text: &str) -> Option<Part<'_>> {
    (!text.is_empty()).then_some((Token::Raw, text))
}

/// An exec form, or else text for a shell.
fn command(text: &str) -> Vec<Part<'_>> {
    json(text).unwrap_or_else(|| raw(text).into_iter().collect())
}

/// `NAME=VALUE …`, or a name and text (ENV-1).
fn pairs(escape: char, text: &str) -> Vec<Part<'_>> {
    let is_legacy = quoted_word(escape, text).is_ok_and(|(_, first)| !first.contains('='));
    if !is_legacy {
        return as_words(quoted(escape, text));
    }
    let (name, value) = text.split_at(text.find(is_separator).unwrap_or(text.len()));
    let value = value.trim_start_matches(is_separator);
    std::iter::once((Token::Word, name)).chain(raw(value)).collect()
}

fn json(text: &str) -> Option<Vec<Part<'_>>> {
    let elements = json_elements(text)?;
    let text = text.trim();
    let (open, close) = (&text[..1], &text[text.len() - 1..]);
    let mut parts = vec![(Token::Open, open)];
    parts.extend(elements.into_iter().map(|element| (Token::Element, element)));
    parts.push((Token::Close, close));
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instruction_has_its_parts() {
        let kind = |token| match token {
            Token::Keyword => 'k',
            Token::Flag => 'f',
            Token::Word => 'w',
            Token::Open => '[',
            Token::Element => 'e',
            Token::Close => ']',
            Token::Raw => 'r',
        };
        for (text, want) in [
            ("from --platform=a  b as c", "k:from f:--platform=a w:b k:as w:c"),
            ("ARG --x A=\"1 2\" B", "k:ARG f:--x w:A=\"1|2\" w:B"),
            ("ENV a=1  b='c d'", "k:ENV w:a=1 w:b='c|d'"),
            ("ENV a  b  c", "k:ENV w:a r:b||c"),
            ("RUN --mount='a b' -- x  y", "k:RUN f:--mount='a|b' f:-- r:x||y"),
            ("RUN [ \"a\" , \"b\" ]", "k:RUN [:[ e:\"a\" e:\"b\" ]:]"),
            ("CMD ['a']", "k:CMD r:['a']"),
            ("CMD", "k:CMD"),
            ("COPY --link a  <<E b", "k:COPY f:--link w:a w:<<E w:b"),
            ("VOLUME []", "k:VOLUME [:[ ]:]"),
            ("HEALTHCHECK --retries=1 cmd a  b", "k:HEALTHCHECK f:--retries=1 k:cmd r:a||b"),
            ("HEALTHCHECK none", "k:HEALTHCHECK k:none"),
            ("ONBUILD copy  a b", "k:ONBUILD r:copy||a|b"),
            ("WORKDIR /a  b", "k:WORKDIR r:/a||b"),
        ] {
            let parts = tokens('\\', text);
            let got: Vec<_> =
                parts.iter().map(|(token, part)| format!("{}:{}", kind(*token), part.replace(' ', "|"))).collect();
            assert_eq!(got.join(" "), want);
        }
    }
}
