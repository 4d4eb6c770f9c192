use super::glob::take;
use super::tokens::{ByteSet, Token, literal};

/// A pattern in which `**` touches other things in its component, such as `**foo`: matched against whole paths (IGN-8).
#[derive(Clone, Debug)]
pub(super) struct Spanning {
    prefix: Box<[u8]>,
    suffix: Box<[u8]>,
    middle: Box<[Token]>,
    /// Bytes that must be somewhere in a path.
    needs: ByteSet,
}

impl Spanning {
    pub(super) fn new(tokens: &[Token]) -> Self {
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

    /// Whether something below the directory `path` may match. `true` is no promise.
    pub(super) fn may_match_below(&self, path: &[u8]) -> bool {
        let common = self.prefix.len().min(path.len());
        self.prefix[..common] == path[..common]
    }

    /// Whether `path`, which has the bytes `has`, matches from its first byte to its last.
    pub(super) fn matches(&self, path: &[u8], has: ByteSet) -> bool {
        if !has.contains(self.needs) {
            return false;
        }
        let Some(rest) = path.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix)) else {
            return false;
        };
        match &*self.middle {
            [Token::Deep] => true,
            [Token::DeepSlash] => rest.is_empty() || rest.ends_with(b"/"),
            middle => matches(middle, rest),
        }
    }
}

/// Follows all ways of matching at once, so that the time is at most length times tokens.
///
/// `reached[at]` holds the tokens that may come next once `at` bytes are taken.
fn matches(tokens: &[Token], text: &[u8]) -> bool {
    let width = tokens.len() + 1;
    let mut reached = vec![false; width * (text.len() + 1)];
    // Inside the run of a `**/`, which only a slash ends.
    let mut inside = vec![false; width];
    reached[0] = true;
    for at in 0..=text.len() {
        for token in 0..tokens.len() {
            let byte = text.get(at);
            if std::mem::take(&mut inside[token]) && byte.is_some() {
                inside[token] = true;
                if byte == Some(&b'/') {
                    reached[(at + 1) * width + token + 1] = true;
                }
            }
            if !reached[at * width + token] {
                continue;
            }
            match &tokens[token] {
                Token::Run | Token::Deep => {
                    reached[at * width + token + 1] = true;
                    if byte.is_some_and(|byte| *byte != b'/' || tokens[token] == Token::Deep) {
                        reached[(at + 1) * width + token] = true;
                    }
                }
                Token::DeepSlash => {
                    reached[at * width + token + 1] = true;
                    if byte == Some(&b'/') {
                        reached[(at + 1) * width + token + 1] = true;
                    }
                    inside[token] = true;
                }
                wanted => {
                    if let Some(length) = take(wanted, &text[at..]) {
                        reached[(at + length) * width + token + 1] = true;
                    }
                }
            }
        }
    }
    reached[text.len() * width + tokens.len()]
}
