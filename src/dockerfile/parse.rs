use super::directives::Directive;
use super::fault::Fault;
use super::file::{Lines as Stretch, Piece, file, item, place};
use super::instructions::{head, instruction};
use super::suggest::suggest;
use super::{Diagnostic, Dockerfile, Instruction, Item, ItemKind, Keyword, Lines, Span};

/// After so many findings reading ends: a file with more is no Dockerfile.
const MOST: usize = 100;

/// What reading a file gives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parsed {
    /// The file; stretches that could not be read are [`ItemKind::Invalid`].
    pub file: Dockerfile,
    /// What is wrong with it, in file order; all are errors. After a hundred findings reading ends.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a Dockerfile; bytes that are not UTF-8 are replaced.
///
/// Goes on after a wrong instruction, so that all of them are told at once. Besides what the instructions' own
/// syntax asks for, it checks that there is something (D-1, D-2), that a stage is open (D-14) and that there is one
/// (D-15).
pub fn parse(bytes: &[u8]) -> Parsed {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if text.is_empty() {
        let diagnostics = vec![Diagnostic::nowhere("D-1", "the Dockerfile cannot be empty")];
        return Parsed { file: Dockerfile { escape: '\\', ..Dockerfile::default() }, diagnostics };
    }
    let mut reader = Reader { text: &text, escape: '\\', items: Vec::new(), ..Reader::default() };
    reader.file();
    let Reader { items, diagnostics, escape, .. } = reader;
    Parsed { file: Dockerfile { text, escape, items }, diagnostics }
}

/// Reads the text that ONBUILD kept, which must be one instruction (ONB-3); the escape character is a backslash.
///
/// Places are relative to `text`.
#[expect(clippy::result_large_err, reason = "called once for each trigger of a build")]
pub fn parse_trigger(text: &str) -> Result<Instruction, Diagnostic> {
    let mut reader = Reader { text, escape: '\\', stage: true, ..Reader::default() };
    reader.body(text);
    let Reader { items, diagnostics, .. } = reader;
    if let Some(first) = diagnostics.into_iter().next() {
        return Err(first);
    }
    let mut instructions = items.into_iter().filter_map(|item| match item.kind {
        ItemKind::Instruction(instruction) => Some(*instruction),
        _ => None,
    });
    match (instructions.next(), instructions.next()) {
        (Some(instruction), None) => Ok(instruction),
        _ => Err(Diagnostic::nowhere("D-78", "onbuild trigger should be a single expression")),
    }
}

/// Makes items of pieces.
#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    escape: char,
    items: Vec<Item>,
    diagnostics: Vec<Diagnostic>,
    /// Comment lines that wait for their instruction (LEX-24).
    doc: Vec<&'a str>,
    /// End of the last item.
    end: usize,
    /// Line feeds before `end`.
    line: usize,
    /// There was an instruction.
    any: bool,
    /// A FROM was seen, or the lack of one has been told.
    stage: bool,
}

impl<'a> Reader<'a> {
    fn file(&mut self) {
        let Ok((rest, head)) = file(self.text) else { return };
        self.escape = head.escape;
        // Before the directives become items, since places are counted from the last item.
        for fault in head.faults.into_iter().take(MOST) {
            let lines = self.lines(fault.at);
            self.report(fault, lines);
        }
        for Directive { name, value, whole } in head.directives {
            self.push(whole, ItemKind::Directive { name: name.to_lowercase(), value: value.to_owned() });
        }
        self.body(rest);
        self.finish();
    }

    fn body(&mut self, mut rest: &'a str) {
        while !rest.is_empty() {
            if self.diagnostics.len() >= MOST {
                self.any = true;
                self.push(rest, ItemKind::Invalid);
                return;
            }
            let Ok((after, piece)) = item(self.escape, rest) else { return };
            self.piece(piece);
            rest = after;
        }
    }

