//! One JSON object a line on standard error.
//!
//! Every line has `event` and `time` (milliseconds since the first line). The events and their further members:
//! `head` (`isolation`, `note`), `start` (`task`, `name`), `output` (`task`, `data`: text, bytes that are no UTF-8
//! replaced), `bytes` (`task`, `done`, `total`), `note` (`task`, `text`), `end` (`task`, `outcome`: `done`, `cached` or
//! `failed`, `seconds`), `warning` (`text`), `summary` (`cached`, `ran`, `seconds`).

use std::time::Instant;

use serde_json::{Value, json};

use crate::progress::{Event, Outcome, Sink};

use super::super::out;

/// Writes to standard error.
#[derive(Debug)]
pub(crate) struct Json {
    began: Instant,
}

impl Default for Json {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Sink for Json {
    fn event(&self, event: Event) {
        let mut value = json_of(event);
        value["time"] = json!(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX));
        out::stderr(format!("{value}\n").as_bytes());
    }
}

fn json_of(event: Event) -> Value {
    match event {
        Event::Head { isolation, note } => json!({ "event": "head", "isolation": isolation, "note": note }),
        Event::Start { task, name } => json!({ "event": "start", "task": task.0, "name": name }),
        Event::Output { task, bytes } => {
            json!({ "event": "output", "task": task.0, "data": String::from_utf8_lossy(&bytes) })
        }
        Event::Bytes { task, done, total } => {
            json!({ "event": "bytes", "task": task.0, "done": done, "total": total })
        }
        Event::Note { task, text } => json!({ "event": "note", "task": task.0, "text": text }),
        Event::End { task, outcome, took } => {
            let outcome = match outcome {
                Outcome::Done => "done",
                Outcome::Cached => "cached",
                Outcome::Failed => "failed",
            };
            json!({ "event": "end", "task": task.0, "outcome": outcome, "seconds": took.as_secs_f64() })
        }
        Event::Warning(text) => json!({ "event": "warning", "text": text }),
        Event::Summary { cached, ran, took } => {
            json!({ "event": "summary", "cached": cached, "ran": ran, "seconds": took.as_secs_f64() })
        }
    }
}
