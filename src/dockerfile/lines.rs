//! Physical lines, and logical lines with their continuations joined (LEX-1 to LEX-8, LEX-30 to LEX-36).

use super::grammar::lexical::{blank, comment, continuation};
use super::{Lines, Span};

/// Most bytes of a physical line, its LF not counted (LEX-4).
pub(super) const MAX_LINE: usize = 65535;

/// A physical line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Where it begins in the file.
    pub(super) start: usize,
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its bytes with the line end.
    pub(super) whole: &'a str,
}

impl<'a> Line<'a> {
    /// Without the trailing CR and LF bytes (LEX-3).
    pub(super) fn text(&self) -> &'a str {
        self.whole.trim_end_matches(['\r', '\n'])
    }

    /// One after its last byte.
    pub(super) fn end(&self) -> usize {
        self.start + self.whole.len()
    }

    /// Whether it is longer than any line may be.
    pub(super) fn is_too_long(&self) -> bool {
        self.whole.strip_suffix('\n').unwrap_or(self.whole).len() > MAX_LINE
    }

    /// Whether it is white space only.
    pub(super) fn is_blank(&self) -> bool {
        blank(self.text()).is_ok()
    }

    /// Whether it is a comment (LEX-20).
    pub(super) fn is_comment(&self) -> bool {
        comment(self.text()).is_ok()
    }
}

/// The physical lines of a text from `start` on; an empty rest has none.
pub(super) fn split(text: &str, start: usize) -> Vec<Line<'_>> {
    let mut at = start;
    let mut lines = Vec::new();
    for whole in text[start..].split_inclusive('\n') {
        lines.push(Line { start: at, number: lines.len() + 1, whole });
        at += whole.len();
    }
    lines
}

/// A logical line: text with continuations removed, and where each piece of it stands in the file.
#[derive(Debug)]
pub(super) struct Logical {
    /// Trimmed at both ends.
    pub(super) text: String,
    /// `(offset in text, offset in file)` at the start of each piece.
    pieces: Vec<(usize, usize)>,
    /// The physical lines it took.
    pub(super) lines: Lines,
    /// How many entries of the list of lines it took.
    pub(super) taken: usize,
    /// LEX-33.
    pub(super) empty_continuation: bool,
    /// A physical line that is too long.
    pub(super) too_long: Option<usize>,
}

/// Joins the line at the head of `lines`, which is neither blank nor a comment, with those that continue it.
pub(super) fn join(lines: &[Line<'_>], escape: char) -> Logical {
    let mut logical = Logical {
        text: String::new(),
        pieces: Vec::new(),
        lines: Lines { first: lines[0].number, last: lines[0].number },
        taken: 0,
        empty_continuation: false,
        too_long: None,
    };
    for (index, line) in lines.iter().enumerate() {
        logical.taken = index + 1;
        if line.is_too_long() {
            logical.too_long.get_or_insert(line.number);
        }
        if index > 0 {
            if line.is_comment() {
                continue;
            }
            if line.is_blank() {
                logical.empty_continuation = true;
                continue;
            }
        }
        logical.lines.last = line.number;
        let text = line.text();
        let indent = if index == 0 { text.len() - text.trim_start().len() } else { 0 };
        let (piece, goes_on) = match continuation(escape, text) {
            Ok((_, kept)) => (kept, true),
            Err(_) => (text, false),
        };
        logical.pieces.push((logical.text.len(), line.start + indent));
        logical.text.push_str(piece.get(indent..).unwrap_or_default());
        if !goes_on {
            break;
        }
    }
    logical.text.truncate(logical.text.trim_end().len());
    logical
}

impl Logical {
    /// Where byte `offset` of the text stands in the file.
    fn locate(&self, offset: usize) -> usize {
        let next = self.pieces.partition_point(|(start, _)| *start <= offset);
        self.pieces.get(next.saturating_sub(1)).map_or(0, |(start, file)| file + (offset - start.min(&offset)))
    }

    /// Where a part of the text, which must be a slice of it, stands in the file.
    pub(super) fn span(&self, part: &str) -> Span {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if start > self.text.len() {
            return self.whole();
        }
        if part.is_empty() {
            let at = if start == self.text.len() && start > 0 { self.locate(start - 1) + 1 } else { self.locate(start) };
            return Span::new(at, at);
        }
        Span::new(self.locate(start), self.locate(start + part.len() - 1) + 1)
    }

    /// Where all of it stands.
    pub(super) fn whole(&self) -> Span {
        if self.text.is_empty() {
            let at = self.locate(0);
            return Span::new(at, at + 1);
        }
        Span::new(self.locate(0), self.locate(self.text.len() - 1) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> Logical {
        join(&split(text, 0), '\\')
    }

    #[test]
    fn lex_30_to_34_continuations() {
        for (rule, text, want) in [
            ("LEX-30", "RUN a\\\nb", "RUN ab"),
            ("LEX-30", "RUN a \\  \t\n  b", "RUN a   b"),
            ("LEX-31", "RUN a \\\\\nb", "RUN a \\\\"),
            ("LEX-31", "RUN a \\\\\\\nb", "RUN a \\\\\\"),
            ("LEX-22", "RUN a \\\n # note\n && b", "RUN a  && b"),
            ("LEX-33", "RUN a \\\n\n b", "RUN a  b"),
            ("LEX-34", "RUN x \\", "RUN x"),
            ("LEX-3", "RUN a \\\r\n b\r\n", "RUN a  b"),
            ("LEX-8", "  RUN a  ", "RUN a"),
        ] {
            assert_eq!(joined(text).text, want, "{rule}: {text:?}");
        }
        assert!(joined("RUN a \\\n\n b").empty_continuation);
    }

    #[test]
    fn parts_are_found_again_in_the_file() {
        let text = "  RUN a \\\n  # c\n  bcd e\n";
        let logical = joined(text);
        let at = logical.text.find("bcd").unwrap();
        let span = logical.span(&logical.text[at..at + 3]);
        assert_eq!(&text[span.start..span.end], "bcd");
        let whole = logical.whole();
        assert_eq!(&text[whole.start..whole.end], "RUN a \\\n  # c\n  bcd e");
    }
}
