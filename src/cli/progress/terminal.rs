//! One line a step with its time, and the last output of the running ones below it; drawn by `indicatif`.
//!
//! Events only change data; a thread draws from it ten times a second. So output costs next to nothing, and a step
//! that takes a moment, such as one from the cache, is never drawn while it runs.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use crate::progress::{Event, Outcome, Sink, TaskId};

use super::super::out;
use super::tail::Tail;
use super::{closing, moved, summary, transcript};

/// Between two drawings, and the age from which a task is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Draws on standard error.
#[derive(Debug)]
pub(crate) struct Terminal {
    screen: Arc<Screen>,
    drawer: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

#[derive(Debug, Default)]
struct Screen {
    bars: MultiProgress,
    tasks: Mutex<BTreeMap<TaskId, Task>>,
}

#[derive(Debug)]
struct Task {
    began: Instant,
    name: String,
    /// The task's own line, once it is drawn.
    head: Option<ProgressBar>,
    /// Its last lines of output, each as wide as the terminal at most.
    below: Vec<ProgressBar>,
    tail: Tail,
    /// All output: the whole of it is shown when the step fails.
    output: Vec<u8>,
    moved: Option<(u64, Option<u64>)>,
    notes: Vec<String>,
}

impl Terminal {
    /// Starts the thread that draws.
    pub(crate) fn new() -> io::Result<Self> {
        let screen = Arc::new(Screen::default());
        let (stop, stopped) = bounded::<()>(0);
        let drawn = Arc::clone(&screen);
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                drawn.draw();
            }
        })?;
        Ok(Self { screen, drawer: Mutex::new(Some((stop, thread))) })
    }
}

impl Sink for Terminal {
    fn event(&self, event: Event) {
        self.screen.event(event);
    }

    fn finish(&self) {
        let drawer = self.drawer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = drawer {
            drop(stop);
            // Whatever it died of, there is nothing more to draw.
            let _ended = thread.join();
        }
        for (_, task) in std::mem::take(&mut *self.screen.tasks()) {
            task.clear();
        }
    }
}

impl Screen {
    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, text: &str) {
        // A terminal that is gone shows nothing anyway.
        let _unheard = self.bars.println(text);
    }

    fn event(&self, event: Event) {
        match event {
            Event::Head { isolation, note } => {
                let note = note.map(|note| format!(" ({note})")).unwrap_or_default();
                self.print(&format!("isolation: {isolation}{note}"));
            }
            Event::Start { task, name } => {
                self.tasks().insert(task, Task::new(&name));
            }
            Event::Output { task, bytes } => {
                if let Some(task) = self.tasks().get_mut(&task) {
                    task.tail.push(&bytes);
                    task.output.extend_from_slice(&bytes);
                }
            }
            Event::Bytes { task, done, total } => {
                if let Some(task) = self.tasks().get_mut(&task) {
                    task.moved = Some((done, total));
                }
            }
            Event::Note { task, text } => {
                if let Some(task) = self.tasks().get_mut(&task) {
                    task.notes.push(text);
                }
            }
            Event::End { task, outcome, took } => self.end(task, &outcome, took),
            Event::Warning(text) => self.print(&format!("warning: {text}")),
            Event::Summary { cached, ran, took } => self.print(&summary(cached, ran, took)),
        }
    }

    fn end(&self, task: TaskId, outcome: &Outcome, took: Duration) {
        let Some(task) = self.tasks().remove(&task) else { return };
        task.clear();
        let mut text = format!("{} {}", task.name, closing(outcome, took, task.moved.map(|(done, _)| done)));
        for note in &task.notes {
            text.push_str("\n    ");
            text.push_str(note);
        }
        self.print(&text);
        if *outcome == Outcome::Failed && !task.output.is_empty() {
            self.bars.suspend(|| out::stderr(&transcript(&task.name, &task.output)));
        }
    }

    fn draw(&self) {
        for task in self.tasks().values_mut().filter(|task| task.began.elapsed() >= TICK) {
            task.draw(&self.bars);
        }
    }
}

impl Task {
    fn new(name: &str) -> Self {
        let first = name.lines().next().unwrap_or_default();
        Self {
            began: Instant::now(),
            name: first.chars().filter(|c| !c.is_control()).collect(),
            head: None,
            below: Vec::new(),
            tail: Tail::default(),
            output: Vec::new(),
            moved: None,
            notes: Vec::new(),
        }
    }

    fn draw(&mut self, bars: &MultiProgress) {
        let began = self.began;
        let head = self.head.get_or_insert_with(|| {
            let took = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                // Where it cannot be written there is no bar.
                let _unseen = write!(out, "{:.1}s", began.elapsed().as_secs_f64());
            };
            bars.add(bar(style("{spinner} {wide_msg} {took}").with_key("took", took)))
        });
        let moved = self.moved.map(|(done, total)| format!("  {}", moved(done, total))).unwrap_or_default();
        head.set_message(format!("{}{moved}", self.name));
        head.tick();
        let lines = self.tail.lines();
        while self.below.len() < lines.len() {
            let above = self.below.last().unwrap_or(head);
            let below = bars.insert_after(above, bar(style("    {wide_msg}")));
            self.below.push(below);
        }
        for (bar, line) in self.below.iter().zip(lines) {
            bar.set_message(line);
        }
    }

    fn clear(&self) {
        self.below.iter().chain(&self.head).for_each(ProgressBar::finish_and_clear);
    }
}

fn bar(style: ProgressStyle) -> ProgressBar {
    ProgressBar::new_spinner().with_style(style)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
