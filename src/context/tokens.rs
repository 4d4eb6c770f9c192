//! Patterns as tokens: the one reading that component globs and ignore rules share (IGN-7, COPY-14).

/// A class `[…]`: the characters it takes, or with `^` those that it does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Class {
    negated: bool,
    /// Both ends belong to a range.
    ranges: Vec<(Symbol, Symbol)>,
}

/// One thing in a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    /// This byte.
    Byte(u8),
    /// `?`: one character that is no slash.
    One,
    /// `*`: any run without a slash.
    Run,
    /// One character of a class, never a slash.
    Class(Class),
    /// `**`: any run, slashes too.
    Deep,
    /// `**/`: nothing, or any run up to a slash.
    DeepSlash,
}

/// What `?` and classes count as one: a character, or a byte above the range of characters where a name is no UTF-8.
type Symbol = u32;

/// Whether `**` crosses slashes or is two `*` (COPY-14).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DoubleStar {
    /// It does.
    Deep,
    /// It does not.
    Plain,
}

/// The first character of `text` and its length in bytes; `None` at the end.
pub(super) fn symbol(text: &[u8]) -> Option<(Symbol, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((Symbol::from(first), 1));
    }
    let length = match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    let decoded = text.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Some(match decoded.and_then(|text| text.chars().next()) {
        Some(character) => (Symbol::from(character), length),
        None => (u32::from(char::MAX) + 1 + Symbol::from(first), 1),
    })
}

impl Class {
    /// Whether the class takes this character.
    pub(super) fn takes(&self, symbol: Symbol) -> bool {
        symbol != Symbol::from(b'/')
            && self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&symbol)) != self.negated
    }

    /// Reads what follows `[`, and how many bytes that is; `None` when it is malformed.
    fn read(text: &[u8]) -> Option<(Self, usize)> {
        let negated = text.first() == Some(&b'^');
        let mut at = usize::from(negated);
        let mut ranges = Vec::new();
        while text.get(at) != Some(&b']') || ranges.is_empty() {
            let low = Self::end(text, &mut at)?;
            let high = if text.get(at) == Some(&b'-') {
                at += 1;
                Self::end(text, &mut at)?
            } else {
                low
            };
            if high < low {
                return None;
            }
            ranges.push((low, high));
        }
        Some((Self { negated, ranges }, at + 1))
    }

    /// One end of a range: `-` and `]` must be written with a backslash.
    fn end(text: &[u8], at: &mut usize) -> Option<Symbol> {
        match text.get(*at)? {
            b'-' | b']' => return None,
            b'\\' => *at += 1,
            _ => {}
        }
        let (symbol, length) = symbol(text.get(*at..)?)?;
        *at += length;
        Some(symbol)
    }
}

/// A set of bytes, some of which are told apart only by chance: it answers most questions with no by one comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ByteSet(u64);

impl ByteSet {
    /// The bytes of `text`.
    pub(super) fn of(text: &[u8]) -> Self {
        Self(text.iter().fold(0, |set, byte| set | 1 << (byte & 63)))
    }

    /// The bytes that are in all that matches.
    pub(super) fn needed_by(tokens: &[Token]) -> Self {
        Self(
            tokens
                .iter()
                .fold(0, |set, token| if let Token::Byte(byte) = token { set | 1 << (byte & 63) } else { set }),
        )
    }

    /// Whether all of `other` may be in the set.
    pub(super) fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

/// Reads a pattern; `None` when a class is malformed or a backslash stands at the end.
pub(super) fn tokens(pattern: &[u8], double_star: DoubleStar) -> Option<Vec<Token>> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut at = 0;
    while let Some(byte) = pattern.get(at) {
        at += 1;
        tokens.push(match byte {
            b'*' if double_star == DoubleStar::Deep && pattern.get(at) == Some(&b'*') => {
                at += 1;
                if pattern.get(at) == Some(&b'/') && at + 1 < pattern.len() {
                    at += 1;
                    Token::DeepSlash
                } else {
                    Token::Deep
                }
            }
            b'*' => Token::Run,
            b'?' => Token::One,
            b'[' => {
                let (class, length) = Class::read(&pattern[at..])?;
                at += length;
                Token::Class(class)
            }
            b'\\' => {
                let byte = *pattern.get(at)?;
                at += 1;
                Token::Byte(byte)
            }
            byte => Token::Byte(*byte),
        });
    }
    Some(tokens)
}

/// The bytes, when there is nothing but bytes.
pub(super) fn literal(tokens: &[Token]) -> Option<Box<[u8]>> {
    tokens.iter().map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ign_7_malformed_patterns_are_found() {
        for pattern in ["[", "[a", "[]", "[]a]", "[a-", "[a-]", "[-a]", "[^]", "[^]a]", "[z-a]", "a\\", "[\\", "[a\\]"]
        {
            assert_eq!(tokens(pattern.as_bytes(), DoubleStar::Deep), None, "{pattern}");
        }
        for pattern in ["[\\]]", "[a\\-z]", "[!a]", "[^a-c]", "]", "a]", "\\[", "[[]", "[/]"] {
            assert!(tokens(pattern.as_bytes(), DoubleStar::Deep).is_some(), "{pattern}");
        }
    }

    #[test]
    fn ign_8_double_stars_take_the_slash_after_them() {
        use Token::{Byte, Deep, DeepSlash, Run};
        for (pattern, want) in [
            ("**/a", vec![DeepSlash, Byte(b'a')]),
            ("a/**", vec![Byte(b'a'), Byte(b'/'), Deep]),
            ("***", vec![Deep, Run]),
            ("**/**", vec![DeepSlash, Deep]),
        ] {
            assert_eq!(tokens(pattern.as_bytes(), DoubleStar::Deep), Some(want), "{pattern}");
        }
        assert_eq!(tokens(b"**", DoubleStar::Plain), Some(vec![Run, Run]));
    }
}
