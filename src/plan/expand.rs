//! Expansion of variables in a word (dockerfile.md, EXP-20 to EXP-51). Pure: text and variables in, text out.

use super::pattern::Pattern;

/// Deepest nesting of braces: far more than anyone writes, far less than a stack holds.
const MAX_DEPTH: usize = 128;

/// How many bytes a word may grow by: `ENV A=$A$A` on forty lines must not take all memory.
const MAX_GROWTH: usize = 1 << 20;

/// The values that a word may refer to.
pub trait Variables {
    /// The value of `name`; `None` when it is not set.
    fn get(&self, name: &str) -> Option<&str>;
}

/// Why a word cannot be expanded (EXP-24, EXP-33, EXP-40).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExpandError {
    /// A quote is not closed: `single` or `double`.
    #[error("unexpected end of statement while looking for matching {0}-quote")]
    OpenQuote(&'static str),
    /// `${` without its end.
    #[error("syntax error: missing '}}'")]
    MissingBrace,
    /// `${}` and the like.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// The operator after the name is not known.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${X/a}`.
    #[error("missing '/' in ${{}}")]
    MissingSlash,
    /// A backslash before a character that needs none, in a pattern (EXP-27).
    #[error("invalid escape '\\{0}'")]
    PatternEscape(String),
    /// `${NAME?message}` is not met.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the author wrote, or which of unset and empty is not allowed.
        message: String,
    },
    /// Braces within braces without end.
    #[error("braces are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// The result would not be sane to keep.
    #[error("the result is more than {MAX_GROWTH} bytes longer than the word")]
    TooLong,
}

/// One word in, one word out: white space kept, quotes removed (EXP-1).
pub fn expand(text: &str, escape: char, variables: &dyn Variables) -> Result<String, ExpandError> {
    let mut out = Output::default();
    Expander::new(text, escape, true, variables).word(&[], false, &mut out)?;
    Ok(out.text)
}

/// One word in, any number out: unquoted white space separates, empty words vanish (EXP-50).
pub fn expand_words(text: &str, escape: char, variables: &dyn Variables) -> Result<Vec<String>, ExpandError> {
    let mut out = Output { words: Some(Vec::new()), ..Output::default() };
    Expander::new(text, escape, true, variables).word(&[], false, &mut out)?;
    out.end_word();
    Ok(out.words.unwrap_or_default())
}

/// The body of a heredoc: quotes are data, and the escape character is always a backslash (COPY-63).
pub fn expand_body(text: &str, variables: &dyn Variables) -> Result<String, ExpandError> {
    let mut out = Output::default();
    Expander::new(text, '\\', false, variables).word(&[], false, &mut out)?;
    Ok(out.text)
}

/// What has been expanded so far.
#[derive(Default)]
struct Output {
    text: String,
    /// The words that are complete, when words are split.
    words: Option<Vec<String>>,
    /// Bytes in `words`.
    finished: usize,
}

impl Output {
    fn quoted(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn unquoted(&mut self, text: &str) {
        if self.words.is_none() {
            return self.text.push_str(text);
        }
        for char in text.chars() {
            if char.is_whitespace() {
                self.end_word();
            } else {
                self.text.push(char);
            }
        }
    }

    fn end_word(&mut self) {
        if let Some(words) = &mut self.words
            && !self.text.is_empty()
        {
            self.finished += self.text.len();
            words.push(std::mem::take(&mut self.text));
        }
    }
}

struct Expander<'a> {
    rest: std::str::Chars<'a>,
    escape: char,
    /// Whether quotes mean anything.
    quotes: bool,
    variables: &'a dyn Variables,
    depth: usize,
    limit: usize,
}

