//! Words of a shell: quotes, variables, substitutions.

use super::ShellWord;
use super::reader::{End, Reader};

impl Reader<'_> {
    /// Reads one word, which must begin here. Ends at what ends a word, and at `end`.
    pub(super) fn word(&mut self, end: End) -> ShellWord {
        let start = self.at;
        let mut word = ShellWord::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.escape(&mut word),
                b'\'' => self.single(&mut word),
                b'"' => self.double(&mut word),
                b'`' if end == End::Backtick => break,
                b'$' | b'`' => self.expansion(&mut word),
                b'(' if self.opens_group(start) => {
                    let from = self.at;
                    self.at += 1;
                    self.skip_to(b'(', b')');
                    word.text.push_str(&self.text[from..self.at]);
                }
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' => break,
                _ => self.literal(&mut word),
            }
        }
        word.range = start..self.at;
        word
    }

    /// An array after `=`, or a pattern such as `!(a|b)`.
    fn opens_group(&self, start: usize) -> bool {
        self.at > start && matches!(self.text.as_bytes()[self.at - 1], b'=' | b'?' | b'*' | b'+' | b'@' | b'!')
    }

    /// Everything up to the next byte that may mean something.
    fn literal(&mut self, word: &mut ShellWord) {
        let rest = &self.text[self.at..];
        let special = |c: char| c.is_ascii() && b"\\'\"`$( \t\r\n;&|<>)".contains(&(c as u8));
        let length = rest.find(special).unwrap_or(rest.len()).max(1);
        word.text.push_str(&rest[..length]);
        self.at += length;
    }

    fn escape(&mut self, word: &mut ShellWord) {
        self.at += 1;
        let Some(next) = self.text[self.at..].chars().next() else { return };
        self.at += next.len_utf8();
        if next != '\n' {
            word.quoted = true;
            word.text.push(next);
        }
    }

    fn single(&mut self, word: &mut ShellWord) {
        word.quoted = true;
        let rest = &self.text[self.at + 1..];
        let inside = rest.find('\'').map_or(rest, |length| &rest[..length]);
        word.text.push_str(inside);
        self.at = (self.at + inside.len() + 2).min(self.text.len());
    }

    fn double(&mut self, word: &mut ShellWord) {
        word.quoted = true;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    self.at += 1;
                    let Some(next) = self.text[self.at..].chars().next() else { return };
                    if !matches!(next, '"' | '\\' | '$' | '`' | '\n') {
                        word.text.push('\\');
                    }
                    if next != '\n' {
                        word.text.push(next);
                    }
                    self.at += next.len_utf8();
                }
                b'$' | b'`' => self.expansion(word),
                _ => {
                    let rest = &self.text[self.at..];
                    let length = rest.find(['"', '\\', '$', '`']).unwrap_or(rest.len());
                    word.text.push_str(&rest[..length]);
                    self.at += length;
                }
            }
        }
    }

    /// `$x`, `${x}`, `$(…)`, `$((…))`, `$'…'` or a substitution in backticks: kept as written, commands in it read.
    fn expansion(&mut self, word: &mut ShellWord) {
        let from = self.at;
        let rest = &self.text[from..];
        if rest.starts_with("$'") {
            self.at += 1;
            return self.single(word);
        }
        if rest.starts_with("$((") {
            self.at += 2;
            self.skip_to(b'(', b')');
        } else if rest.starts_with("$(") {
            self.at += 2;
            self.nested(End::Parenthesis);
        } else if rest.starts_with("${") {
            self.at += 2;
            self.skip_to(b'{', b'}');
        } else if rest.starts_with('`') {
            self.at += 1;
            self.nested(End::Backtick);
        } else {
            self.at += 1;
            let named = self.text[self.at..].starts_with(|c: char| c.is_ascii_alphanumeric() || "_@*#?$!-".contains(c));
            if !named {
                word.text.push('$');
                return;
            }
        }
        word.expands = true;
        word.text.push_str(&self.text[from..self.at]);
    }

    /// Goes behind the `close` that belongs to an `open` before here; quotes protect, nothing is read.
    pub(super) fn skip_to(&mut self, open: u8, close: u8) {
        let bytes = self.text.as_bytes();
        let mut depth = 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'\'' | b'"' => {
                    let quote = *byte;
                    while let Some(inner) = bytes.get(self.at) {
                        self.at += 1;
                        match inner {
                            b'\\' if quote == b'"' => self.at += 1,
                            inner if *inner == quote => break,
                            _ => {}
                        }
                    }
                }
                byte if *byte == open => depth += 1,
                byte if *byte == close => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        // An escape may stand before a character of several bytes, or at the end.
        self.at = self.at.min(bytes.len());
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }
}