    fn piece(&mut self, piece: Piece<'a>) {
        match piece {
            Piece::Comment { text, whole } => {
                self.comment(whole);
                self.push(whole, ItemKind::Comment(text.to_owned()));
            }
            Piece::Blank(whole) => self.push(whole, ItemKind::Blank),
            Piece::Lines(stretch) => self.instruction(&stretch),
            Piece::Broken(whole, fault) => {
                let lines = self.lines(fault.over.unwrap_or(fault.at));
                // A heredoc without end belongs to an instruction; a line too long to be read does not.
                self.any |= fault.over.is_some();
                self.report(fault, lines);
                self.push(whole, ItemKind::Invalid);
            }
        }
    }

    /// Collects a doc comment. An indented one keeps its `#`, and an empty one clears what was collected (LEX-24).
    fn comment(&mut self, whole: &'a str) {
        let mut characters = whole.chars();
        characters.next();
        let text = characters.as_str().trim();
        if text.is_empty() {
            self.doc.clear();
        } else {
            self.doc.push(text);
        }
    }

    fn instruction(&mut self, stretch: &Stretch<'a>) {
        let lines = self.lines(stretch.whole);
        let doc = std::mem::take(&mut self.doc).join("\n");
        self.any = true;
        let kind = match instruction(self.text, self.escape, lines, stretch) {
            Ok(read) => {
                let (_, word, _) = head(stretch.logical.text.trim());
                self.order(read.keyword, stretch.logical.span(self.text, word), lines);
                ItemKind::Instruction(Box::new(Instruction { doc, ..read }))
            }
            Err(fault) => {
                let (keyword, word, _) = head(stretch.logical.text.trim());
                // What was meant to be a FROM opens a stage too, or each instruction after it would be told of.
                let meant = keyword.or_else(|| Keyword::from_text(suggest(word, ["FROM"])?));
                self.stage |= meant == Some(Keyword::From);
                // A lone continuation has no byte left to blame (LEX-36).
                let span = if fault.at.is_empty() {
                    place(self.text, stretch.whole.trim())
                } else {
                    stretch.logical.span(self.text, fault.at)
                };
                self.tell(fault.diagnostic(span, lines));
                ItemKind::Invalid
            }
        };
        self.push(stretch.whole, kind);
    }

    /// Only ARG may come before the first FROM (D-14).
    fn order(&mut self, keyword: Keyword, span: Span, lines: Lines) {
        if keyword == Keyword::From {
            self.stage = true;
        } else if keyword != Keyword::Arg && !self.stage {
            self.stage = true;
            let help = "a stage begins with `FROM IMAGE`; only ARG may come before it";
            self.tell(Diagnostic::error("D-14", span, lines, "no build stage in current context").help(help));
        }
    }

    /// Checks what only the whole file shows (D-2, D-15).
    fn finish(&mut self) {
        if !self.any {
            let last = self.line + usize::from(!self.text.ends_with('\n'));
            let lines = Lines { first: last, last };
            let diagnostic = Diagnostic::nowhere("D-2", "file with no instructions");
            self.tell(Diagnostic { lines: Some(lines), ..diagnostic });
        } else if !self.stage && self.diagnostics.is_empty() {
            let help = "a stage begins with `FROM IMAGE`";
            self.tell(Diagnostic::nowhere("D-15", "dockerfile contains no stages to build").help(help));
        }
        if self.items.is_empty() {
            self.push(&self.text[self.text.len()..], ItemKind::Blank);
        }
    }

    fn push(&mut self, whole: &str, kind: ItemKind) {
        // From the end of the last item, so that the byte order mark belongs to the first.
        let start = self.end;
        let end = place(self.text, whole).end;
        self.line += newlines(&self.text[start..end]);
        self.end = end;
        self.items.push(Item { span: Span::new(start, end), kind });
    }

    fn report(&mut self, fault: Fault<'a>, lines: Lines) {
        let span = place(self.text, fault.at);
        self.tell(fault.diagnostic(span, lines));
    }

    fn tell(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The lines of `part`, which begins after the last item.
    fn lines(&self, part: &str) -> Lines {
        let span = place(self.text, part);
        let first = self.line + 1 + newlines(&self.text[self.end..span.start]);
        let inside = part.strip_suffix('\n').unwrap_or(part);
        Lines { first, last: first + newlines(inside) }
    }
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
