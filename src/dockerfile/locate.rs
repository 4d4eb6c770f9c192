//! From a place in a word back to the place in the file.

use std::ops::Range;

use super::lines::{blank_line, comment_line, continuation, line, logical_line};
use super::{Dockerfile, Instruction, Span, Word};

impl Dockerfile {
    /// Where `part` of `word`, in bytes of its text, stands in the file; the whole word where the two do not agree, as
    /// within a JSON form.
    pub fn locate(&self, word: &Word, part: Range<usize>) -> Span {
        let read = self.text.get(word.span.start..).map(|rest| logical_line(self.escape, rest));
        let Some(Ok((_, logical))) = read else { return word.span };
        match logical.text.get(part) {
            Some(slice) if logical.text.starts_with(&word.text) => logical.span(&self.text, slice),
            _ => word.span,
        }
    }

    /// The blank lines among the lines of an instruction, line ends included; those in heredocs are not among them
    /// (LEX-33).
    pub fn blank_lines(&self, instruction: &Instruction) -> Vec<Span> {
        let mut found = Vec::new();
        let mut at = instruction.span.start;
        let mut continued = false;
        while let Some(Ok((_, physical))) = self.text.get(at..).map(line) {
            let end = at + physical.whole.len();
            if continued && blank_line(physical.content).is_ok() {
                found.push(Span::new(at, end));
            } else if !continued || comment_line(physical.content).is_err() {
                continued = continuation(self.escape, physical.content).is_ok();
                if !continued {
                    break;
                }
            }
            at = end;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use crate::dockerfile::{Command, CommandLine, parse};

    #[test]
    fn lex_30_places_across_continuations() {
        let file = parse(b"FROM a\nRUN --network=none one \\\n# note\n\n  two && \\\n three # x\nRUN [\"a\"]\n").file;
        let run = file.instructions().nth(1).unwrap();
        let Command::Run { command: CommandLine::Shell(word), .. } = &run.command else { panic!("{run:?}") };
        for name in ["one", "two", "three"] {
            let at = word.text.find(name).unwrap();
            let span = file.locate(word, at..at + name.len());
            assert_eq!(&file.text[span.start..span.end], name);
        }
        assert_eq!(file.locate(word, 4..4000), word.span);
    }

    #[test]
    fn lex_33_blank_lines() {
        let text = "FROM a\n\nRUN a \\\n\n# note\n  \t\r\n b \\\n c\n\nRUN <<E \\\n\n d\n\nE\n\n";
        let file = parse(text.as_bytes()).file;
        let blank = |number| -> Vec<&str> {
            let at = file.instructions().nth(number).unwrap();
            file.blank_lines(at).into_iter().map(|span| &text[span.start..span.end]).collect()
        };
        assert_eq!((blank(0), blank(1), blank(2)), (vec![], vec!["\n", "  \t\r\n"], vec!["\n"]));
    }
}
