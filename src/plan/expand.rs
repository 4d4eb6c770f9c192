//! Variable expansion (dockerfile.md, EXP): words that carry their quoting become plain strings.

use super::glob::{Glob, Reach, TooMuchWork};

/// Deepest nesting of `${…}`: more is no Dockerfile that anybody wrote.
const MAX_DEPTH: usize = 64;

/// How many bytes variables may bring into one word: `ENV A=$A$A` on forty lines must not take all memory.
const MAX_SUBSTITUTED: usize = 1 << 20;

/// Gives the value of a variable; `None` when it is unset.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a word cannot be expanded (EXP-24, EXP-33, EXP-40).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum ExpandError {
    /// The syntax is wrong; the text says how.
    #[error("failed to process \"{word}\": {reason}")]
    Syntax {
        /// The whole word.
        word: String,
        /// What is wrong.
        reason: String,
    },
    /// `${X?m}` with X unset.
    #[error("failed to process \"{word}\": {reason}")]
    Required {
        /// The whole word.
        word: String,
        /// `X: m`
        reason: String,
    },
}

enum Fail {
    Syntax(String),
    Required(String),
}

/// Names of variables that were used though they are unset, each once; `${X-w}` and its like provide for that.
pub(super) type Unset = Vec<String>;

/// Expands one word to one word (EXP-1): quotes and escapes vanish, white space stays.
pub(super) fn expand(word: &str, escape: char, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    expand_noting(word, escape, lookup, &mut Unset::new())
}

/// Like [`expand`], and adds to `unset`.
pub(super) fn expand_noting(
    word: &str,
    escape: char,
    lookup: Lookup<'_>,
    unset: &mut Unset,
) -> Result<String, ExpandError> {
    // Most words hold nothing to expand.
    if !word.contains(['$', '\'', '"', '\u{feff}', escape]) {
        return Ok(word.to_owned());
    }
    run(word, escape, lookup, true, unset).map(|pieces| pieces.text)
}

/// Expands one word to any number of words (EXP-50): white space that is not quoted separates.
pub(super) fn expand_words(
    word: &str,
    escape: char,
    lookup: Lookup<'_>,
    unset: &mut Unset,
) -> Result<Vec<String>, ExpandError> {
    run(word, escape, lookup, true, unset).map(Pieces::into_words)
}

/// Expands the body of a heredoc (COPY-63): quotes are data, and the escape is always a backslash.
pub(super) fn expand_body(body: &str, lookup: Lookup<'_>, unset: &mut Unset) -> Result<String, ExpandError> {
    run(body, '\\', lookup, false, unset).map(|pieces| pieces.text)
}

fn run(word: &str, escape: char, lookup: Lookup<'_>, quotes: bool, unset: &mut Unset) -> Result<Pieces, ExpandError> {
    // The reference's scanner drops a byte order mark at the start of every word.
    let word = word.strip_prefix('\u{feff}').unwrap_or(word);
    let chars = word.chars().collect();
    let mut expander = Expander { chars, at: 0, escape, lookup, quotes, depth: 0, left: MAX_SUBSTITUTED, unset };
    let result = expander.until(None, false);
    result.map_err(|fail| {
        let word = expander.line();
        match fail {
            Fail::Syntax(reason) => ExpandError::Syntax { word, reason },
            Fail::Required(reason) => ExpandError::Required { word, reason: reason.replace('\n', " ") },
        }
    })
}

/// The text so far, and the words it falls into.
#[derive(Default)]
struct Pieces {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Pieces {
    /// Text that never separates words: quoted or escaped.
    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
    }

    /// Text whose white space separates words.
    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
        for c in text.chars() {
            if c.is_whitespace() {
                self.end_word();
            } else {
                self.word.push(c);
            }
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    fn into_words(mut self) -> Vec<String> {
        self.end_word();
        self.words
    }
}

struct Expander<'a> {
    chars: Vec<char>,
    at: usize,
    escape: char,
    lookup: Lookup<'a>,
    quotes: bool,
    depth: usize,
    /// Bytes that variables may still bring.
    left: usize,
    unset: &'a mut Unset,
}

