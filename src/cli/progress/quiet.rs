//! Nothing, until a step fails: then its whole output.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::progress::{Event, Outcome, Sink, TaskId};

use super::super::out;
use super::transcript;

/// Writes to standard error.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State(HashMap<TaskId, (String, Vec<u8>)>);

impl Sink for Quiet {
    fn event(&self, event: Event) {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner).text(event);
        if let Some(text) = text {
            out::stderr(&text);
        }
    }
}

impl State {
    fn text(&mut self, event: Event) -> Option<Vec<u8>> {
        match event {
            Event::Start { task, name } => {
                self.0.insert(task, (name, Vec::new()));
            }
            Event::Output { task, bytes } => {
                if let Some((_, output)) = self.0.get_mut(&task) {
                    output.extend_from_slice(&bytes);
                }
            }
            Event::End { task, outcome, .. } => {
                let (name, output) = self.0.remove(&task)?;
                return (outcome == Outcome::Failed && !output.is_empty()).then(|| transcript(&name, &output));
            }
            Event::Head { .. }
            | Event::Bytes { .. }
            | Event::Note { .. }
            | Event::Warning(_)
            | Event::Summary { .. } => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_failure_is_told_and_all_of_it() {
        let (task, took) = (TaskId(1), Duration::ZERO);
        let mut state = State::default();
        for (outcome, want) in [(Outcome::Done, None), (Outcome::Failed, Some("--- output of RUN x\nab\n---\n"))] {
            assert_eq!(state.text(Event::Start { task, name: "RUN x".into() }), None);
            assert_eq!(state.text(Event::Output { task, bytes: b"a".to_vec() }), None);
            assert_eq!(state.text(Event::Output { task, bytes: b"b".to_vec() }), None);
            let got = state.text(Event::End { task, outcome, took });
            assert_eq!(got.as_deref(), want.map(str::as_bytes));
        }
    }
}
