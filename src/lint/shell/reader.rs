//! From text to simple commands.

use super::{Call, Script, ShellWord};

/// How deep substitutions and subshells are followed; deeper ones are passed over as text.
const DEEPEST: usize = 40;

/// Words that stand before a command and change nothing about what it is.
const WRAPPERS: [&str; 6] = ["exec", "command", "builtin", "time", "nohup", "env"];

/// What ends a list of commands, besides the end of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Nothing.
    Text,
    /// `)`
    Parenthesis,
    /// A backtick.
    Backtick,
}

/// What the words that follow are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Mode {
    /// A command.
    #[default]
    Command,
    /// What a `for` goes through, or the name of a function: no command.
    Head,
    /// What stands between `case` and `in`.
    CaseHead,
    /// A pattern of `case`.
    Pattern,
}

pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    depth: usize,
    /// Ends of heredocs whose bodies begin on the next line, and whether tabs before them do not count.
    pub(super) heredocs: Vec<(String, bool)>,
    pub(super) script: Script,
}

pub(super) fn read(text: &str) -> Script {
    let mut reader = Reader { text, at: 0, depth: 0, heredocs: Vec::new(), script: Script::default() };
    reader.list(End::Text);
    reader.script
}

/// A list that is being read.
#[derive(Default)]
pub(super) struct List {
    pub(super) call: Call,
    pub(super) mode: Mode,
    /// `case` without its `esac`.
    pub(super) cases: usize,
}

impl Reader<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads commands in a substitution or subshell, and goes behind its end.
    pub(super) fn nested(&mut self, end: End) {
        if self.depth >= DEEPEST {
            let rest = &self.text[self.at..];
            let close = if end == End::Backtick { '`' } else { ')' };
            self.at += rest.find(close).map_or(rest.len(), |length| length + 1);
            return;
        }
        self.depth += 1;
        self.list(end);
        self.depth -= 1;
    }

    fn list(&mut self, end: End) {
        let mut list = List::default();
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.text[self.at..].starts_with("\\\n") => self.at += 2,
                b'\n' => {
                    self.finish(&mut list, false);
                    self.at += 1;
                    self.bodies();
                }
                b'#' => self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at),
                b'`' if end == End::Backtick => {
                    self.at += 1;
                    break;
                }
                b')' => {
                    self.at += 1;
                    if list.mode == Mode::Pattern {
                        list.call = Call::default();
                        list.mode = Mode::Command;
                    } else if end == End::Parenthesis {
                        break;
                    } else {
                        self.finish(&mut list, false);
                    }
                }
                b';' | b'&' | b'|' => self.operator(&mut list),
                b'(' => self.parenthesis(&mut list),
                b'<' | b'>' => self.redirection(end),
                _ => self.next_word(&mut list, end),
            }
        }
        self.finish(&mut list, false);
    }

    fn next_word(&mut self, list: &mut List, end: End) {
        let word = self.word(end);
        // The number of a file: `2>`.
        if matches!(self.peek(), Some(b'<' | b'>'))
            && word.text.bytes().all(|byte| byte.is_ascii_digit())
            && !word.quoted
        {
            return;
        }
        if word.range.is_empty() {
            // A byte that no rule here knows.
            self.at += self.text[self.at..].chars().next().map_or(1, char::len_utf8);
            return;
        }
        let is_plain = |text: &str| !word.quoted && word.text == text;
        match list.mode {
            Mode::Pattern if is_plain("esac") && list.call.words.is_empty() => {
                list.cases -= 1;
                list.mode = Mode::Command;
            }
            Mode::CaseHead if is_plain("in") => {
                list.call = Call::default();
                list.mode = Mode::Pattern;
            }
            Mode::Command if list.call.words.is_empty() => self.first(list, word),
            _ => list.call.words.push(word),
        }
    }

    /// A word where a command may begin.
    fn first(&mut self, list: &mut List, word: ShellWord) {
        if is_assignment(&word) {
            list.call.assignments.push(word);
            return;
        }
        if word.quoted || !list.call.assignments.is_empty() {
            list.call.words.push(word);
            return;
        }
        match word.text.as_str() {
            "if" | "then" | "elif" | "else" | "fi" | "while" | "until" | "do" | "done" | "{" | "}" | "!" => {}
            "for" | "select" | "function" => {
                list.mode = Mode::Head;
                if word.text == "function" {
                    self.function_name();
                    list.mode = Mode::Command;
                }
            }
            "case" => {
                list.cases += 1;
                list.mode = Mode::CaseHead;
            }
            "esac" => list.cases = list.cases.saturating_sub(1),
            "[[" => {
                list.call.words.push(word);
                self.test(list);
            }
            _ => list.call.words.push(word),
        }
    }

    fn function_name(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.word(End::Text);
        if self.text[self.at..].starts_with("()") {
            self.at += 2;
        }
    }

    /// `[[ … ]]`, in which operators are words.
    fn test(&mut self, list: &mut List) {
        loop {
            match self.peek() {
                None | Some(b'\n') => return,
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b';') => {
                    let start = self.at;
                    let twice = self.text.as_bytes().get(start + 1) == self.text.as_bytes().get(start);
                    self.at += if twice { 2 } else { 1 };
                    let text = self.text[start..self.at].to_owned();
                    list.call.words.push(ShellWord { text, range: start..self.at, ..ShellWord::default() });
                }
                Some(_) => {
                    let word = self.word(End::Text);
                    let is_end = word.text == "]]";
                    list.call.words.push(word);
                    if is_end {
                        return;
                    }
                }
            }
        }
    }

    pub(super) fn finish(&mut self, list: &mut List, piped: bool) {
        let mut call = std::mem::take(&mut list.call);
        let mode = list.mode;
        if mode == Mode::Head {
            list.mode = Mode::Command;
        }
        if mode != Mode::Command {
            return;
        }
        while call.words.first().is_some_and(|word| WRAPPERS.contains(&word.text.as_str())) && call.words.len() > 1 {
            let is_env = call.words.remove(0).text == "env";
            while is_env && call.words.first().is_some_and(is_assignment) {
                call.words.remove(0);
            }
        }
        if !call.words.is_empty() || !call.assignments.is_empty() {
            self.script.calls.push(Call { piped, ..call });
        }
    }
}

/// `NAME=…`, `NAME+=…` or `NAME[…]=…`.
fn is_assignment(word: &ShellWord) -> bool {
    let Some((name, _)) = word.text.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split('[').next().unwrap_or_default();
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
