use super::tokens::{DoubleStar, Token, tokens};

/// A line of more bytes than this is an error (IGN-14).
pub(super) const MAX_LINE: usize = 65535;

/// A list of patterns cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A class is malformed, or a backslash has nothing after it (IGN-7).
    #[error("syntax error in pattern `{pattern}`{}", on_line(*line))]
    Malformed {
        /// As written, but cleaned.
        pattern: String,
        /// Line of the ignore file, from 1.
        line: Option<usize>,
    },
    /// A `!` with nothing after it (IGN-4).
    #[error("illegal exclusion pattern: \"!\"{}", on_line(*line))]
    Nothing {
        /// Line of the ignore file, from 1.
        line: Option<usize>,
    },
    /// A line that is too long (IGN-14).
    #[error("line {line} of the ignore file is longer than {MAX_LINE} bytes")]
    LineTooLong {
        /// Line of the ignore file, from 1.
        line: usize,
    },
}

fn on_line(line: Option<usize>) -> String {
    line.map(|line| format!(" on line {line} of the ignore file")).unwrap_or_default()
}

impl PatternError {
    pub(super) fn malformed(pattern: &[u8], line: Option<usize>) -> Self {
        Self::Malformed { pattern: String::from_utf8_lossy(pattern).into_owned(), line }
    }
}

/// One pattern, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    /// It begins with `!` (IGN-4).
    pub(super) exception: bool,
    pub(super) tokens: Vec<Token>,
}

/// Reads an ignore file (IGN-3, IGN-4, IGN-14).
pub(super) fn rules(file: &[u8]) -> Result<Vec<Rule>, PatternError> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut rules = Vec::new();
    for (number, text) in (1..).zip(file.split(|byte| *byte == b'\n')) {
        if text.len() > MAX_LINE {
            return Err(PatternError::LineTooLong { line: number });
        }
        if !text.starts_with(b"#") {
            rules.extend(rule(text, Some(number))?);
        }
    }
    Ok(rules)
}

/// Reads one pattern (IGN-4, IGN-5); `None` when it can match nothing.
pub(super) fn rule(text: &[u8], line: Option<usize>) -> Result<Option<Rule>, PatternError> {
    let text = trim(text);
    let (exception, text) = text.strip_prefix(b"!").map_or((false, text), |rest| (true, trim(rest)));
    if text.is_empty() {
        return if exception { Err(PatternError::Nothing { line }) } else { Ok(None) };
    }
    let text = clean(text);
    let tokens = tokens(&text, DoubleStar::Deep).ok_or_else(|| PatternError::malformed(&text, line))?;
    let outside = text.is_empty() || text == b".." || text.starts_with(b"../");
    Ok((!outside).then_some(Rule { exception, tokens }))
}

/// Takes white space off both ends.
fn trim(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or_else(|_| text.trim_ascii(), |text| text.trim().as_bytes())
}

/// IGN-5. Gives nothing for the root, and keeps a `..` that leads out of it.
fn clean(text: &[u8]) -> Vec<u8> {
    let rooted = text.starts_with(b"/");
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in text.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if kept.last().is_some_and(|last| *last != b"..") => {
                kept.pop();
            }
            b".." if rooted => {}
            part => kept.push(part),
        }
    }
    kept.join(&b'/')
}
