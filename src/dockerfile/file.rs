use nom::Parser;
use nom::combinator::opt;
use nom::multi::many0;

use super::directives::{Directive, byte_order_mark, directive_line, escape_of};
use super::fault::{Fault, Read};
use super::heredoc::{heredoc_body, openings};
use super::instructions::takes_heredocs;
use super::lines::{Logical, Physical, blank_line, comment_line, line, logical_line};
use super::{Heredoc, Span};

/// A stretch of whole lines, before instructions are looked into.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// A comment: what follows the `#`.
    Comment {
        /// That text.
        text: &'a str,
        /// The line with its end.
        whole: &'a str,
    },
    /// A line of white space.
    Blank(&'a str),
    /// An instruction's lines.
    Lines(Box<Lines<'a>>),
    /// The rest of the file, which cannot be divided.
    Broken(&'a str, Fault<'a>),
}

/// The lines of one instruction.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    /// Its text.
    pub(super) logical: Logical<'a>,
    /// The heredocs, in the order opened.
    pub(super) heredocs: Vec<Heredoc>,
    /// All its lines.
    pub(super) whole: &'a str,
}

/// What stands before the first instruction.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// The escape character in force (LEX-13).
    pub(super) escape: char,
    /// The directives.
    pub(super) directives: Vec<Directive<'a>>,
    /// What is wrong with them.
    pub(super) faults: Vec<Fault<'a>>,
}

/// `file`: reads the head; what follows is read `item` by `item`, since a file of a million lines is not to be held
/// twice. Never fails.
pub(super) fn file(input: &str) -> Read<'_, Head<'_>> {
    let (input, _) = opt(byte_order_mark).parse(input)?;
    let (input, directives) = directives(input)?;
    let (escape, faults) = escape_of(&directives);
    Ok((input, Head { escape, directives, faults }))
}

/// `directives`: the consecutive first lines that are known ones (LEX-11).
fn directives(input: &str) -> Read<'_, Vec<Directive<'_>>> {
    // A line after them that is too long only ends them: `item` tells of it.
    let gently = |input| {
        directive_line(input).map_err(|error| match error {
            nom::Err::Failure(fault) => nom::Err::Error(fault),
            other => other,
        })
    };
    many0(gently).parse(input)
}

/// `item`: the next piece, which is everything that is left when that cannot be divided.
pub(super) fn item(escape: char, input: &str) -> Read<'_, Piece<'_>> {
    let item = match line(input) {
        Ok((rest, Physical { content, whole })) => {
            if let Ok((_, text)) = comment_line(content) {
                return Ok((rest, Piece::Comment { text, whole }));
            }
            if blank_line(content).is_ok() {
                return Ok((rest, Piece::Blank(whole)));
            }
            instruction_lines(escape, input).map(|(rest, lines)| (rest, Piece::Lines(Box::new(lines))))
        }
        Err(error) => Err(error),
    };
    match item {
        Err(nom::Err::Failure(fault)) => Ok((&input[input.len()..], Piece::Broken(input, fault))),
        read => read,
    }
}

/// `instruction-lines`: fails for good when a heredoc has no end (D-8).
pub(super) fn instruction_lines(escape: char, input: &str) -> Read<'_, Lines<'_>> {
    let (mut rest, logical) = logical_line(escape, input)?;
    let mut heredocs = Vec::new();
    if logical.text.contains("<<") && takes_heredocs(escape, logical.text.trim()) {
        for (word, opening) in openings(&logical.text) {
            let word = logical.source(word).unwrap_or(input);
            let (after, heredoc) =
                heredoc_body(&opening, word, rest).map_err(|error| error.map(|fault| fault.over(input)))?;
            heredocs.push(heredoc);
            rest = after;
        }
    }
    Ok((rest, Lines { logical, heredocs, whole: &input[..input.len() - rest.len()] }))
}

/// The place of `part` in `file`, of which it must be a slice.
pub(super) fn place(file: &str, part: &str) -> Span {
    let start = nom::Offset::offset(file, part);
    Span::new(start, start + part.len())
}
