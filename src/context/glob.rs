use super::PatternError;
use super::tokens::{ByteSet, DoubleStar, Token, literal, symbol, tokens};

/// The pattern of one path component: `*`, `?`, classes and backslash (COPY-14).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComponentGlob {
    /// Bytes that a name must begin with.
    prefix: Box<[u8]>,
    /// Bytes that a name must end with, `prefix` not counted.
    suffix: Box<[u8]>,
    /// What stands between the two.
    middle: Box<[Token]>,
    /// Bytes that must be somewhere in a name.
    needs: ByteSet,
}

impl ComponentGlob {
    /// Reads a pattern; `**` is the same as `*` here. An error when a class is malformed, or a backslash ends it.
    pub fn new(pattern: &[u8]) -> Result<Self, PatternError> {
        let tokens = tokens(pattern, DoubleStar::Plain).ok_or_else(|| PatternError::malformed(pattern, None))?;
        Ok(Self::from_tokens(&tokens))
    }

    /// Takes tokens that hold neither a slash nor a deep run.
    pub(super) fn from_tokens(tokens: &[Token]) -> Self {
        let is_wild = |token: &Token| !matches!(token, Token::Byte(_));
        let start = tokens.iter().position(is_wild).unwrap_or(tokens.len());
        let end = tokens.iter().rposition(is_wild).map_or(start, |last| last + 1);
        Self {
            prefix: literal(&tokens[..start]).unwrap_or_default(),
            suffix: literal(&tokens[end..]).unwrap_or_default(),
            middle: tokens[start..end].into(),
            needs: ByteSet::needed_by(tokens),
        }
    }

    /// Bytes that every name that matches has.
    pub(super) fn needs(&self) -> ByteSet {
        self.needs
    }

    /// The first byte of every name that matches, if the pattern fixes it.
    pub(super) fn first_byte(&self) -> Option<u8> {
        self.prefix.first().copied()
    }

    /// The last byte of every name that matches, if the pattern fixes it.
    pub(super) fn last_byte(&self) -> Option<u8> {
        self.suffix.last().copied()
    }

    /// Whether `name` matches from its first byte to its last.
    pub fn matches(&self, name: &[u8]) -> bool {
        let Some(rest) = name.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix)) else {
            return false;
        };
        match &*self.middle {
            [] => rest.is_empty(),
            [Token::Run] => !rest.contains(&b'/'),
            middle => matches(middle, rest),
        }
    }
}

/// Goes back to the last `*` only: an earlier one taking more cannot help where the last one could not.
fn matches(tokens: &[Token], text: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let length = match tokens.get(token) {
            None if at == text.len() => return true,
            None => None,
            Some(Token::Run | Token::Deep | Token::DeepSlash) => {
                token += 1;
                retry = Some((token, at));
                continue;
            }
            Some(wanted) => take(wanted, &text[at..]),
        };
        match (length, retry) {
            (Some(length), _) => (token, at) = (token + 1, at + length),
            (None, Some((after, from))) => {
                let Some((_, length)) = symbol(&text[from..]).filter(|_| text[from] != b'/') else { return false };
                let skipped = match tokens.get(after) {
                    Some(Token::Byte(wanted)) => text[from + length..].iter().position(|byte| byte == wanted),
                    _ => Some(0),
                };
                let Some(skipped) = skipped.filter(|skipped| !text[from + length..][..*skipped].contains(&b'/')) else {
                    return false;
                };
                (token, at) = (after, from + length + skipped);
                retry = Some((token, at));
            }
            (None, None) => return false,
        }
    }
}

/// How many bytes at the start of `text` the token takes, if it is one that takes one character.
pub(super) fn take(token: &Token, text: &[u8]) -> Option<usize> {
    match token {
        Token::Byte(byte) => (text.first() == Some(byte)).then_some(1),
        Token::One => symbol(text).filter(|_| text[0] != b'/').map(|(_, length)| length),
        Token::Class(class) => symbol(text).filter(|(found, _)| class.takes(*found)).map(|(_, length)| length),
        Token::Run | Token::Deep | Token::DeepSlash => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_14_wildcards_within_a_component() {
        for (pattern, name, want) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", ".hidden", true),
            ("?", ".", true),
            ("?", "é", true),
            ("??", "é", false),
            ("*.txt", "a.txt", true),
            ("*.txt", ".txt", true),
            ("*.txt", "a.txt.md", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*a*a*", "ba", false),
            ("*[0-9]?", "x12", true),
            ("*[0-9]", "x1y", false),
            ("[^a-c]x", "dx", true),
            ("[^a-c]x", "bx", false),
            ("[é-ü]", "ö", true),
            ("[[]x]", "[x]", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("**", "ab", true),
            ("[!a]", "!", true),
        ] {
            let glob = ComponentGlob::new(pattern.as_bytes()).unwrap();
            assert_eq!(glob.matches(name.as_bytes()), want, "{pattern} against {name}");
        }
        assert!(ComponentGlob::new(b"?").unwrap().matches(b"\xff"), "a byte that is no character counts as one");
        assert!(ComponentGlob::new(b"[a-").is_err());
    }

    #[test]
    fn copy_14_many_stars_are_no_slower_than_their_number() {
        let glob = ComponentGlob::new("a*".repeat(60).as_bytes()).unwrap();
        assert!(!glob.matches(&[b"a".repeat(59), b"b".repeat(200)].concat()));
    }
}
