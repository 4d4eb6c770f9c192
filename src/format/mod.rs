//! A Dockerfile in the usual layout: what is between the words may change, what they mean may not.
//!
//! Changed are the case of instruction words, white space where the language gives it no meaning, blank lines, and the
//! ends of lines. Text that a shell, an image or a file gets is kept byte for byte: commands in shell form with the
//! indentation of their continued lines, bodies of heredocs, values, triggers of ONBUILD. So the formatted file plans to
//! the same steps with the same keys and the same history, and a second formatting changes nothing.

mod instruction;
#[cfg(test)]
mod tests;

use crate::dockerfile::{Dockerfile, ItemKind};

use instruction::instruction;

/// The text of `file` in the usual layout. A file with errors must not be given: what could not be read is kept.
///
/// Lines end as the first one does, with a line feed or with a carriage return before it; those of heredocs stay as they
/// are. A byte order mark is left out.
pub fn format(file: &Dockerfile) -> String {
    let first = file.text.split_inclusive('\n').next().unwrap_or_default();
    let end = if first.ends_with("\r\n") { "\r\n" } else { "\n" };
    let mut out = String::with_capacity(file.text.len() + 64);
    let mut blank = false;
    for item in &file.items {
        let whole = file.text.get(item.span.start..item.span.end).unwrap_or_default();
        // LEX-2
        let whole = if item.span.start == 0 { whole.strip_prefix('\u{feff}').unwrap_or(whole) } else { whole };
        if item.kind == ItemKind::Blank {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) && (!out.is_empty() || would_be_directive(&item.kind)) {
            out.push_str(end);
        }
        match &item.kind {
            // One with white space before it is not a directive to everybody who reads them (LEX-14).
            ItemKind::Directive { name, value } if whole.starts_with('#') => {
                out.extend(["# ", name, "=", value, end]);
            }
            ItemKind::Instruction(_) => match instruction(file.escape, whole, end) {
                Some(text) => out.push_str(&text),
                None => verbatim(whole, end, &mut out),
            },
            ItemKind::Invalid => verbatim(whole, end, &mut out),
            // An indented comment is no description (LEX-24): the white space before it counts.
            ItemKind::Directive { .. } | ItemKind::Comment(_) | ItemKind::Blank => {
                out.extend([whole.trim_end(), end]);
            }
        }
    }
    out
}

/// A comment that the blank line before it keeps from being a directive (LEX-11).
fn would_be_directive(kind: &ItemKind) -> bool {
    matches!(kind, ItemKind::Comment(text) if text.contains('='))
}

fn verbatim(whole: &str, end: &str, out: &mut String) {
    out.push_str(whole);
    if !whole.ends_with('\n') {
        out.push_str(end);
    }
}
