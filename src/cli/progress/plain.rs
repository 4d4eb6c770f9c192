//! Every line, as it comes, with the number of its task in front: for logs.
//!
//! ```text
//! #4 [stage 1/3] RUN make
//! #4 0.021 cc -c a.c
//! #4 DONE 1.3s
//! ```
//!
//! A line of output also has the seconds since its task began, which tells it from the lines of kiln's own.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::progress::{Event, Sink, TaskId};

use super::super::out;
use super::{closing, moved, summary};

/// Output without a line end is written once it is longer than this.
const LONGEST: usize = 1 << 20;
/// Between two lines on one transfer.
const TRANSFER: Duration = Duration::from_secs(5);

/// Writes to standard error. Tasks are numbered in the order in which they begin.
#[derive(Debug)]
pub(crate) struct Plain {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tasks: HashMap<TaskId, Task>,
    begun: usize,
}

#[derive(Debug, Default)]
struct Task {
    number: usize,
    began: Duration,
    /// Output after the last line end.
    unfinished: Vec<u8>,
    moved: Option<u64>,
    told: Duration,
}

impl Default for Plain {
    fn default() -> Self {
        Self { began: Instant::now(), state: Mutex::default() }
    }
}

impl Sink for Plain {
    fn event(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = state.text(event, self.began.elapsed());
        if !text.is_empty() {
            // Under the lock: lines of one task must not change places.
            out::stderr(&text);
        }
    }
}

impl State {
    /// What to write for an event at `now`, counted from the start of the build.
    fn text(&mut self, event: Event, now: Duration) -> Vec<u8> {
        match event {
            Event::Head { isolation, note: None } => format!("isolation: {isolation}\n"),
            Event::Head { isolation, note: Some(note) } => format!("isolation: {isolation} ({note})\n"),
            Event::Start { task, name } => {
                self.begun += 1;
                let number = self.begun;
                self.tasks.insert(task, Task { number, began: now, told: now, ..Task::default() });
                // A heredoc's lines would look like lines of their own.
                name.lines().map(|line| format!("#{number} {line}\n")).collect::<Vec<_>>().concat()
            }
            Event::Output { task, bytes } => {
                return self.tasks.get_mut(&task).map(|task| task.output(&bytes, now)).unwrap_or_default();
            }
            Event::Bytes { task, done, total } => {
                self.tasks.get_mut(&task).map(|task| task.moved(done, total, now)).unwrap_or_default()
            }
            Event::Note { task, text } => {
                self.tasks.get(&task).map(|task| format!("#{} {text}\n", task.number)).unwrap_or_default()
            }
            Event::End { task, outcome, took } => {
                let Some(mut task) = self.tasks.remove(&task) else { return Vec::new() };
                let mut text = task.flush(now);
                text.extend(format!("#{} {}\n", task.number, closing(&outcome, took, task.moved)).bytes());
                return text;
            }
            Event::Warning(warning) => format!("warning: {warning}\n"),
            Event::Summary { cached, ran, took } => format!("{}\n", summary(cached, ran, took)),
        }
        .into_bytes()
    }
}

impl Task {
    fn output(&mut self, bytes: &[u8], now: Duration) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes.len() + 32);
        let prefix = self.prefix(now);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.unfinished.extend_from_slice(piece);
            let has_end = piece.ends_with(b"\n");
            if has_end || self.unfinished.len() > LONGEST {
                text.extend_from_slice(prefix.as_bytes());
                text.append(&mut self.unfinished);
                if !has_end {
                    text.push(b'\n');
                }
            }
        }
        text
    }

    fn flush(&mut self, now: Duration) -> Vec<u8> {
        if self.unfinished.is_empty() { Vec::new() } else { self.output(b"\n", now) }
    }

    fn prefix(&self, now: Duration) -> String {
        format!("#{} {:.3} ", self.number, now.saturating_sub(self.began).as_secs_f64())
    }

    fn moved(&mut self, done: u64, total: Option<u64>, now: Duration) -> String {
        self.moved = Some(done);
        if now < self.told + TRANSFER {
            return String::new();
        }
        self.told = now;
        format!("{}{}\n", self.prefix(now), moved(done, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Outcome;

    fn written(events: impl IntoIterator<Item = (u64, Event)>) -> String {
        let mut state = State::default();
        let texts = events.into_iter().flat_map(|(at, event)| state.text(event, Duration::from_millis(at)));
        String::from_utf8(texts.collect()).unwrap()
    }

    #[test]
    fn every_line_is_kept_and_told_apart() {
        let (a, b) = (TaskId(7), TaskId(9));
        let took = Duration::from_millis(1300);
        insta::assert_snapshot!(written([
            (0, Event::Head { isolation: "root".into(), note: None }),
            (0, Event::Start { task: a, name: "[1/2] RUN make".into() }),
            (10, Event::Output { task: a, bytes: b"one\ntw".to_vec() }),
            (20, Event::Start { task: b, name: "[other 1/1] RUN <<EOF\nx\nEOF".into() }),
            (1020, Event::Output { task: a, bytes: b"o\n\nDONE 9s\nthree".to_vec() }),
            (1300, Event::End { task: a, outcome: Outcome::Done, took }),
            (1400, Event::Note { task: b, text: "starts from the same files".into() }),
            (1400, Event::End { task: b, outcome: Outcome::Cached, took }),
            (1500, Event::Warning("mind the step".into())),
            (1500, Event::Summary { cached: 1, ran: 1, took }),
        ]), @"
            isolation: root
            #1 [1/2] RUN make
            #1 0.010 one
            #2 [other 1/1] RUN <<EOF
            #2 x
            #2 EOF
            #1 1.020 two
            #1 1.020 
            #1 1.020 DONE 9s
            #1 1.300 three
            #1 DONE 1.3s
            #2 starts from the same files
            #2 CACHED
            warning: mind the step
            built in 1.30s: 1 step ran, 1 cached
        ");
    }

    #[test]
    fn transfers_give_a_sign_of_life() {
        let task = TaskId(1);
        let bytes = |done| Event::Bytes { task, done, total: Some(40 << 20) };
        insta::assert_snapshot!(written([
            (0, Event::Start { task, name: "pull a:1".into() }),
            (100, bytes(1 << 20)),
            (5100, bytes(20 << 20)),
            (5200, bytes(21 << 20)),
            (9000, bytes(40 << 20)),
            (9000, Event::End { task, outcome: Outcome::Done, took: Duration::from_secs(9) }),
        ]), @"
            #1 pull a:1
            #1 5.100 20.00 MiB of 40.00 MiB
            #1 DONE 9.0s, 40.00 MiB
        ");
    }

    #[test]
    fn a_failure_keeps_its_last_words() {
        let task = TaskId(1);
        insta::assert_snapshot!(written([
            (0, Event::Start { task, name: "RUN x".into() }),
            (1, Event::Output { task, bytes: b"no line end".to_vec() }),
            (2, Event::End { task, outcome: Outcome::Failed, took: Duration::from_millis(2) }),
        ]), @"
            #1 RUN x
            #1 0.002 no line end
            #1 ERROR 0.0s
        ");
    }
}
