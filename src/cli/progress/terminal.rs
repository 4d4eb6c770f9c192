//! One line a step with its time, and the last output of the running ones below it; drawn by `indicatif`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::progress::{Event, Outcome, Sink, TaskId};

use super::super::out;
use super::{closing, summary};

/// Lines of output shown of a running step.
const SHOWN: usize = 6;
/// Characters of a line shown while its step runs.
const WIDTH: usize = 120;

/// Draws on standard error.
#[derive(Debug)]
pub(crate) struct Terminal {
    bars: MultiProgress,
    tasks: Mutex<HashMap<TaskId, Task>>,
}

#[derive(Debug)]
struct Task {
    bar: ProgressBar,
    name: String,
    /// All output: the whole of it is shown when the step fails.
    output: Vec<u8>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        Self { bars: MultiProgress::new(), tasks: Mutex::new(HashMap::new()) }
    }

    fn print(&self, text: &str) {
        // A terminal that is gone shows nothing anyway.
        let _unheard = self.bars.println(text);
    }

    fn start(&self, task: TaskId, name: String) {
        let bar = self.bars.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed}{msg}") {
            bar.set_style(style);
        }
        let line = name.lines().next().unwrap_or_default().to_owned();
        bar.set_prefix(clip(&line));
        bar.enable_steady_tick(Duration::from_millis(120));
        let known = Task { bar, name: line, output: Vec::new() };
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).insert(task, known);
    }

    fn end(&self, task: TaskId, outcome: &Outcome, took: Duration) {
        let Some(known) = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(&task) else { return };
        known.bar.finish_and_clear();
        self.print(&format!("{} {}", known.name, closing(outcome, took)));
        if *outcome == Outcome::Failed && !known.output.is_empty() {
            self.bars.suspend(|| out::stderr(&known.output));
        }
    }
}

impl Sink for Terminal {
    fn event(&self, event: Event) {
        match event {
            Event::Head { isolation, note } => {
                let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
                self.print(&format!("isolation: {isolation}{note}"));
            }
            Event::Start { task, name } => self.start(task, name),
            Event::Output { task, bytes } => {
                let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(known) = tasks.get_mut(&task) {
                    known.output.extend_from_slice(&bytes);
                    known.bar.set_message(tail(&known.output));
                }
            }
            Event::Bytes { task, done, total } => {
                let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(known) = tasks.get(&task) {
                    let done = indicatif::HumanBytes(done);
                    known.bar.set_message(match total {
                        Some(total) => format!(" {done} of {}", indicatif::HumanBytes(total)),
                        None => format!(" {done}"),
                    });
                }
            }
            Event::Note { text, .. } => self.print(&text),
            Event::End { task, outcome, took } => self.end(task, &outcome, took),
            Event::Warning(text) => self.print(&format!("warning: {text}")),
            Event::Summary { cached, ran, took } => self.print(&summary(cached, ran, took)),
        }
    }

    fn finish(&self) {
        for (_, task) in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            task.bar.finish_and_clear();
        }
    }
}

/// The last lines, each on a line of its own.
fn tail(output: &[u8]) -> String {
    let end = &output[output.len().saturating_sub(SHOWN * 4 * WIDTH)..];
    let text = String::from_utf8_lossy(end);
    let mut last: VecDeque<&str> = VecDeque::new();
    for line in text.lines() {
        if last.len() == SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.into_iter().fold(String::new(), |text, line| text + "\n    " + &clip(line))
}

/// What fits, without characters that would move the cursor.
fn clip(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(WIDTH).collect()
}
