//! Applies fixes, and makes sure that nothing else has changed.

use crate::dockerfile::{Diagnostic, Dockerfile, Edit, ItemKind, Keyword, Span, parse};

/// A mended text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mended {
    /// The text.
    pub text: String,
    /// How many findings are mended. Those at one place count once.
    pub count: usize,
}

/// The mended text would not be the same Dockerfile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the mended Dockerfile would not be the same one")]
pub struct Changed;

/// Applies the fixes of `found` that do not overlap with one before; `None` where there is none. One that overlaps may be
/// found again in the new text.
///
/// # Errors
/// [`Changed`]; also where the new text cannot be read.
pub fn mend(file: &Dockerfile, found: &[Diagnostic]) -> Result<Option<Mended>, Changed> {
    let mut edits: Vec<&Edit> = Vec::new();
    let mut count = 0;
    let mut fixes: Vec<_> =
        found.iter().filter_map(|found| found.fix.as_ref()).filter(|fix| !fix.edits.is_empty()).collect();
    fixes.sort_by_key(|fix| fix.edits.iter().map(|edit| edit.span.start).min());
    let mut end = 0;
    for fix in fixes {
        let start = fix.edits.iter().map(|edit| edit.span.start).min().unwrap_or_default();
        // The first fix may begin at the first byte; two that insert at one place are one too many.
        if start < end || (start == end && !edits.is_empty()) {
            continue;
        }
        end = fix.edits.iter().map(|edit| edit.span.end).max().unwrap_or(end);
        edits.extend(&fix.edits);
        count += 1;
    }
    if edits.is_empty() {
        return Ok(None);
    }
    edits.sort_by_key(|edit| edit.span.start);
    let text = edited(&file.text, &edits).ok_or(Changed)?;
    let spans: Vec<Span> = edits.iter().map(|edit| edit.span).collect();
    if is_same(file, &text, &spans) { Ok(Some(Mended { text, count })) } else { Err(Changed) }
}

/// `edits` are in order; `None` where one begins within another or within a character.
fn edited(text: &str, edits: &[&Edit]) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        result.push_str(text.get(at..edit.span.start)?);
        result.push_str(&edit.text);
        at = edit.span.end;
    }
    result.push_str(text.get(at..)?);
    Some(result)
}

/// Whether `text` has the items of `file`: those without an edit as they were, the others instructions of the same kind with
/// the same comment. A MAINTAINER may have become a label.
fn is_same(file: &Dockerfile, text: &str, edits: &[Span]) -> bool {
    let parsed = parse(text.as_bytes());
    if !parsed.diagnostics.is_empty() || parsed.file.items.len() != file.items.len() || parsed.file.text != text {
        return false;
    }
    file.items.iter().zip(&parsed.file.items).all(|(old, new)| {
        let (was, is) = (slice(&file.text, old.span), slice(text, new.span));
        let first = edits.partition_point(|edit| edit.start < old.span.start);
        let is_touched = edits.get(first).is_some_and(|edit| edit.start < old.span.end);
        if !is_touched {
            return was == is;
        }
        match (&old.kind, &new.kind) {
            (ItemKind::Instruction(old), ItemKind::Instruction(new)) => {
                let is_label = old.keyword == Keyword::Maintainer && new.keyword == Keyword::Label;
                let has_comments = comments(was).eq(comments(is));
                old.doc == new.doc && has_comments && (old.keyword == new.keyword || is_label)
            }
            _ => false,
        }
    })
}

fn slice(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).unwrap_or_default()
}

/// The lines of an instruction that are comments, or would be outside a heredoc.
fn comments(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{Fix, Lines};

    fn found(edits: &[(usize, usize, &str)]) -> Diagnostic {
        let edits =
            edits.iter().map(|(start, end, text)| Edit { span: Span::new(*start, *end), text: (*text).to_owned() });
        let fix = Fix { edits: edits.collect() };
        Diagnostic::warning("x", Span::default(), Lines::default(), "x").fix(Some(fix))
    }

    #[test]
    fn mend_takes_fixes_that_do_not_overlap() {
        let file = parse(b"from a\nrun b c\n").file;
        let mended =
            |found: &[Diagnostic]| mend(&file, found).map(|mended| mended.map(|mended| (mended.text, mended.count)));
        let done = |text: &str, count| Ok(Some((text.to_owned(), count)));
        assert_eq!(mended(&[]), Ok(None));
        assert_eq!(mended(&[found(&[])]), Ok(None));
        let both = [found(&[(7, 10, "RUN")]), found(&[(0, 4, "FROM")])];
        assert_eq!(mended(&both), done("FROM a\nRUN b c\n", 2));
        let same = [found(&[(7, 10, "RUN")]), found(&[(7, 10, "RUN")]), found(&[(8, 14, "")])];
        assert_eq!(mended(&same), done("from a\nRUN b c\n", 1));
        assert_eq!(mended(&[found(&[(11, 11, "'"), (14, 14, "'")])]), done("from a\nrun 'b c'\n", 1));
    }

    #[test]
    fn mend_refuses_what_changes_more() {
        let file = parse("from a\n# \u{e4}\nrun b \\\n# n\n c\n".as_bytes()).file;
        for (row, edits) in [
            ("cannot be read", (12, 15, "rum")),
            ("another instruction", (12, 15, "cmd")),
            ("a comment", (9, 11, "x")),
            ("a comment within", (22, 23, "x")),
            ("within a character", (10, 11, "x")),
            ("another item", (12, 12, "\n")),
            ("a line less", (6, 7, " ")),
            ("beyond the end", (90, 99, "")),
        ] {
            assert_eq!(mend(&file, &[found(&[edits])]), Err(Changed), "{row}");
        }
    }
}
