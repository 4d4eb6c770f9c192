//! What stands between words: operators, subshells, redirections and heredocs.

use super::Call;
use super::reader::{End, List, Mode, Reader};

impl Reader<'_> {
    pub(super) fn operator(&mut self, list: &mut List) {
        let rest = &self.text[self.at..];
        if rest.starts_with("&>") {
            self.at += 1;
            return;
        }
        // Alternatives of a pattern.
        if list.mode == Mode::Pattern && rest.starts_with('|') {
            self.at += 1;
            return;
        }
        let pipe = rest.starts_with('|') && !rest.starts_with("||");
        let length = ["&&", "||", "|&", ";;&", ";;", ";&"]
            .iter()
            .find(|text| rest.starts_with(**text))
            .map_or(1, |text| text.len());
        self.at += length;
        self.script.has_pipe |= pipe;
        self.finish(list, pipe);
        if rest.starts_with(";;") && list.cases > 0 {
            list.mode = Mode::Pattern;
        }
    }

    pub(super) fn parenthesis(&mut self, list: &mut List) {
        let is_start = list.call.words.is_empty() && list.call.assignments.is_empty();
        let rest = &self.text[self.at..];
        self.at += 1;
        if list.mode == Mode::Pattern {
            return;
        }
        if is_start && rest.starts_with("((") {
            self.skip_to(b'(', b')');
        } else if rest[1..].trim_start_matches([' ', '\t']).starts_with(')') && list.call.words.len() == 1 {
            // `name ()`: what follows is the body.
            list.call = Call::default();
            self.at += rest[1..].find(')').map_or(0, |length| length + 1);
        } else {
            self.nested(End::Parenthesis);
        }
    }

    /// Where to or from is no word of the command.
    pub(super) fn redirection(&mut self, end: End) {
        let rest = &self.text[self.at..];
        let operator = ["<<<", "<<-", "<<", "<>", ">>", ">&", "<&", ">|", "<(", ">("]
            .into_iter()
            .find(|text| rest.starts_with(*text))
            .unwrap_or(&rest[..1]);
        self.at += operator.len();
        if operator.ends_with('(') {
            return self.nested(End::Parenthesis);
        }
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        if self.peek() == Some(b'&') {
            self.at += 1;
        }
        let word = self.word(end);
        if matches!(operator, "<<" | "<<-") {
            self.heredocs.push((word.text, operator == "<<-"));
        }
    }

    /// Goes over the bodies of heredocs, which begin here.
    pub(super) fn bodies(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.heredocs) {
            while self.at < self.text.len() {
                let rest = &self.text[self.at..];
                let line = rest.split_inclusive('\n').next().unwrap_or_default();
                self.at += line.len();
                let line = line.trim_end_matches(['\r', '\n']);
                if (if tabs { line.trim_start_matches('\t') } else { line }) == end {
                    break;
                }
            }
        }
    }
}
