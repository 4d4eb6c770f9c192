use nom::branch::alt;
use nom::bytes::complete::take_till;
use nom::character::complete::{char, space0};
use nom::combinator::{all_consuming, opt, recognize, rest, verify};
use nom::error::{ErrorKind, make_error};
use nom::sequence::preceded;
use nom::{Offset, Parser};

use super::Span;
use super::fault::{Fault, Read};
use super::words::white_space;

/// Bytes a physical line may hold, without its line feed (LEX-4).
const LONGEST: usize = 65535;

/// A physical line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Physical<'a> {
    /// Without the carriage returns and the line feed at its end (LEX-3).
    pub(super) content: &'a str,
    /// With them.
    pub(super) whole: &'a str,
}

/// An instruction's text with continuations, comments and blank lines taken out, which knows where each byte was.
#[derive(Clone, Debug, Default)]
pub(super) struct Logical<'a> {
    /// The text.
    pub(super) text: String,
    /// Where each stretch begins in `text`, and the stretch in the file.
    pieces: Vec<(usize, &'a str)>,
    /// A blank line stood among the lines (LEX-33).
    pub(super) empty_continuation: bool,
}

impl<'a> Logical<'a> {
    fn push(&mut self, piece: &'a str) {
        if !piece.is_empty() {
            self.pieces.push((self.text.len(), piece));
            self.text.push_str(piece);
        }
    }

    /// The place in `file` of `part`, which must be a slice of `text`.
    pub(super) fn span(&self, file: &str, part: &str) -> Span {
        let start = self.text.offset(part);
        let from = self.locate(file, start, self.pieces.partition_point(|(begin, _)| *begin <= start));
        let end = start + part.len();
        // The end belongs to the piece that holds the last byte: the next piece may be lines away.
        let to = self.locate(file, end, self.pieces.partition_point(|(begin, _)| *begin < end));
        Span::new(from, to.max(from))
    }

    /// The place of byte `at`, which the last of the first `count` pieces holds.
    fn locate(&self, file: &str, at: usize, count: usize) -> usize {
        match count.checked_sub(1).and_then(|last| self.pieces.get(last)) {
            Some((begin, piece)) => file.offset(piece) + (at - begin),
            None => self.pieces.first().map_or(0, |(_, piece)| file.offset(piece)),
        }
    }

    /// The place in the file of `part`, as a slice of the file.
    pub(super) fn source(&self, part: &str) -> Option<&'a str> {
        let start = self.text.offset(part);
        let count = self.pieces.partition_point(|(begin, _)| *begin <= start);
        let (begin, piece) = self.pieces.get(count.checked_sub(1)?)?;
        let from = start - begin;
        piece.get(from..(from + part.len()).min(piece.len()))
    }
}

/// `line`: fails at the end of the file, and for good when the line is too long (D-3).
pub(super) fn line(input: &str) -> Read<'_, Physical<'_>> {
    let ended = recognize((take_till(|c| c == '\n'), char('\n')));
    let (rest, whole) = alt((ended, verify(rest, |last: &str| !last.is_empty()))).parse(input)?;
    let bare = whole.strip_suffix('\n').unwrap_or(whole);
    if bare.len() > LONGEST {
        let message = format!("dockerfile line greater than max allowed size of {LONGEST}");
        let start = bare.char_indices().take(80).last().map_or(0, |(at, _)| at);
        return Fault::new(&bare[..start], "D-3", message)
            .label(format!("this line has {} bytes", bare.len()))
            .help(Some("split the line with continuations".to_owned()))
            .fail();
    }
    Ok((rest, Physical { content: bare.trim_end_matches('\r'), whole }))
}

/// `blank-line`: the content of one physical line that is white space.
pub(super) fn blank_line(input: &str) -> Read<'_, &str> {
    all_consuming(white_space).parse(input)
}

/// `comment-line`: what follows the `#` in the content of one physical line (LEX-20).
pub(super) fn comment_line(input: &str) -> Read<'_, &str> {
    preceded((white_space, char('#')), rest).parse(input)
}

/// `continuation`: what stands before an escape character that joins the next line (LEX-30, LEX-31).
///
/// Reads the content of one physical line.
pub(super) fn continuation(escape: char, input: &str) -> Read<'_, &str> {
    let before = input.trim_end_matches([' ', '\t']).strip_suffix(escape).filter(|text| !text.ends_with(escape));
    match before {
        Some(before) => {
            let (rest, _) = (char(escape), space0).parse(&input[before.len()..])?;
            Ok((rest, before))
        }
        None => no_match(input),
    }
}

/// `logical-line`: the lines of one instruction, heredoc bodies not included (LEX-22, LEX-30 to LEX-34).
pub(super) fn logical_line(escape: char, input: &str) -> Read<'_, Logical<'_>> {
    let mut logical = Logical::default();
    let (mut input, first) = line(input)?;
    let mut content = first.content.trim_start();
    loop {
        let (_, joined) = opt(|input| continuation(escape, input)).parse(content)?;
        logical.push(joined.unwrap_or(content));
        if joined.is_none() {
            return Ok((input, logical));
        }
        loop {
            let (after, next) = opt(line).parse(input)?;
            let Some(next) = next else { return Ok((input, logical)) };
            input = after;
            let blank = blank_line(next.content).is_ok();
            logical.empty_continuation |= blank;
            if !blank && comment_line(next.content).is_err() {
                content = next.content;
                break;
            }
        }
    }
}

/// The production does not match here; another may.
pub(super) fn no_match<T>(at: &str) -> Read<'_, T> {
    Err(nom::Err::Error(make_error(at, ErrorKind::Verify)))
}
