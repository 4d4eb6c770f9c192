//! How events look: on a terminal, in a log, as JSON.

mod json;
mod plain;
mod quiet;
mod tail;
mod terminal;

pub(super) use json::Json;
pub(super) use plain::Plain;
pub(super) use quiet::Quiet;
pub(super) use terminal::Terminal;

use std::time::Duration;

use indicatif::HumanBytes;

use crate::progress::Outcome;

/// `DONE 1.3s`, with the bytes that were moved where there were any.
fn closing(outcome: &Outcome, took: Duration, moved: Option<u64>) -> String {
    let seconds = took.as_secs_f64();
    match (outcome, moved) {
        (Outcome::Done, None) => format!("DONE {seconds:.1}s"),
        (Outcome::Done, Some(bytes)) => format!("DONE {seconds:.1}s, {}", HumanBytes(bytes)),
        (Outcome::Cached, _) => "CACHED".to_owned(),
        (Outcome::Failed, _) => format!("ERROR {seconds:.1}s"),
    }
}

/// `3.00 MiB of 12.00 MiB`
fn moved(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{} of {}", HumanBytes(done), HumanBytes(total)),
        None => HumanBytes(done).to_string(),
    }
}

fn summary(cached: usize, ran: usize, took: Duration) -> String {
    let steps = |count: usize| if count == 1 { "1 step".to_owned() } else { format!("{count} steps") };
    format!("built in {:.2}s: {} ran, {cached} cached", took.as_secs_f64(), steps(ran))
}

/// The whole output of a failed task below its name, ready to be printed.
fn transcript(name: &str, output: &[u8]) -> Vec<u8> {
    let mut text = format!("--- output of {name}\n").into_bytes();
    text.extend_from_slice(output);
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(b"---\n");
    text
}
