//! One JSON object a line on standard error.
//!
//! Every line has `schema` (1) and `event`. These lines also have `time`, milliseconds since the build began:
//! `head` (`isolation`, `note`), `start` (`task`, `name`), `output` (`task`, `data`: text, bytes that are no UTF-8
//! replaced), `bytes` (`task`, `done`, `total`), `note` (`task`, `text`), `end` (`task`, `outcome`: `done`, `cached` or
//! `failed`, `seconds`), `warning` (`text`), `summary` (`cached`, `ran`, `seconds`).
//!
//! After the build come `diagnostic` (`code`, `severity`, `message`, `file`, `line`, `column`, `last_line`, `label`,
//! `notes`, `help`) for each finding, and one of `result` (`image`, `manifest`, `names`) and `failure` (`kind`, `exit`,
//! `message`, `hint`). A reader passes over events and members that it does not know.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::progress::{Event, Outcome, Sink, TaskId};

use super::super::out;

/// Writes to standard error.
#[derive(Debug)]
pub(crate) struct Json {
    began: Instant,
    state: Mutex<State>,
}

/// The first bytes of characters of which the rest has not come yet, by task.
#[derive(Debug, Default)]
struct State(HashMap<TaskId, Vec<u8>>);

impl Default for Json {
    fn default() -> Self {
        Self { began: Instant::now(), state: Mutex::default() }
    }
}

impl Sink for Json {
    fn event(&self, event: Event) {
        let objects = self.state.lock().unwrap_or_else(PoisonError::into_inner).objects(event);
        for mut object in objects {
            object["time"] = json!(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX));
            out::json(&object);
        }
    }
}

impl State {
    fn objects(&mut self, event: Event) -> Vec<Value> {
        let output = |task: TaskId, bytes: &[u8]| {
            let data = String::from_utf8_lossy(bytes);
            (!data.is_empty()).then(|| json!({ "event": "output", "task": task.0, "data": data }))
        };
        match event {
            Event::Head { isolation, note } => vec![json!({ "event": "head", "isolation": isolation, "note": note })],
            Event::Start { task, name } => vec![json!({ "event": "start", "task": task.0, "name": name })],
            Event::Output { task, bytes } => {
                let pending = self.0.entry(task).or_default();
                pending.extend_from_slice(&bytes);
                let rest = pending.split_off(whole(pending));
                output(task, &std::mem::replace(pending, rest)).into_iter().collect()
            }
            Event::Bytes { task, done, total } => {
                vec![json!({ "event": "bytes", "task": task.0, "done": done, "total": total })]
            }
            Event::Note { task, text } => vec![json!({ "event": "note", "task": task.0, "text": text })],
            Event::End { task, outcome, took } => {
                let outcome = match outcome {
                    Outcome::Done => "done",
                    Outcome::Cached => "cached",
                    Outcome::Failed => "failed",
                };
                let rest = self.0.remove(&task).and_then(|rest| output(task, &rest));
                let end = json!({ "event": "end", "task": task.0, "outcome": outcome, "seconds": took.as_secs_f64() });
                rest.into_iter().chain([end]).collect()
            }
            Event::Warning(text) => vec![json!({ "event": "warning", "text": text })],
            Event::Summary { cached, ran, took } => {
                vec![json!({ "event": "summary", "cached": cached, "ran": ran, "seconds": took.as_secs_f64() })]
            }
        }
    }
}

/// How many of the bytes do not belong to a character that may still be completed.
fn whole(bytes: &[u8]) -> usize {
    // The error of a cut character has no length; other wrong bytes are replaced where they are.
    let is_cut = |at: &usize| {
        std::str::from_utf8(&bytes[*at..]).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (bytes.len().saturating_sub(3)..bytes.len()).find(is_cut).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_character_in_two_pieces_stays_one() {
        let task = TaskId(1);
        let mut state = State::default();
        let mut data = String::new();
        let pieces: [&[u8]; 5] = [b"a\xe2", b"\x82", b"\xacb\xff", b"c\xf0\x9f", b"\x92"];
        let took = Duration::ZERO;
        let events = pieces.map(|bytes| Event::Output { task, bytes: bytes.to_vec() });
        for event in events.into_iter().chain([Event::End { task, outcome: Outcome::Done, took }]) {
            for object in state.objects(event) {
                data.push_str(object["data"].as_str().unwrap_or("|"));
            }
        }
        assert_eq!(data, "a\u{20ac}b\u{fffd}c\u{fffd}|");
    }
}
