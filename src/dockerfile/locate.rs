//! From a place in a word back to the place in the file.

use std::ops::Range;

use super::lines::logical_line;
use super::{Dockerfile, Span, Word};

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
}
