use std::ops::Range;

use nom::Offset;

use super::file::instruction_lines;
use super::lines::{blank_line, comment_line, continuation, line};
use super::tokens::{Token, tokens};

/// One instruction as it stands in the file: what [`super::parse()`] makes nothing of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout<'a> {
    /// Its lines, heredocs left out.
    pub lines: Vec<LayoutLine<'a>>,
    /// The texts of the lines put together: the logical line, not trimmed.
    pub text: String,
    /// What the logical line consists of: places in `text`.
    pub tokens: Vec<(Token, Range<usize>)>,
    /// The bodies of heredocs, with the lines that end them.
    pub heredocs: &'a str,
}

/// One physical line of an instruction, its line end left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutLine<'a> {
    /// What it adds to the logical line: the escape character that joins the next line is left out, and so is the white
    /// space before the instruction.
    Text(&'a str),
    /// A comment, with the white space before it (LEX-22).
    Comment(&'a str),
    /// White space (LEX-33).
    Blank,
}

impl<'a> Layout<'a> {
    /// Reads the lines of one instruction, which `whole` must be and nothing else; the escape character is that of the
    /// file.
    pub fn read(escape: char, whole: &'a str) -> Option<Self> {
        let (rest, stretch) = instruction_lines(escape, whole).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let (lines, heredocs) = physical_lines(escape, whole);
        let text = stretch.logical.text;
        let tokens = tokens(escape, text.trim())
            .into_iter()
            .map(|(token, part)| {
                let start = text.offset(part);
                (token, start..start + part.len())
            })
            .collect();
        Some(Self { lines, text, tokens, heredocs })
    }
}

/// The lines of a logical line, and what follows it.
fn physical_lines(escape: char, whole: &str) -> (Vec<LayoutLine<'_>>, &str) {
    let mut lines = Vec::new();
    let mut rest = whole;
    while let Ok((after, physical)) = line(rest) {
        rest = after;
        let content = if lines.is_empty() { physical.content.trim_start() } else { physical.content };
        if !lines.is_empty() && blank_line(content).is_ok() {
            lines.push(LayoutLine::Blank);
        } else if !lines.is_empty() && comment_line(content).is_ok() {
            lines.push(LayoutLine::Comment(content));
        } else if let Ok((_, joined)) = continuation(escape, content) {
            lines.push(LayoutLine::Text(joined));
        } else {
            lines.push(LayoutLine::Text(content));
            break;
        }
    }
    (lines, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use LayoutLine::{Blank, Comment, Text};

    #[test]
    fn lex_20_to_34_lines_of_an_instruction() {
        let whole = "  RUN a \\\n # b\\\n\n\\\n  <<E c\r\n# body\nE\n";
        let layout = Layout::read('\\', whole).unwrap();
        assert_eq!(layout.lines, [Text("RUN a "), Comment(" # b\\"), Blank, Text(""), Text("  <<E c")]);
        assert_eq!((layout.text.as_str(), layout.heredocs), ("RUN a   <<E c", "# body\nE\n"));
        assert_eq!(layout.tokens, [(Token::Keyword, 0..3), (Token::Raw, 4..13)]);
        for no_instruction in ["RUN a\nRUN b\n", "RUN <<E\n", ""] {
            assert_eq!(Layout::read('\\', no_instruction), None, "{no_instruction:?}");
        }
    }
}