impl<'a> Expander<'a> {
    fn new(text: &'a str, escape: char, quotes: bool, variables: &'a dyn Variables) -> Self {
        Self { rest: text.chars(), escape, quotes, variables, depth: 0, limit: MAX_GROWTH.saturating_add(text.len()) }
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    /// Reads up to one of `stop`, which stays, or to the end. `keep` keeps the escapes (EXP-27).
    fn word(&mut self, stop: &[char], keep: bool, out: &mut Output) -> Result<(), ExpandError> {
        let mut buffer = [0; 4];
        while let Some(char) = self.peek() {
            if stop.contains(&char) {
                return Ok(());
            }
            self.rest.next();
            match char {
                '\'' if self.quotes => self.single(out)?,
                '"' if self.quotes => self.double(keep, out)?,
                '$' => {
                    let value = self.dollar()?;
                    out.unquoted(&value);
                    self.check(out)?;
                }
                _ if char == self.escape => {
                    if keep {
                        out.quoted(char.encode_utf8(&mut buffer));
                    }
                    if let Some(next) = self.rest.next() {
                        out.quoted(next.encode_utf8(&mut buffer));
                    }
                }
                _ => out.unquoted(char.encode_utf8(&mut buffer)),
            }
        }
        Ok(())
    }

    fn check(&self, out: &Output) -> Result<(), ExpandError> {
        if out.finished + out.text.len() > self.limit { Err(ExpandError::TooLong) } else { Ok(()) }
    }

    /// After the opening quote (EXP-30).
    fn single(&mut self, out: &mut Output) -> Result<(), ExpandError> {
        let text = self.rest.as_str();
        let (inside, after) = text.split_once('\'').ok_or(ExpandError::OpenQuote("single"))?;
        out.quoted(inside);
        self.rest = after.chars();
        Ok(())
    }

    /// After the opening quote (EXP-31).
    fn double(&mut self, keep: bool, out: &mut Output) -> Result<(), ExpandError> {
        while let Some(char) = self.rest.next() {
            match char {
                '"' => return Ok(()),
                '$' => {
                    let value = self.dollar()?;
                    out.quoted(&value);
                    self.check(out)?;
                }
                _ if char == self.escape => {
                    let Some(next) = self.rest.next() else { break };
                    if keep || !(next == '"' || next == '$' || next == self.escape) {
                        out.text.push(char);
                    }
                    out.text.push(next);
                }
                _ => out.text.push(char),
            }
        }
        Err(ExpandError::OpenQuote("double"))
    }

    /// After the `$` (EXP-20, EXP-21).
    fn dollar(&mut self) -> Result<String, ExpandError> {
        if self.peek() == Some('{') {
            self.rest.next();
            if self.depth == MAX_DEPTH {
                return Err(ExpandError::TooDeep);
            }
            self.depth += 1;
            let value = self.braced();
            self.depth -= 1;
            return value;
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(self.variables.get(name).unwrap_or_default().to_owned())
    }

    /// The longest name that starts here; empty when none does (EXP-20).
    fn name(&mut self) -> &'a str {
        let text = self.rest.as_str();
        let first = text.chars().next().unwrap_or_default();
        let length = if first.is_ascii_digit() {
            text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len())
        } else if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
            1
        } else {
            text.find(|char: char| char != '_' && !char.is_alphanumeric()).unwrap_or(text.len())
        };
        let (name, after) = text.split_at(length);
        self.rest = after.chars();
        name
    }

    /// After the `${` (EXP-22 to EXP-28).
    fn braced(&mut self) -> Result<String, ExpandError> {
        match self.peek() {
            None => return Err(ExpandError::MissingBrace),
            Some('{' | '}' | ':') => return Err(ExpandError::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        let value = self.variables.get(name);
        let operator = self.rest.next().ok_or(ExpandError::MissingBrace)?;
        if name.is_empty() && "}+-?#%/".contains(operator) {
            return Err(ExpandError::BadSubstitution);
        }
        match operator {
            '}' => Ok(value.unwrap_or_default().to_owned()),
            ':' => {
                let operator = self.rest.next().ok_or(ExpandError::MissingBrace)?;
                if !matches!(operator, '+' | '-' | '?') {
                    return Err(ExpandError::Modifier(format!(":{operator}")));
                }
                let unset = if value.is_some() { "empty" } else { "unset" };
                self.choose(name, value.filter(|value| !value.is_empty()), operator, unset)
            }
            '+' | '-' | '?' => self.choose(name, value, operator, "unset"),
            '#' | '%' => {
                let longest = self.peek() == Some(operator);
                if longest {
                    self.rest.next();
                }
                let pattern = Pattern::new(&self.inner(&['}'], true)?)?;
                self.close()?;
                let value = value.unwrap_or_default();
                Ok(if operator == '#' {
                    pattern.strip_prefix(value, longest)
                } else {
                    pattern.strip_suffix(value, longest)
                })
            }
            '/' => self.replace(value.unwrap_or_default()),
            _ => Err(ExpandError::Modifier(operator.to_string())),
        }
    }

    /// After `+`, `-` or `?`, where `value` is `None` if it does not count (EXP-23, EXP-24).
    fn choose(
        &mut self,
        name: &str,
        value: Option<&str>,
        operator: char,
        why: &'static str,
    ) -> Result<String, ExpandError> {
        let word = self.inner(&['}'], false)?;
        self.close()?;
        match (operator, value) {
            ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            (_, Some(value)) => Ok(value.to_owned()),
            ('-', None) => Ok(word),
            (_, None) => {
                let message = if word.is_empty() { format!("is not allowed to be {why}") } else { word };
                Err(ExpandError::Required { name: name.to_owned(), message })
            }
        }
    }

    /// After the first `/` (EXP-26).
    fn replace(&mut self, value: &str) -> Result<String, ExpandError> {
        let all = self.peek() == Some('/');
        if all {
            self.rest.next();
        }
        let pattern = self.inner(&['/', '}'], true)?;
        match self.rest.next() {
            Some('/') => {}
            Some(_) => return Err(ExpandError::MissingSlash),
            None => return Err(ExpandError::MissingBrace),
        }
        let replacement = self.inner(&['}'], true)?;
        self.close()?;
        Pattern::new(&pattern)?.replace(value, &replacement, all, self.limit).ok_or(ExpandError::TooLong)
    }

    fn inner(&mut self, stop: &[char], keep: bool) -> Result<String, ExpandError> {
        let mut out = Output::default();
        self.word(stop, keep, &mut out)?;
        Ok(out.text)
    }

    fn close(&mut self) -> Result<(), ExpandError> {
        if self.rest.next() == Some('}') { Ok(()) } else { Err(ExpandError::MissingBrace) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table;

    impl Variables for Table {
        fn get(&self, name: &str) -> Option<&str> {
            Some(match name {
                "set" => "value",
                "empty" => "",
                "sp" => "two  words",
                "p" => "/usr/local/lib/libx.so.1.2",
                "s" => "aXbXc.d",
                "q" => "a?b*c",
                "lines" => "a\nb",
                "été" => "summer",
                "12" => "twelve",
                "quotes" => "\"a\" $set \\",
                _ => return None,
            })
        }
    }

    fn check(rows: &[(&str, &str)]) {
        for (text, want) in rows {
            assert_eq!(expand(text, '\\', &Table).as_deref(), Ok(*want), "{text}");
        }
    }

    #[test]
    fn exp_20_names() {
        check(&[
            ("$set.txt", "value.txt"),
            ("x${set}y", "xvaluey"),
            ("$sety", ""),
            ("$été-x", "summer-x"),
            ("$12ab", "twelveab"),
            ("$$set", "set"),
            ("$-x $@ $9z", "x  z"),
            ("5$ $. ${set}$", "5$ $. value$"),
            ("${12}", "twelve"),
        ]);
    }

    #[test]
    fn exp_23_defaults_and_alternatives() {
        check(&[
            ("${set:-w}${empty:-w}${no:-w}", "valueww"),
            ("${set-w}${empty-w}${no-w}", "valuew"),
            ("${set:+w}.${empty:+w}.${no:+w}", "w.."),
            ("${set+w}.${empty+w}.${no+w}", "w.w."),
            ("${no:-:-}${no:-a=b}${no:-a/b}${no:-}", ":-a=ba/b"),
            ("${no:-${no:-${set}}}", "value"),
            ("${no:-a{b}", "a{b"),
            ("${no:-\"q}\"}${no:-'s $set'}${no:-\\}}", "q}s $set}"),
            ("\"${no:-\"q\"}\"", "q"),
            ("${set:?m}${empty?m}${set:?}", "valuevalue"),
        ]);
    }

    #[test]
    fn exp_25_prefixes_and_suffixes() {
        check(&[
            ("${p#/*/}", "local/lib/libx.so.1.2"),
            ("${p##*/}", "libx.so.1.2"),
            ("${p%.*}", "/usr/local/lib/libx.so.1"),
            ("${p%%.*}", "/usr/local/lib/libx"),
            ("${p#no}${no##x}", "/usr/local/lib/libx.so.1.2"),
            ("${p#\"/usr\"}", "/local/lib/libx.so.1.2"),
            ("${s%?}${s##*}", "aXbXc."),
            ("${q#a\\?}", "b*c"),
            ("${q%\\*c}", "a?b"),
            ("${lines#*b}", "a\nb"),
        ]);
    }

    #[test]
    fn exp_26_replacement() {
        check(&[
            ("${s/X/-}", "a-bXc.d"),
            ("${s//X/-}", "a-b-c.d"),
            ("${s//X/}", "abc.d"),
            ("${s/b*c/M}", "aXM.d"),
            ("${s/zz/y}", "aXbXc.d"),
            ("${p//\\//\\/}", "\\/usr\\/local\\/lib\\/libx.so.1.2"),
            ("${s//b/\\}}", "aX\\}Xc.d"),
            ("${q/\\*/x}", "a?bxc"),
        ]);
    }

    #[test]
    fn exp_30_quotes_and_escapes() {
        check(&[
            ("'$set \\n \"x\"'", "$set \\n \"x\""),
            ("\"$set \\\"\\$set\\\" \\\\ \\n 'x'\"", "value \"$set\" \\ \\n 'x'"),
            ("$set'$set'\"$set\"", "value$setvalue"),
            ("a\\tb\\$X\\${X}\\", "atb$X${X}"),
            ("''\"\"", ""),
            ("$quotes", "\"a\" $set \\"),
        ]);
    }

    #[test]
    fn lex_35_another_escape_character() {
        for (text, want) in
            [("`$set C:\\$set", "$set C:\\value"), ("${no:-a`}b}", "a}b"), ("\"\\$set\"", "\\value"), ("x``y", "x`y")]
        {
            assert_eq!(expand(text, '`', &Table).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn exp_40_errors() {
        for (text, want) in [
            ("${", "syntax error: missing '}'"),
            ("${set", "syntax error: missing '}'"),
            ("${no:-x", "syntax error: missing '}'"),
            ("${}", "syntax error: bad substitution"),
            ("${:-x}", "syntax error: bad substitution"),
            ("${{set}}", "syntax error: bad substitution"),
            ("${set:=w}", "unsupported modifier (:=) in substitution"),
            ("${set.}", "unsupported modifier (.) in substitution"),
            ("${1st}", "unsupported modifier (s) in substitution"),
            ("${#set}", "unsupported modifier (s) in substitution"),
            ("${set:#x}", "unsupported modifier (:#) in substitution"),
            ("${set/a}", "missing '/' in ${}"),
            ("${set#\\c}", "invalid escape '\\c'"),
            ("it's", "unexpected end of statement while looking for matching single-quote"),
            ("\"x", "unexpected end of statement while looking for matching double-quote"),
            ("${no?give it}", "no: give it"),
            ("${empty:?}", "empty: is not allowed to be empty"),
            ("${no:?}", "no: is not allowed to be unset"),
        ] {
            assert_eq!(expand(text, '\\', &Table).map_err(|error| error.to_string()), Err(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn exp_50_word_splitting() {
        for (text, want) in [
            ("$sp 70${set}", vec!["two", "words", "70value"]),
            ("\"$sp\" a\\ b", vec!["two  words", "a b"]),
            ("$no $empty", vec![]),
        ] {
            assert_eq!(expand_words(text, '\\', &Table).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn copy_63_heredoc_bodies() {
        let body = "$set ${set} \"${set}\" '$set' \\$set \\\\ \\n a\\\nb 5$\n";
        assert_eq!(expand_body(body, &Table).unwrap(), "value value \"value\" 'value' $set \\ n a\nb 5$\n");
    }

    #[test]
    fn hostile_words_end_in_errors() {
        let deep = "${a:-".repeat(100_000);
        assert_eq!(expand(&deep, '\\', &Table), Err(ExpandError::TooDeep));
        struct Big(String);
        impl Variables for Big {
            fn get(&self, _: &str) -> Option<&str> {
                Some(&self.0)
            }
        }
        let big = Big("a".repeat(MAX_GROWTH));
        assert_eq!(expand("$a$a", '\\', &big), Err(ExpandError::TooLong));
        assert_eq!(expand("${a//a/$a}", '\\', &big), Err(ExpandError::TooLong));
    }
}
