//! The last lines of an output that goes on.

use std::collections::VecDeque;

/// Lines that are kept.
pub(super) const LINES: usize = 6;
/// Bytes of a line that are kept: more than any terminal is wide.
const WIDTH: usize = 1000;

/// The last lines, free of what would move the cursor or change colours.
#[derive(Debug, Default)]
pub(super) struct Tail {
    whole: VecDeque<String>,
    unfinished: Vec<u8>,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // What comes before the last lines of a large piece is never seen.
        let from =
            bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(LINES).map_or(0, |(at, _)| at);
        if from > 0 {
            self.unfinished.clear();
        }
        for piece in bytes[from..].split_inclusive(|byte| *byte == b'\n') {
            let room = WIDTH.saturating_sub(self.unfinished.len());
            self.unfinished.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = shown(&std::mem::take(&mut self.unfinished));
                if self.whole.len() == LINES {
                    self.whole.pop_front();
                }
                self.whole.push_back(line);
            } else if let Some(back) = self.unfinished.iter().rposition(|byte| *byte == b'\r') {
                // A progress bar that draws over itself: only its newest state counts.
                self.unfinished.drain(..back);
            }
        }
    }

    /// At most [`LINES`] lines, an unfinished one last.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.whole.iter().cloned().collect();
        let unfinished = shown(&self.unfinished);
        if !unfinished.is_empty() {
            lines.push(unfinished);
        }
        lines.split_off(lines.len().saturating_sub(LINES))
    }
}

/// The line as it would stand on a terminal: after the last return to its start, without escape sequences.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\r', '\n']);
    let text = text.rsplit('\r').next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\x1b' && chars.next_if_eq(&'[').is_some() {
            // Parameters, then one final byte.
            for c in chars.by_ref() {
                if ('@'..='~').contains(&c) {
                    break;
                }
            }
        } else if c == '\t' {
            out.push_str("    ");
        } else if !c.is_control() {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown() {
        for (row, pieces, want) in [
            ("nothing", vec![], vec![]),
            ("pieces of a line", vec!["a", "b\nc"], vec!["ab", "c"]),
            ("more than fits", vec!["1\n2\n3\n4\n", "5\n6\n7\n8"], vec!["3", "4", "5", "6", "7", "8"]),
            ("many at once", vec!["x", "1\n2\n3\n4\n5\n6\n7\n8\n9\n"], vec!["4", "5", "6", "7", "8", "9"]),
            ("colours", vec!["\x1b[1;31mred\x1b[0m\n"], vec!["red"]),
            ("a bar", vec!["10%\r20%\r30%"], vec!["30%"]),
            ("a bar in pieces", vec!["10%\r", "20%\r", "30%", "\n"], vec!["30%"]),
            ("line ends of another system", vec!["a\r\nb\r\n"], vec!["a", "b"]),
            ("tabs and bells", vec!["a\tb\x07\n"], vec!["a    b"]),
        ] {
            let mut tail = Tail::default();
            for piece in pieces {
                tail.push(piece.as_bytes());
            }
            assert_eq!(tail.lines(), want, "{row}");
        }
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let mut tail = Tail::default();
        for _ in 0..100 {
            tail.push(&[b'x'; 500]);
        }
        assert_eq!(tail.lines()[0].len(), WIDTH);
    }
}
