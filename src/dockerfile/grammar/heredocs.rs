//! Heredoc words (LEX-50 to LEX-59). Bodies are read by [`crate::dockerfile::bodies`], since they are physical lines.

use nom::Parser;
use nom::bytes::complete::{tag, take_while};
use nom::character::complete::{char, digit0};
use nom::combinator::{opt, rest, verify};
use nom::error::context;

use super::{Failure, Res};

/// What a heredoc word says of the body that follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::dockerfile) struct Opening<'a> {
    /// The whole word.
    pub(in crate::dockerfile) at: &'a str,
    /// The delimiter, unquoted.
    pub(in crate::dockerfile) name: String,
    /// No quotes were removed from it (LEX-54).
    pub(in crate::dockerfile) expand: bool,
    /// `<<-`
    pub(in crate::dockerfile) strip_tabs: bool,
    /// The number before it.
    pub(in crate::dockerfile) fd: Option<u32>,
}

/// One word that opens a heredoc, delimiter included: `DIGITS? << -? DELIM`.
pub(in crate::dockerfile) fn heredoc_word(input: &str) -> Res<'_, Opening<'_>> {
    let (_, (fd, strip, delimiter)) =
        context("heredoc-word", (digit0, (tag("<<"), opt(char('-'))), heredoc_delimiter)).parse(input).map(
            |(left, (fd, (_, strip), delimiter))| (left, (fd, strip, delimiter)),
        )?;
    let (name, quoted) = delimiter;
    Ok(("", Opening { at: input, name, expand: !quoted, strip_tabs: strip.is_some(), fd: fd.parse().ok() }))
}

/// The delimiter, unquoted, and whether it was quoted (LEX-53, LEX-54).
pub(in crate::dockerfile) fn heredoc_delimiter(input: &str) -> Res<'_, (String, bool)> {
    let delimiter = verify(rest, |text: &str| !text.is_empty() && !text.contains('<'));
    let (left, raw) = context("heredoc-delimiter", delimiter).parse(input)?;
    let mut name = String::new();
    let mut quote = None;
    let mut quoted = false;
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => {
                quote = Some(c);
                quoted = true;
            }
            (c, Some(open)) if c == open => quote = None,
            ('\\', None) => name.extend(chars.next()),
            (c, _) => name.push(c),
        }
    }
    if name.is_empty() || quote.is_some() {
        return Err(nom::Err::Error(Failure { at: input, reading: "heredoc-delimiter", fault: None }));
    }
    Ok((left, (name, quoted)))
}

/// Shell words with their quotes and escapes kept; an unbalanced quote is no list of words at all (LEX-52).
pub(in crate::dockerfile) fn shell_words(input: &str) -> Res<'_, Vec<&str>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut chars = input.char_indices();
    while let Some((at, c)) = chars.next() {
        if quote.is_none() && c.is_whitespace() {
            if let Some(start) = start.take() {
                words.push(&input[start..at]);
            }
            continue;
        }
        start.get_or_insert(at);
        match (c, quote) {
            ('\\', None | Some('"')) => {
                chars.next();
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    if quote.is_some() {
        return Err(nom::Err::Error(Failure { at: input, reading: "shell-words", fault: None }));
    }
    words.extend(start.map(|start| &input[start..]));
    Ok(("", words))
}

/// All heredocs that a logical line opens. `spaced` allows blanks before a delimiter, as RUN does.
pub(in crate::dockerfile) fn heredocs(spaced: bool, input: &str) -> Res<'_, Vec<Opening<'_>>> {
    if !input.contains("<<") {
        return Ok((input, Vec::new()));
    }
    let (_, words) = shell_words(input)?;
    let mut found = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if let Ok((_, opening)) = heredoc_word(word) {
            found.push(opening);
        } else if spaced
            && let Ok((_, head)) = heredoc_head(word)
            && let Some(next) = words.peek()
            && let Ok((_, (name, quoted))) = heredoc_delimiter(next)
        {
            let fd = head.trim_end_matches(['<', '-']).parse().ok();
            found.push(Opening { at: word, name, expand: !quoted, strip_tabs: head.ends_with('-'), fd });
            words.next();
        }
    }
    Ok(("", found))
}

/// Whether a line is nothing but one heredoc word (RUN-4).
pub fn opens_alone(line: &str) -> bool {
    let line = line.trim();
    match shell_words(line) {
        Ok((_, words)) => match &words[..] {
            [word] => heredoc_word(word).is_ok(),
            [head, delimiter] => heredoc_head(head).is_ok() && heredoc_delimiter(delimiter).is_ok(),
            _ => false,
        },
        Err(_) => false,
    }
}

/// `<<` or `<<-` standing alone, its delimiter in the next word.
pub(in crate::dockerfile) fn heredoc_head(input: &str) -> Res<'_, &str> {
    context(
        "heredoc-head",
        nom::combinator::all_consuming(nom::combinator::recognize((
            take_while(|c: char| c.is_ascii_digit()),
            tag("<<"),
            opt(char('-')),
        ))),
    )
    .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lex_51_to_54_words_that_open_heredocs() {
        for (input, want) in [
            ("RUN cat <<EOF", vec![("EOF", true, false)]),
            ("RUN cat<<EOF", vec![]),
            ("RUN <<<x", vec![]),
            ("RUN << EOF", vec![("EOF", true, false)]),
            ("RUN <<- EOF", vec![("EOF", true, true)]),
            ("RUN 3<<-'E F' <<\"B\"", vec![("E F", false, true), ("B", false, false)]),
            (r"RUN <<\EOF", vec![("EOF", true, false)]),
            ("RUN <<EOF>out", vec![("EOF>out", true, false)]),
            ("RUN echo <<$X", vec![("$X", true, false)]),
            ("RUN x <<", vec![]),
        ] {
            let (_, got) = heredocs(true, input).unwrap();
            let got: Vec<_> = got.iter().map(|found| (found.name.as_str(), found.expand, found.strip_tabs)).collect();
            assert_eq!(got, want, "{input}");
        }
        assert!(heredocs(true, "RUN echo it's <<EOF").is_err(), "LEX-52");
    }
}
