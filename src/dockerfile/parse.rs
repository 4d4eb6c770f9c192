//! A whole file: directives, comments, instructions; recovery at instruction boundaries.

use super::grammar::heredocs::heredocs;
use super::grammar::json::json_array;
use super::grammar::lexical::{comment, directive, flags, keyword};
use super::instruction::{Pieces, build};
use super::lines::{self, Line, Logical};
use super::{Diagnostic, Dockerfile, Instruction, Item, ItemKind, Keyword, Lines, Span, bodies, suggest};

/// What reading a file gives: as much of it as could be read, and what is wrong with the rest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// The file. Instructions with errors are not in it.
    pub file: Dockerfile,
    /// Errors and warnings, in file order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a Dockerfile. Bytes that are no UTF-8 become U+FFFD.
///
/// Never fails as a whole: what is wrong stands in the diagnostics, several at once where reading can go on.
pub fn parse(bytes: &[u8]) -> Parsed {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if text.is_empty() {
        let file = Dockerfile { text, escape: '\\', items: Vec::new() };
        return Parsed { file, diagnostics: vec![Diagnostic::nowhere("D-1", "the Dockerfile cannot be empty")] };
    }
    let mut reader = Reader::new(&text);
    reader.all();
    let Reader { items, mut diagnostics, escape, .. } = reader;
    check_order(&items, &text, &mut diagnostics);
    diagnostics.sort_by_key(|found| found.lines.map_or(0, |lines| lines.first));
    Parsed { file: Dockerfile { text, escape, items }, diagnostics }
}

/// Reads the text of an ONBUILD trigger, which must be exactly one instruction (ONB-3).
pub fn parse_trigger(text: &str) -> Result<Instruction, Diagnostic> {
    let mut reader = Reader::new(text);
    reader.all();
    if let Some(first) = reader.diagnostics.into_iter().next() {
        return Err(first);
    }
    let mut found = reader.items.into_iter().filter_map(|item| match item.kind {
        ItemKind::Instruction(instruction) => Some(*instruction),
        _ => None,
    });
    match (found.next(), found.next()) {
        (Some(instruction), None) => Ok(instruction),
        _ => Err(Diagnostic::nowhere("D-78", "onbuild trigger should be a single expression")),
    }
}

