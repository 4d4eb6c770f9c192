use std::ops::Range;

use crate::dockerfile::{Layout, LayoutLine, Token};

/// What continued lines begin with.
const INDENT: &str = "    ";

/// One instruction in the usual layout, all its lines with `end`; `None` where that would be read as something else, and
/// where the instruction does not begin on its first line.
pub(super) fn instruction(escape: char, whole: &str, end: &str) -> Option<String> {
    let layout = Layout::read(escape, whole)?;
    let joints = joints(&layout);
    // Of a command on several lines the indentation is the shell's to read (LEX-32). To change that of the first line
    // alone would only put it out of line.
    let keeps_indentation = layout.tokens.last().is_some_and(|(token, range)| {
        *token == Token::Raw && joints.iter().any(|joint| range.start < joint.at && joint.at < range.end)
    });
    let writer = Writer { layout: &layout, joints, escape, end, keeps_indentation, out: String::new() };
    let Written { text, comments } = writer.write()?;
    if text == whole {
        return Some(text);
    }
    // White space at the end of a line can be what keeps an escape character from joining the next one (LEX-31), and
    // longer lines can become too long (LEX-4). What the lines mean is seen by reading them.
    let read = Layout::read(escape, &text)?;
    same(&layout, &read).then(|| text + &comments)
}

/// Whether two instructions consist of the same parts.
fn same<'a>(before: &Layout<'a>, after: &Layout<'a>) -> bool {
    let parts = before.tokens.iter().zip(&after.tokens).all(|((token, range), (other, place))| {
        let (part, read) = (&before.text[range.clone()], &after.text[place.clone()]);
        token == other && if *token == Token::Keyword { part.eq_ignore_ascii_case(read) } else { part == read }
    });
    let trimmed = |layout: &Layout<'a>| layout.heredocs.trim_end_matches(['\r', '\n']);
    parts && before.tokens.len() == after.tokens.len() && trimmed(before) == trimmed(after)
}

/// The end of a physical line within a logical one.
struct Joint<'a> {
    /// Where it is in the logical line.
    at: usize,
    /// The comments between the line and the next.
    comments: Vec<&'a str>,
}

/// All but the end of the last line.
fn joints<'a>(layout: &Layout<'a>) -> Vec<Joint<'a>> {
    let mut joints: Vec<Joint<'a>> = Vec::new();
    let mut at = 0;
    for (number, line) in layout.lines.iter().enumerate() {
        match line {
            LayoutLine::Text(text) => {
                at += text.len();
                if number + 1 < layout.lines.len() {
                    joints.push(Joint { at, comments: Vec::new() });
                }
            }
            LayoutLine::Comment(comment) => {
                if let Some(joint) = joints.last_mut() {
                    joint.comments.push(comment.trim_end());
                }
            }
            LayoutLine::Blank => {}
        }
    }
    joints
}

/// What has been written.
struct Written {
    /// The instruction.
    text: String,
    /// The comments after its last continuation, with which the file ends.
    comments: String,
}

struct Writer<'l, 'a> {
    layout: &'l Layout<'a>,
    joints: Vec<Joint<'a>>,
    escape: char,
    end: &'l str,
    keeps_indentation: bool,
    out: String,
}

impl Writer<'_, '_> {
    fn write(mut self) -> Option<Written> {
        let mut next = 0;
        let mut before: Option<Token> = None;
        for (token, range) in &self.layout.tokens {
            let first = next;
            while self.joints.get(next).is_some_and(|joint| joint.at <= range.start) {
                next += 1;
            }
            let is_broken = next > first;
            match (before, token) {
                (None, _) if is_broken => return None,
                (Some(Token::Element), Token::Element) => self.out.push_str(if is_broken { "," } else { ", " }),
                (None, _)
                | (Some(Token::Open), Token::Element | Token::Close)
                | (Some(Token::Element), Token::Close) => {}
                _ if is_broken => {}
                _ => self.out.push(' '),
            }
            if is_broken {
                self.gap(first..next, range.start);
            }
            next = self.part(*token, range, next);
            before = Some(*token);
        }
        self.out.push_str(self.end);
        self.out.push_str(self.layout.heredocs);
        if !self.out.ends_with('\n') {
            self.out.push_str(self.end);
        }
        let last = self.joints[next..].iter().flat_map(|joint| &joint.comments);
        let comments = last.flat_map(|comment| [comment.trim_start(), self.end]).collect();
        Some(Written { text: self.out, comments })
    }

    /// The lines up to the part that begins at `start`: comments, and lines of nothing but an escape character, which set
    /// groups apart. Then the white space before the part.
    fn gap(&mut self, joints: Range<usize>, start: usize) {
        self.out.push(' ');
        self.out.push(self.escape);
        self.out.push_str(self.end);
        let mut is_apart = false;
        for number in joints.clone() {
            let joint = &self.joints[number];
            for comment in &joint.comments {
                let line = if self.keeps_indentation { [*comment, ""] } else { [INDENT, comment.trim_start()] };
                self.out.extend(line.into_iter().chain([self.end]));
                is_apart = false;
            }
            let is_last = number + 1 == joints.end;
            let end = if is_last { start } else { self.joints[number + 1].at };
            if is_last || !is_apart {
                self.out.push_str(if self.keeps_indentation { &self.layout.text[joint.at..end] } else { INDENT });
            }
            if !is_last && !is_apart {
                self.out.push(self.escape);
                self.out.push_str(self.end);
                is_apart = true;
            }
        }
    }

    /// One part, with the ends of lines within it: there each byte counts. Gives the number of the joint after it.
    fn part(&mut self, token: Token, range: &Range<usize>, first: usize) -> usize {
        let mut from = range.start;
        let mut next = first;
        while let Some(joint) = self.joints.get(next).filter(|joint| joint.at < range.end) {
            write(token, &self.layout.text[from..joint.at], &mut self.out);
            self.out.push(self.escape);
            self.out.push_str(self.end);
            for comment in &joint.comments {
                self.out.extend([comment, self.end]);
            }
            from = joint.at;
            next += 1;
        }
        write(token, &self.layout.text[from..range.end], &mut self.out);
        next
    }
}

fn write(token: Token, part: &str, out: &mut String) {
    let start = out.len();
    out.push_str(part);
    if token == Token::Keyword {
        out[start..].make_ascii_uppercase();
    }
}
