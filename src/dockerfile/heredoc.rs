use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, digit0, digit1};
use nom::combinator::{all_consuming, map_opt, opt, recognize, rest, verify};
use nom::multi::{many0_count, many1_count, separated_list0};
use nom::sequence::{delimited, preceded};

use super::Heredoc;
use super::fault::{Fault, Read};
use super::lines::{line, no_match};
use super::words::{double_quoted, escaped, single_quoted, white_space};

/// The escape character of heredoc words, whatever the file's is (LEX-35).
const ESCAPE: char = '\\';

/// A word that opens a heredoc.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Opening {
    /// The delimiter, unquoted.
    pub(super) name: String,
    /// No quotes stood in it (LEX-54).
    expand: bool,
    /// `<<-`
    strip_tabs: bool,
    /// The number before.
    fd: Option<u32>,
}

/// `shell-script`: the words of a line as a shell sees them; fails when a quote is not closed (LEX-51, LEX-52).
pub(super) fn shell_script(input: &str) -> Read<'_, Vec<&str>> {
    let words = separated_list0(take_while1(char::is_whitespace), shell_word);
    all_consuming(delimited(white_space, words, white_space)).parse(input)
}

/// `shell-word`: up to white space outside quotes; white space may follow a `<<` that begins the word.
fn shell_word(input: &str) -> Read<'_, &str> {
    let opening = recognize((digit0, tag("<<"), opt(char('-')), white_space));
    let begun = (opening, many0_count(shell_piece)).map(|_| ());
    recognize(alt((begun, many1_count(shell_piece).map(|_| ())))).parse(input)
}

/// `shell-piece`
fn shell_piece(input: &str) -> Read<'_, &str> {
    alt((
        take_while1(|c: char| !c.is_whitespace() && c != '\'' && c != '"' && c != ESCAPE),
        |input| escaped(ESCAPE, input),
        single_quoted,
        |input| double_quoted(ESCAPE, input),
    ))
    .parse(input)
}

/// `heredoc-word`: a whole word of the form `3<<-"NAME"` (LEX-51, LEX-54, LEX-59).
pub(super) fn heredoc_word(input: &str) -> Read<'_, Opening> {
    let fd = opt(map_opt(digit1, |digits: &str| digits.parse().ok()));
    let delimiter = verify(rest, |text: &str| !text.is_empty() && !text.contains('<'));
    let (rest, (fd, _, dash, delimiter)) =
        (fd, tag("<<"), opt(char('-')), preceded(white_space, delimiter)).parse(input)?;
    let (_, (name, quoted)) = heredoc_delimiter(delimiter)?;
    Ok((rest, Opening { name, expand: !quoted, strip_tabs: dash.is_some(), fd }))
}

/// `heredoc-delimiter`: one shell word with its quotes taken off, and whether there were any (LEX-53, LEX-54).
fn heredoc_delimiter(input: &str) -> Read<'_, (String, bool)> {
    let (rest, pieces) = all_consuming(nom::multi::many1(shell_piece)).parse(input)?;
    let mut name = String::new();
    let mut quoted = false;
    for piece in pieces {
        match piece.chars().next() {
            Some('\'') => name.push_str(&piece[1..piece.len() - 1]),
            Some('"') => unescape(&piece[1..piece.len() - 1], &mut name),
            Some(ESCAPE) => name.push_str(&piece[1..]),
            _ => name.push_str(piece),
        }
        quoted |= piece.starts_with(['\'', '"']);
    }
    Ok((rest, (name, quoted)))
}

/// Takes the backslashes off that protect something inside double quotes (EXP-31).
fn unescape(text: &str, into: &mut String) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let protects = character == ESCAPE && characters.peek().is_some_and(|next| matches!(next, '"' | '$' | '\\'));
        into.push(if protects { characters.next().unwrap_or(character) } else { character });
    }
}

/// The words of `text` that open heredocs, each with its text; none when a quote is not closed (LEX-52).
pub(super) fn openings(text: &str) -> Vec<(&str, Opening)> {
    let Ok((_, words)) = shell_script(text) else { return Vec::new() };
    words.into_iter().filter_map(|word| heredoc_word(word).ok().map(|(_, opening)| (word, opening))).collect()
}

/// `heredoc-body`: the lines up to the delimiter (LEX-56); fails for good at the end of the file (D-8).
///
/// `word` is what opened it, for the report.
pub(super) fn heredoc_body<'a>(opening: &Opening, word: &'a str, input: &'a str) -> Read<'a, Heredoc> {
    let mut rest = input;
    while let Ok((after, line)) = line(rest) {
        let content = if opening.strip_tabs { line.content.trim_start_matches('\t') } else { line.content };
        if content == opening.name {
            let body = input[..input.len() - rest.len()].to_owned();
            let Opening { name, expand, strip_tabs, fd } = opening.clone();
            return Ok((after, Heredoc { name, body, expand, strip_tabs, fd }));
        }
        rest = after;
    }
    let cause = Fault::new(word, "D-8", "unterminated heredoc");
    if rest.is_empty() {
        let name = &opening.name;
        cause.label("opened here").help(Some(format!("end it with a line that holds `{name}` and nothing else"))).fail()
    } else {
        cause.label("a line of its body is longer than 65535 bytes").fail()
    }
}

/// `heredoc-source`: a word of COPY or ADD that opens a heredoc (COPY-61).
pub(super) fn heredoc_source(input: &str) -> Read<'_, Opening> {
    if input.contains("<<") { heredoc_word(input) } else { no_match(input) }
}

/// Whether a line is nothing but one word that opens a heredoc (RUN-4).
pub fn opens_alone(line: &str) -> bool {
    matches!(shell_script(line), Ok((_, words)) if matches!(words[..], [only] if heredoc_word(only).is_ok()))
}

/// A line with its heredocs behind it, as shells and ONBUILD triggers want them (RUN-6, ONB-2).
pub fn attach_heredocs(line: &str, heredocs: &[Heredoc]) -> String {
    heredocs.iter().fold(line.to_owned(), |mut text, heredoc| {
        text.push('\n');
        text.push_str(&heredoc.body);
        text.push_str(&heredoc.name);
        text
    })
}
