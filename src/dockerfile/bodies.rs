//! The bodies of heredocs: physical lines up to a delimiter (LEX-55 to LEX-58).

use super::Heredoc;
use super::grammar::heredocs::Opening;
use super::lines::Line;

/// Reads the body of each opening from the head of `lines`. Gives the bodies and how many lines they took; `None` when a
/// delimiter is missing, or a line is too long (LEX-4).
pub(super) fn read(openings: Vec<Opening<'_>>, lines: &[Line<'_>]) -> Option<(Vec<Heredoc>, usize)> {
    let mut taken = 0;
    let mut heredocs = Vec::new();
    for Opening { name, expand, strip_tabs, fd, .. } in openings {
        let mut body = String::new();
        loop {
            let line = lines.get(taken)?;
            if line.is_too_long() {
                return None;
            }
            taken += 1;
            let text = line.text();
            let text = if strip_tabs { text.trim_start_matches('\t') } else { text };
            if text == name {
                break;
            }
            body.push_str(line.whole);
        }
        heredocs.push(Heredoc { name, body, expand, strip_tabs, fd });
    }
    Some((heredocs, taken))
}

/// The heredocs put back behind their line, as shells and ONBUILD triggers want them (RUN-6, ONB-2).
pub fn attach(line: &str, heredocs: &[Heredoc]) -> String {
    heredocs.iter().fold(line.to_owned(), |mut text, heredoc| {
        text.push('\n');
        text.push_str(&heredoc.body);
        text.push_str(&heredoc.name);
        text
    })
}