impl Expander<'_> {
    /// The line that was being read: of a heredoc's body a message can show no more.
    fn line(&self) -> String {
        let last = self.at.saturating_sub(1);
        let start = self.chars[..last].iter().rposition(|c| *c == '\n').map_or(0, |newline| newline + 1);
        self.chars[start..].iter().take_while(|c| **c != '\n').collect()
    }

    /// Counts `bytes` that a variable brings.
    fn charge(&mut self, bytes: usize) -> Result<(), Fail> {
        let too_long = || Fail::Syntax(format!("variables bring more than {MAX_SUBSTITUTED} bytes"));
        self.left = self.left.checked_sub(bytes).ok_or_else(too_long)?;
        Ok(())
    }

    /// The value of a variable, which counts as brought into the word.
    fn value(&mut self, name: &str) -> Result<Option<String>, Fail> {
        let value = (self.lookup)(name);
        self.charge(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    /// The value of a variable in a place that does not provide for an unset one.
    fn used(&mut self, name: &str) -> Result<String, Fail> {
        let value = self.value(name)?;
        if value.is_none() && !self.unset.iter().any(|known| known == name) {
            self.unset.push(name.to_owned());
        }
        Ok(value.unwrap_or_default())
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    /// Everything up to `stop`, which is taken too, or the end. With `keep_escapes` escape characters stay (EXP-27).
    fn until(&mut self, stop: Option<char>, keep_escapes: bool) -> Result<Pieces, Fail> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fail::Syntax("syntax error: substitutions are nested too deeply".to_owned()));
        }
        let mut pieces = Pieces::default();
        while let Some(c) = self.next() {
            if Some(c) == stop {
                self.depth -= 1;
                return Ok(pieces);
            }
            match c {
                '\'' if self.quotes => {
                    let text = self.single_quoted()?;
                    pieces.raw(&text);
                }
                '"' if self.quotes => {
                    let text = self.double_quoted()?;
                    pieces.raw(&text);
                }
                '$' => {
                    let text = self.dollar()?;
                    pieces.plain(&text);
                }
                c if c == self.escape => {
                    if keep_escapes {
                        pieces.raw(c.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(next) = self.next() {
                        pieces.raw(next.encode_utf8(&mut [0; 4]));
                    }
                }
                c => pieces.plain(c.encode_utf8(&mut [0; 4])),
            }
        }
        self.depth -= 1;
        match stop {
            None => Ok(pieces),
            Some('/') => Err(Fail::Syntax("syntax error: missing '/' in ${}".to_owned())),
            Some(_) => Err(Fail::Syntax("syntax error: missing '}'".to_owned())),
        }
    }

    /// EXP-30.
    fn single_quoted(&mut self) -> Result<String, Fail> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(text),
                Some(c) => text.push(c),
                None => return Err(unbalanced("single-quote")),
            }
        }
    }

    /// EXP-31.
    fn double_quoted(&mut self) -> Result<String, Fail> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('$') => text.push_str(&self.dollar()?),
                Some(c) if c == self.escape => match self.peek() {
                    None => return Err(unbalanced("double-quote")),
                    Some(next) => {
                        if !(matches!(next, '"' | '$') || next == self.escape) {
                            text.push(c);
                        }
                        text.push(next);
                        self.at += 1;
                    }
                },
                Some(c) => text.push(c),
                None => return Err(unbalanced("double-quote")),
            }
        }
    }

    /// EXP-20.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                while let Some(c) = self.peek().filter(char::is_ascii_digit) {
                    name.push(c);
                    self.at += 1;
                }
            }
            Some(c) if c.is_alphabetic() || c == '_' => {
                while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                    self.at += 1;
                }
            }
            Some(c @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                name.push(c);
                self.at += 1;
            }
            _ => {}
        }
        name
    }

    /// What follows a `$` that has just been taken.
    fn dollar(&mut self) -> Result<String, Fail> {
        let syntax = |reason: &str| Err(Fail::Syntax(reason.to_owned()));
        if self.peek() != Some('{') {
            let name = self.name();
            // EXP-21
            return if name.is_empty() { Ok("$".to_owned()) } else { self.used(&name) };
        }
        self.at += 1;
        match self.peek() {
            None => return syntax("syntax error: missing '}'"),
            Some('{' | '}' | ':') => return syntax("syntax error: bad substitution"),
            _ => {}
        }
        let name = self.name();
        let unsupported =
            |modifier: String| Err(Fail::Syntax(format!("unsupported modifier ({modifier}) in substitution")));
        match self.next() {
            // M-3: a newline can only be the end of what should have been closed.
            None | Some('\n') => syntax("syntax error: missing '}'"),
            Some('}') => self.used(&name),
            Some(':') => match self.next() {
                Some(c @ ('-' | '+' | '?')) => self.default(&name, c, true),
                Some(c) => unsupported(format!(":{c}")),
                None => syntax("syntax error: missing '}'"),
            },
            Some(c @ ('-' | '+' | '?')) => self.default(&name, c, false),
            Some(c @ ('#' | '%')) => self.trim(&name, c),
            Some('/') => self.replace(&name),
            Some(c) => unsupported(c.to_string()),
        }
    }

    /// EXP-23 and EXP-24.
    fn default(&mut self, name: &str, operator: char, empty_is_unset: bool) -> Result<String, Fail> {
        let known = self.unset.len();
        let word = self.until(Some('}'), false)?.text;
        let value = self.value(name)?;
        let is_set = value.as_ref().is_some_and(|value| !(empty_is_unset && value.is_empty()));
        // What the word names matters only where the word is taken.
        if is_set != (operator == '+') {
            self.unset.truncate(known);
        }
        match operator {
            '-' => Ok(if is_set { value.unwrap_or_default() } else { word }),
            '+' => Ok(if is_set { word } else { String::new() }),
            _ if is_set => Ok(value.unwrap_or_default()),
            _ if !word.is_empty() => Err(Fail::Required(format!("{name}: {word}"))),
            _ if value.is_some() => Err(Fail::Required(format!("{name}: is not allowed to be empty"))),
            _ => Err(Fail::Required(format!("{name}: is not allowed to be unset"))),
        }
    }

    /// EXP-25.
    fn trim(&mut self, name: &str, end: char) -> Result<String, Fail> {
        let word = self.until(Some('}'), true)?.text;
        let value = self.used(name)?;
        let (pattern, reach) = match word.strip_prefix(end) {
            Some(pattern) => (pattern, Reach::Longest),
            None => (word.as_str(), Reach::Shortest),
        };
        let pattern = Glob::parse(pattern).map_err(Fail::Syntax)?;
        if end == '#' {
            let found = pattern.prefix(&value, reach)?.unwrap_or_default();
            return Ok(value[found..].to_owned());
        }
        // A suffix is a prefix of the text read backwards: the shortest one is found by no search from the left.
        let backwards: String = value.chars().rev().collect();
        let found = pattern.reversed().prefix(&backwards, reach)?.unwrap_or_default();
        Ok(value[..value.len() - found].to_owned())
    }

    /// EXP-26 and EXP-28.
    fn replace(&mut self, name: &str) -> Result<String, Fail> {
        let all = self.peek() == Some('/');
        self.at += usize::from(all);
        let pattern = self.until(Some('/'), true)?.text;
        let replacement = self.until(Some('}'), true)?.text;
        let value = self.used(name)?;
        let found = Glob::parse(&pattern).map_err(Fail::Syntax)?.matches(&value, all)?;
        self.charge(found.len().saturating_mul(replacement.len()))?;
        let mut text = String::new();
        let mut end = 0;
        for place in found {
            text.push_str(&value[end..place.start]);
            text.push_str(&replacement);
            end = place.end;
        }
        Ok(text + &value[end..])
    }
}

