//! How events look: on a terminal, in a log, as JSON.

mod json;
mod plain;
mod terminal;

pub(super) use json::Json;
pub(super) use plain::Plain;
pub(super) use terminal::Terminal;

use std::time::Duration;

use crate::progress::Outcome;

/// `1.3s`
fn seconds(took: Duration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}

fn closing(outcome: &Outcome, took: Duration) -> String {
    match outcome {
        Outcome::Done => format!("DONE {}", seconds(took)),
        Outcome::Cached => "CACHED".to_owned(),
        Outcome::Failed => "ERROR".to_owned(),
    }
}

fn summary(cached: usize, ran: usize, took: Duration) -> String {
    let steps = |count: usize| if count == 1 { "1 step".to_owned() } else { format!("{count} steps") };
    format!("built in {:.2}s: {} ran, {cached} cached", took.as_secs_f64(), steps(ran))
}
