//! Every line, as it comes, with the number of its task in front: for logs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::progress::{Event, Sink, TaskId};

use super::super::out;
use super::{closing, summary};

/// Writes to standard error. Tasks are numbered in the order in which they begin.
#[derive(Debug, Default)]
pub(crate) struct Plain(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    numbers: HashMap<TaskId, usize>,
    /// Output after the last line end, by task.
    unfinished: HashMap<TaskId, Vec<u8>>,
}

impl Sink for Plain {
    fn event(&self, event: Event) {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).lines(event);
        if !text.is_empty() {
            out::stderr(&text);
        }
    }
}

impl State {
    fn number(&self, task: TaskId) -> usize {
        self.numbers.get(&task).copied().unwrap_or_default()
    }

    fn lines(&mut self, event: Event) -> Vec<u8> {
        let mut text = String::new();
        match event {
            Event::Head { isolation, note } => {
                let _infallible = write!(text, "isolation: {isolation}");
                if let Some(note) = note {
                    let _infallible = write!(text, " ({note})");
                }
                text.push('\n');
            }
            Event::Start { task, name } => {
                let number = self.numbers.len() + 1;
                self.numbers.insert(task, number);
                // A heredoc's line ends would look like lines of their own.
                for line in name.lines() {
                    let _infallible = writeln!(text, "#{number} {line}");
                }
            }
            Event::Output { task, bytes } => return self.output(task, &bytes),
            Event::Note { task, text: note } => {
                let _infallible = writeln!(text, "#{} {note}", self.number(task));
            }
            Event::End { task, outcome, took } => {
                let mut bytes = self.flush(task);
                bytes.extend(format!("#{} {}\n", self.number(task), closing(&outcome, took)).bytes());
                return bytes;
            }
            Event::Warning(warning) => {
                let _infallible = writeln!(text, "warning: {warning}");
            }
            Event::Summary { cached, ran, took } => {
                let _infallible = writeln!(text, "{}", summary(cached, ran, took));
            }
            Event::Bytes { .. } => {}
        }
        text.into_bytes()
    }

    fn output(&mut self, task: TaskId, bytes: &[u8]) -> Vec<u8> {
        let prefix = format!("#{} ", self.number(task));
        let pending = self.unfinished.entry(task).or_default();
        pending.extend_from_slice(bytes);
        let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let rest = pending.split_off(end + 1);
        let whole = std::mem::replace(pending, rest);
        whole.split_inclusive(|byte| *byte == b'\n').flat_map(|line| [prefix.as_bytes(), line].concat()).collect()
    }

    fn flush(&mut self, task: TaskId) -> Vec<u8> {
        match self.unfinished.remove(&task) {
            Some(rest) if !rest.is_empty() => {
                [format!("#{} ", self.number(task)).as_bytes(), &rest, b"\n"].concat()
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::progress::Outcome;

    #[test]
    fn every_line_is_kept_and_told_apart() {
        let mut state = State::default();
        let task = TaskId(7);
        let took = Duration::from_millis(1300);
        let events = [
            Event::Start { task, name: "[1/2] RUN make".into() },
            Event::Output { task, bytes: b"one\ntw".to_vec() },
            Event::Output { task, bytes: b"o\nthree".to_vec() },
            Event::End { task, outcome: Outcome::Done, took },
            Event::Start { task: TaskId(9), name: "[2/2] RUN x".into() },
            Event::End { task: TaskId(9), outcome: Outcome::Cached, took },
            Event::Summary { cached: 1, ran: 1, took },
        ];
        let text: Vec<u8> = events.into_iter().flat_map(|event| state.lines(event)).collect();
        insta::assert_snapshot!(String::from_utf8(text).unwrap(), @r"
        #1 [1/2] RUN make
        #1 one
        #1 two
        #1 three
        #1 DONE 1.3s
        #2 [2/2] RUN x
        #2 CACHED
        built in 1.30s: 1 step ran, 1 cached
        ");
    }
}