impl From<TooMuchWork> for Fail {
    fn from(TooMuchWork: TooMuchWork) -> Self {
        Self::Syntax("the pattern is too long".to_owned())
    }
}

fn unbalanced(what: &str) -> Fail {
    Fail::Syntax(format!("unexpected end of statement while looking for matching {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<String> {
        let found = match name {
            "X" => "abc",
            "E" => "",
            "P" => "/usr/local/bin",
            "S" => "a b  c",
            "Q" => "it's $X",
            _ => return None,
        };
        Some(found.to_owned())
    }

    #[test]
    fn exp_20_to_34_words() {
        for (rule, word, want) in [
            ("EXP-20", "$X", "abc"),
            ("EXP-20", "$Xy$12ab$$", "ab"),
            ("EXP-21", "a$ b$", "a$ b$"),
            ("EXP-21", "$=x", "$=x"),
            ("EXP-22", "${X}d${U}", "abcd"),
            ("EXP-23", "${E:-w}${E-w}${U-w}", "ww"),
            ("EXP-23", "${X:+w}${E:+w}${E+w}${U+w}", "ww"),
            ("EXP-25", "${P#*/}", "usr/local/bin"),
            ("EXP-25", "${P##*/}", "bin"),
            ("EXP-25", "${P%/*}", "/usr/local"),
            ("EXP-25", "${P%%/*}", ""),
            ("EXP-26", "${X/b/-}", "a-c"),
            ("EXP-26", r"${P//\//:}", ":usr:local:bin"),
            ("EXP-27", r"${X/?c/z}", "az"),
            ("EXP-28", r"${P//\//\/}", r"\/usr\/local\/bin"),
            ("EXP-29", "${U:-${X:-c}}", "abc"),
            ("EXP-29", "${U:-'a}b'}", "a}b"),
            ("EXP-29", "${U:-{x}", "{x"),
            ("EXP-30", r"'a\$X'", r"a\$X"),
            ("EXP-31", r#""a\tb$X\$X\"""#, "a\\tbabc$X\""),
            ("EXP-32", r"a\tb\$X\", "atb$X"),
            ("EXP-34", "$Q", "it's $X"),
        ] {
            assert_eq!(expand(word, '\\', &value).as_deref(), Ok(want), "{rule}: {word}");
        }
    }

    #[test]
    fn exp_24_33_40_errors() {
        for (word, want) in [
            ("'a", "looking for matching single-quote"),
            ("\"a", "looking for matching double-quote"),
            ("${", "missing '}'"),
            ("${X", "missing '}'"),
            ("${}", "bad substitution"),
            ("${:x}", "bad substitution"),
            ("${X:=w}", "unsupported modifier (:=)"),
            ("${X.}", "unsupported modifier (.)"),
            ("${1st}", "unsupported modifier (s)"),
            ("${U?no U}", "U: no U"),
            ("${U:?}", "U: is not allowed to be unset"),
            ("${E:?}", "E: is not allowed to be empty"),
            ("${X:#a}", "unsupported modifier (:#)"),
            ("${X/a}", "missing '/' in ${}"),
            (r"${X#\c}", r"invalid escape '\c'"),
        ] {
            let error = expand(word, '\\', &value).unwrap_err().to_string();
            assert!(error.contains(want), "{word}: {error}");
        }
        let deep = "${U:-".repeat(100_000);
        assert!(expand(&deep, '\\', &value).is_err());
    }

    #[test]
    fn what_is_used_though_unset_is_noted() {
        for (word, want) in [
            ("$X$E", &[][..]),
            ("$U${U}$V", &["U", "V"]),
            ("'$U' \\$U $", &[]),
            ("${U-w}${U:-w}${U:+w}", &[]),
            ("${U:-$V}${X:-$W}", &["V"]),
            ("${X+$V}${U+$W}", &["V"]),
            ("${U#a}${V/a/b}", &["U", "V"]),
        ] {
            let mut unset = Unset::new();
            expand_noting(word, '\\', &value, &mut unset).unwrap();
            assert_eq!(unset, want, "{word}");
        }
    }

    #[test]
    fn what_variables_bring_is_limited() {
        let big = |_: &str| Some("a".repeat(MAX_SUBSTITUTED / 2));
        assert!(expand("$A$A", '\\', &big).is_ok());
        for word in ["$A$A$A", "${A//a/$A}", "${A:-$A}${A#x}", "\"$A$A$A\""] {
            let error = expand(word, '\\', &big).unwrap_err().to_string();
            assert!(error.ends_with("variables bring more than 1048576 bytes"), "{word}: {error}");
        }
    }

    #[test]
    fn copy_63_errors_show_one_line_of_the_body() {
        for (body, want) in [
            ("fine\nbroken ${HOME\nmore\n", "failed to process \"broken ${HOME\": syntax error: missing '}'"),
            ("${\n", "failed to process \"${\": syntax error: missing '}'"),
            ("a\n${}\nb", "failed to process \"${}\": syntax error: bad substitution"),
            ("${U?a\nb}", "failed to process \"b}\": U: a b"),
        ] {
            assert_eq!(expand_body(body, &value, &mut Unset::new()).unwrap_err().to_string(), want, "{body}");
        }
    }

    #[test]
    fn exp_50_words_are_split_after_expansion() {
        let words = |word| expand_words(word, '\\', &value, &mut Unset::new()).unwrap();
        assert_eq!(words("$S\"x y\"z $E"), ["a", "b", "cx yz"]);
        assert_eq!(words(r"a\ b"), ["a b"]);
    }

    #[test]
    fn copy_63_bodies() {
        let body = "\"$X\" '\\$X' \\\\ \\n \\\nend";
        assert_eq!(expand_body(body, &value, &mut Unset::new()).unwrap(), "\"abc\" '$X' \\ n \nend");
    }
}
