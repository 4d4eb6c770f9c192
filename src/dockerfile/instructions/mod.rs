//! The arguments of each instruction: one production and one function each.

mod copying;
mod from;
mod healthcheck;
mod onbuild;
mod pairs;
mod run;
mod texts;

use nom::Parser;
use nom::bytes::complete::take_till;
use nom::combinator::opt;

use super::fault::{Fault, Read};
use super::file::Lines as Stretch;
use super::flags::{Flags, Known, flags};
use super::json::json_strings;
use super::suggest::suggest;
use super::words::{is_separator, separator};
use super::{Command, CommandLine, Heredoc, Instruction, Keyword, Lines, Span, Word};

/// What the productions of an instruction's arguments must know of the whole instruction.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// The file's text.
    file: &'a str,
    /// The instruction's lines.
    stretch: &'a Stretch<'a>,
    /// The file's escape character.
    pub(super) escape: char,
    /// Which instruction.
    pub(super) keyword: Keyword,
    /// How it was written.
    word: &'a str,
}

/// What the arguments of an instruction are.
type Arguments<'a> = (Flags<'a>, Command);

impl<'a> Context<'a> {
    /// The place of `part` in the file, of which it is a slice of the logical line.
    pub(super) fn span(&self, part: &str) -> Span {
        self.stretch.logical.span(self.file, part)
    }

    /// `part` as a word.
    fn word(&self, part: &str) -> Word {
        Word { text: part.to_owned(), span: self.span(part) }
    }

    /// The heredocs of the instruction.
    fn heredocs(&self) -> &'a [Heredoc] {
        &self.stretch.heredocs
    }

    /// The flags at the head of `input`, checked, and what follows them.
    fn flags(&self, known: &[Known], text: &'a str) -> Read<'a, Flags<'a>> {
        let (rest, raw) = flags(self.escape, text)?;
        Ok((rest, Flags::check(self, raw, known)?))
    }

    /// The instruction was given too few arguments, or too many.
    fn count<T>(&self, at: &'a str, code: &'static str, requires: &str, usage: &str) -> Read<'a, T> {
        let at = if at.is_empty() { self.word } else { at };
        Fault::new(at, code, format!("{} requires {requires}", self.keyword))
            .help(Some(format!("write `{usage}`")))
            .fail()
    }
}

/// `instruction`: a whole logical line, trimmed.
pub(super) fn instruction<'a>(
    file: &'a str,
    escape: char,
    lines: Lines,
    stretch: &'a Stretch<'a>,
) -> Result<Instruction, Fault<'a>> {
    let text = stretch.logical.text.trim();
    let (keyword, word, arguments) = head(text);
    let Some(keyword) = keyword else {
        let near = suggest(word, Keyword::ALL.iter().map(|keyword| keyword.as_str()));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        return Err(Fault::new(word, "D-7", format!("unknown instruction: {word}")).help(help));
    };
    let context = Context { file, stretch, escape, keyword, word };
    let (flags, command) = match arguments_of(&context, arguments) {
        Ok((_, read)) => read,
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => return Err(fault),
        Err(nom::Err::Incomplete(_)) => return Err(Fault::new(text, "syntax", "the instruction is not complete")),
    };
    let start = context.span(word).start;
    let body_end = nom::Offset::offset(file, stretch.whole) + stretch.whole.trim_end().len();
    let end = if stretch.heredocs.is_empty() { context.span(text).end } else { body_end };
    Ok(Instruction {
        span: Span::new(start, end),
        lines,
        keyword,
        keyword_text: word.to_owned(),
        doc: String::new(),
        flags: flags.into_vec(),
        command,
        original: text.to_owned(),
        empty_continuation: stretch.logical.empty_continuation,
    })
}

/// The instruction word of a line, known or not, and what follows it.
pub(super) fn head(text: &str) -> (Option<Keyword>, &str, &str) {
    let line: Read<'_, (&str, Option<&str>)> = (take_till(is_separator), opt(separator)).parse(text);
    match line {
        Ok((rest, (word, _))) => (Keyword::from_text(word), word, rest),
        Err(_) => (None, text, &text[text.len()..]),
    }
}

/// What follows the instruction word: each instruction has its production.
fn arguments_of<'a>(context: &Context<'a>, text: &'a str) -> Read<'a, Arguments<'a>> {
    match context.keyword {
        Keyword::Add => copying::add(context, text),
        Keyword::Arg => pairs::arg(context, text),
        Keyword::Cmd => run::cmd(context, text),
        Keyword::Copy => copying::copy(context, text),
        Keyword::Entrypoint => run::entrypoint(context, text),
        Keyword::Env => pairs::env(context, text),
        Keyword::Expose => texts::expose(context, text),
        Keyword::From => from::from(context, text),
        Keyword::Healthcheck => healthcheck::healthcheck(context, text),
        Keyword::Label => pairs::label(context, text),
        Keyword::Maintainer => texts::maintainer(context, text),
        Keyword::Onbuild => onbuild::onbuild(context, text),
        Keyword::Run => run::run(context, text),
        Keyword::Shell => run::shell(context, text),
        Keyword::StopSignal => texts::stopsignal(context, text),
        Keyword::User => texts::user(context, text),
        Keyword::Volume => texts::volume(context, text),
        Keyword::Workdir => texts::workdir(context, text),
    }
}

/// `command-line`: the exec form, or else everything as one string (LEX-46 to LEX-48).
fn command_line<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, CommandLine> {
    let end = &input[input.len()..];
    match json_strings(input) {
        Ok((rest, strings)) => Ok((rest, CommandLine::Exec(strings))),
        Err(nom::Err::Failure(fault)) => Err(nom::Err::Failure(fault)),
        Err(_) => Ok((end, CommandLine::Shell(context.word(input)))),
    }
}

/// Whether the instruction on this line can open heredocs: RUN, ADD, COPY and ONBUILD of those, in no JSON form
/// (LEX-50).
pub(super) fn takes_heredocs(escape: char, text: &str) -> bool {
    let (mut keyword, _, mut rest) = head(text);
    if keyword == Some(Keyword::Onbuild) {
        rest = flags(escape, rest).map_or(rest, |(rest, _)| rest);
        (keyword, _, rest) = head(rest);
    }
    let able = matches!(keyword, Some(Keyword::Run | Keyword::Add | Keyword::Copy));
    let rest = flags(escape, rest).map_or(rest, |(rest, _)| rest);
    able && !matches!(json_strings(rest), Ok(_) | Err(nom::Err::Failure(_)))
}
