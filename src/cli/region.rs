//! Places in a text as lines and columns.

use crate::dockerfile::{Diagnostic, Span};

/// Where the lines of a text begin.
pub(super) struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

/// A stretch of text: lines and columns from 1, the columns in characters; the end is behind the last one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Region {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
}

impl<'a> LineIndex<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    pub(super) fn region(&self, span: Span) -> Region {
        let (line, column) = self.place(span.start);
        let (end_line, end_column) = self.place(span.end.max(span.start));
        Region { line, column, end_line, end_column }
    }

    /// Where a finding is; one that is about no place has none.
    pub(super) fn of_finding(&self, found: &Diagnostic) -> Option<Region> {
        match (found.span, found.lines) {
            (Some(span), _) => Some(self.region(span)),
            (None, Some(lines)) => Some(Region { line: lines.first, column: 1, end_line: lines.first, end_column: 1 }),
            (None, None) => None,
        }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let at = (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or_default();
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        (line, 1 + self.text[start..at].chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_count_characters() {
        let index = LineIndex::of("\u{e4}b\nc\n");
        for (start, end, want) in [
            (0, 2, (1, 1, 1, 2)),
            (2, 3, (1, 2, 1, 3)),
            (3, 5, (1, 3, 2, 2)),
            (1, 4, (1, 1, 2, 1)),
            (6, 99, (3, 1, 3, 1)),
        ] {
            let got = index.region(Span::new(start, end));
            assert_eq!((got.line, got.column, got.end_line, got.end_column), want, "{start}..{end}");
        }
    }
}