impl Dockerfile {
    /// The text of the file, made of its items: the same bytes as were read, for a tree that nobody changed.
    pub fn print(&self) -> String {
        self.items.iter().map(|item| &self.text[item.span.start..item.span.end]).collect()
    }
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    at: usize,
    escape: char,
    items: Vec<Item>,
    diagnostics: Vec<Diagnostic>,
    doc: Vec<String>,
    /// Some instruction has been seen, right or wrong.
    begun: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        // LEX-2
        let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self {
            text,
            lines: lines::split(text, start),
            at: 0,
            escape: '\\',
            items: Vec::new(),
            diagnostics: Vec::new(),
            doc: Vec::new(),
            begun: false,
        }
    }

    fn all(&mut self) {
        self.directives();
        while let Some(line) = self.lines.get(self.at).copied() {
            if line.is_too_long() {
                self.too_long(line.number);
                self.at = self.lines.len();
                self.item(line.start, self.text.len(), ItemKind::Blank);
            } else if line.is_blank() {
                self.at += 1;
                self.item(line.start, line.end(), ItemKind::Blank);
            } else if let Ok((_, comment)) = comment(line.text()) {
                self.at += 1;
                self.remember_doc(line.text());
                self.item(line.start, line.end(), ItemKind::Comment(comment.to_owned()));
            } else {
                self.instruction(line);
            }
        }
        // LEX-2: the byte order mark belongs to the first item.
        match self.items.first_mut() {
            Some(first) => first.span.start = 0,
            None => self.item(0, self.text.len(), ItemKind::Blank),
        }
        if !self.begun && self.diagnostics.is_empty() {
            let last = self.lines.last().map_or(1, |line| line.number);
            let span = self.lines.last().map_or(Span::default(), |line| Span::new(line.start, line.start + line.text().len()));
            self.error("D-2", span, Lines { first: last, last }, "file with no instructions", None);
        }
    }

    fn item(&mut self, start: usize, end: usize, kind: ItemKind) {
        self.items.push(Item { span: Span::new(start, end), kind });
    }

    fn error(&mut self, code: &'static str, span: Span, lines: Lines, message: impl Into<String>, help: Option<String>) {
        let found = Diagnostic::error(code, span, lines, message);
        self.diagnostics.push(Diagnostic { help, ..found });
    }

    /// LEX-11 to LEX-13.
    fn directives(&mut self) {
        let mut seen: Vec<String> = Vec::new();
        while let Some(line) = self.lines.get(self.at).copied() {
            let Ok((_, (name, value))) = directive(line.text()) else { return };
            if !matches!(name.as_str(), "syntax" | "escape" | "check") {
                return;
            }
            let lines = Lines { first: line.number, last: line.number };
            let span = Span::new(line.start, line.start + line.text().len());
            if seen.contains(&name) {
                self.error("D-4", span, lines, format!("only one {name} parser directive can be used"), None);
            } else if name == "escape" {
                match value {
                    "\\" => {}
                    "`" => self.escape = '`',
                    _ => {
                        let message = format!("invalid escape token '{value}' does not match ` or \\");
                        self.error("D-5", span, lines, message, None);
                    }
                }
            } else if name == "check"
                && let Err(message) = check_options(value)
            {
                self.error("D-6", span, lines, format!("failed to parse check options: {message}"), None);
            }
            seen.push(name.clone());
            self.at += 1;
            self.item(line.start, line.end(), ItemKind::Directive { name, value: value.to_owned() });
        }
    }

    /// LEX-24.
    fn remember_doc(&mut self, line: &str) {
        let mut chars = line.chars();
        chars.next();
        let text = chars.as_str().trim();
        if text.is_empty() {
            self.doc.clear();
        } else {
            self.doc.push(text.to_owned());
        }
    }

    fn too_long(&mut self, number: usize) {
        let lines = Lines { first: number, last: number };
        let start = self.lines.get(number - 1).map_or(0, |line| line.start);
        let span = Span::new(start, start);
        let message = "dockerfile line greater than max allowed size of 65535";
        if self.begun {
            self.error("D-3", span, lines, message, None);
        } else {
            self.error("D-3", span, lines, "file with no instructions", Some(message.to_owned()));
        }
    }

    fn instruction(&mut self, line: Line<'a>) {
        let mut logical = lines::join(&self.lines[self.at..], self.escape);
        let begin = self.at;
        self.at += logical.taken;
        let doc = std::mem::take(&mut self.doc).join("\n");
        if let Some(number) = logical.too_long {
            self.too_long(number);
            self.begun = true;
            self.at = self.lines.len();
            return self.item(line.start, self.text.len(), ItemKind::Blank);
        }
        self.begun = true;
        let result = self.read(&mut logical, doc);
        let end = self.lines.get(self.at.saturating_sub(1)).map_or(self.text.len(), Line::end);
        debug_assert!(self.at > begin);
        match result {
            Ok(instruction) => self.item(line.start, end, ItemKind::Instruction(Box::new(instruction))),
            Err(found) => {
                self.diagnostics.push(*found);
                // The text stays, so that the file can still be printed.
                self.item(line.start, end, ItemKind::Blank);
            }
        }
    }

    /// One logical line, and the bodies of its heredocs.
    fn read(&mut self, logical: &mut Logical, doc: String) -> Result<Instruction, Box<Diagnostic>> {
        let text = logical.text.clone();
        let (rest, word) = keyword(&text).unwrap_or(("", &text));
        let Some(known) = Keyword::from_text(word) else {
            return Err(Box::new(unknown_instruction(word, logical)));
        };
        let openings = self.openings(known, rest);
        let mut found = Vec::new();
        if !openings.is_empty() {
            let Some((heredocs, taken)) = bodies::read(openings, &self.lines[self.at..]) else {
                self.at = self.lines.len();
                let lines = Lines { first: logical.lines.first, last: self.lines.last().map_or(1, |line| line.number) };
                let found = Diagnostic::error("D-8", logical.whole(), lines, "unterminated heredoc");
                return Err(Box::new(found.help("end the body with a line that holds the delimiter alone")));
            };
            self.at += taken;
            logical.lines.last = self.lines.get(self.at.saturating_sub(1)).map_or(logical.lines.last, |line| line.number);
            found = heredocs;
        }
        let word = &logical.text[..word.len()];
        let rest = &logical.text[logical.text.len() - rest.len()..];
        build(Pieces { keyword: known, word, rest, heredocs: found, logical, doc, escape: self.escape })
    }

    fn openings<'t>(&self, known: Keyword, rest: &'t str) -> Vec<super::grammar::heredocs::Opening<'t>> {
        if !rest.contains("<<") {
            return Vec::new();
        }
        let (known, rest) = match known {
            Keyword::Onbuild => match keyword(rest) {
                Ok((inner, word)) => (Keyword::from_text(word), inner),
                Err(_) => (None, rest),
            },
            known => (Some(known), rest),
        };
        let Some(known @ (Keyword::Run | Keyword::Copy | Keyword::Add)) = known else { return Vec::new() };
        let arguments = flags(self.escape, rest).map_or(rest, |(arguments, _)| arguments.trim());
        if json_array(arguments).is_ok() {
            return Vec::new();
        }
        heredocs(known == Keyword::Run, rest).map(|(_, found)| found).unwrap_or_default()
    }
}

fn unknown_instruction(word: &str, logical: &Logical) -> Diagnostic {
    let found = Diagnostic::error(
        "D-7",
        if word.is_empty() { logical.whole() } else { logical.span(&logical.text[..word.len()]) },
        logical.lines,
        format!("unknown instruction: {word}"),
    );
    match suggest(word, Keyword::ALL.iter().map(|known| known.as_str())) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found,
    }
}

/// LINT-3.
fn check_options(value: &str) -> Result<(), String> {
    let value = value.split(' ').next().unwrap_or_default();
    for option in value.split(';') {
        let Some((name, value)) = option.split_once('=') else {
            return Err(format!("invalid check option \"{option}\""));
        };
        match name.trim() {
            "skip" | "experimental" => {}
            "error" if matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False") => {}
            "error" => return Err(format!("failed to parse check option \"{option}\"")),
            other => return Err(format!("invalid check option \"{other}\"")),
        }
    }
    Ok(())
}

/// D-14 and D-15: what must come first.
fn check_order(items: &[Item], text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let instructions = || {
        items.iter().filter_map(|item| match &item.kind {
            ItemKind::Instruction(instruction) => Some(instruction),
            _ => None,
        })
    };
    let before = instructions().take_while(|found| found.keyword != Keyword::From);
    if let Some(early) = before.into_iter().find(|found| found.keyword != Keyword::Arg) {
        let span = Span::new(early.span.start, early.span.start + early.keyword_text.len());
        let found = Diagnostic::error("D-14", span, early.lines, "no build stage in current context");
        diagnostics.push(found.help("begin with `FROM IMAGE`; only ARG may stand before it"));
    } else if diagnostics.is_empty() && !instructions().any(|found| found.keyword == Keyword::From) && !text.is_empty() {
        let found = Diagnostic::nowhere("D-15", "dockerfile contains no stages to build");
        diagnostics.push(found.help("add a `FROM IMAGE` line"));
    }
}
