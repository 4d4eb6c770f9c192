//! What mends a finding for certain: the file then means what it meant. Where that is not sure there is no fix.

use crate::dockerfile::{Command, Dockerfile, Edit, Fix, Instruction, Keyword, Span, parse_trigger};

/// The label that stands in for MAINTAINER.
const AUTHORS: &str = "org.opencontainers.image.authors";

/// `ENV name value` as `ENV name=value`, the value in quotes where it holds white space.
pub(super) fn key_value(file: &Dockerfile, at: &Instruction) -> Option<Fix> {
    let (Command::Env(pairs) | Command::Label(pairs)) = &at.command else { return None };
    let [pair] = pairs.as_slice() else { return None };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    let gap = Span::new(pair.name.span.end, pair.value.span.start);
    if !pair.name.text.bytes().all(is_plain) || !text_of(file, gap)?.bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
        return None;
    }
    // Quotes and escapes mean something else within quotes.
    let is_special = |c: char| matches!(c, '"' | '\'' | '\\' | '`');
    let needs_quotes = !is_one_word(file, &pair.value.text);
    if needs_quotes && pair.value.text.contains(is_special) {
        return None;
    }
    let quote = if needs_quotes { "\"" } else { "" };
    let end = Span::new(pair.value.span.end, pair.value.span.end);
    let mut edits = vec![Edit { span: gap, text: format!("={quote}") }];
    if needs_quotes {
        edits.push(Edit { span: end, text: quote.to_owned() });
    }
    Some(Fix { edits })
}

/// Whether `name=` before the text gives one pair with just that value, quotes and all.
fn is_one_word(file: &Dockerfile, value: &str) -> bool {
    // A trigger's escape character is the backslash.
    let is_read_alike = file.escape == '\\' || !value.contains(['\\', '`']);
    let read = parse_trigger(&format!("ENV x={value}"));
    let has_it = |at: Instruction| match at.command {
        Command::Env(pairs) => matches!(pairs.as_slice(), [pair] if pair.value.text == value),
        _ => false,
    };
    is_read_alike && read.is_ok_and(has_it)
}

/// `MAINTAINER text` as a label, which expands and has quotes where MAINTAINER takes everything as it is.
pub(super) fn maintainer(file: &Dockerfile, at: &Instruction) -> Option<Fix> {
    let Command::Maintainer(author) = &at.command else { return None };
    let is_special = |c: char| matches!(c, '"' | '\'' | '\\' | '`' | '$');
    if author.contains(is_special) || text_of(file, at.span)?.contains('\n') {
        return None;
    }
    let is_lower = at.keyword_text.chars().all(char::is_lowercase);
    let keyword = if is_lower { "label" } else { "LABEL" };
    Some(Fix::replace(at.span, format!("{keyword} {AUTHORS}=\"{author}\"")))
}

/// Takes `--platform=$TARGETPLATFORM` out, with the white space behind it, where no ARG gives that name another meaning.
pub(super) fn without_target_platform(file: &Dockerfile, from: &Instruction) -> Option<Fix> {
    let declares = |at: &Instruction| match &at.command {
        Command::Arg(args) => args.iter().any(|arg| arg.name.text == "TARGETPLATFORM"),
        _ => false,
    };
    if file.instructions().take_while(|at| at.keyword != Keyword::From).any(declares) {
        return None;
    }
    let flag = from.flags.iter().find(|flag| flag.name == "platform")?;
    let rest = file.text.get(flag.span.end..)?;
    let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let is_split = text_of(file, flag.span)?.contains('\n') || blank == 0;
    (!is_split).then(|| Fix::replace(Span::new(flag.span.start, flag.span.end + blank), ""))
}

/// A word in lower case, from `from` on in bytes; the file must hold it as it is.
pub(super) fn lower_case(file: &Dockerfile, span: Span, word: &str, from: usize) -> Option<Fix> {
    if text_of(file, span)? != word {
        return None;
    }
    let end = word.get(from..)?.to_lowercase();
    Some(Fix::replace(Span::new(span.start + from, span.end), end))
}

/// Takes the blank lines out of an instruction.
pub(super) fn without_blank_lines(file: &Dockerfile, at: &Instruction) -> Fix {
    let edits = file.blank_lines(at).into_iter().map(|span| Edit { span, text: String::new() });
    Fix { edits: edits.collect() }
}

fn text_of(file: &Dockerfile, span: Span) -> Option<&str> {
    file.text.get(span.start..span.end)
}
