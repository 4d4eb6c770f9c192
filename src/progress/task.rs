use std::io::{self, Read};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Event, Outcome, SharedSink, TaskId};

/// Bytes between two events of one transfer.
const REPORT_EVERY: u64 = 1 << 20;

/// Begins tasks whose ids grow from a first one.
pub struct Tasks {
    sink: SharedSink,
    next: AtomicU32,
}

/// One line of work. It has failed unless it is said how it ended before it is dropped.
pub struct Task {
    id: TaskId,
    sink: SharedSink,
    began: Instant,
    outcome: Mutex<Outcome>,
    told: AtomicU64,
}

impl Tasks {
    /// Tasks that `sink` is told of, with ids from `first` up.
    pub fn new(sink: SharedSink, first: u32) -> Self {
        Self { sink, next: AtomicU32::new(first) }
    }

    /// Begins a task.
    pub fn start(&self, name: String) -> Task {
        let id = TaskId(self.next.fetch_add(1, Ordering::Relaxed));
        self.sink.event(Event::Start { task: id, name });
        let outcome = Mutex::new(Outcome::Failed);
        Task { id, sink: Arc::clone(&self.sink), began: Instant::now(), outcome, told: AtomicU64::new(0) }
    }
}

impl Task {
    /// How it will have ended once it is dropped.
    pub fn ends(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }

    /// Tells one line about the task.
    pub fn note(&self, text: String) {
        self.sink.event(Event::Note { task: self.id, text });
    }

    /// Tells how many bytes of `total`, where that is known, have been moved, now and then.
    pub fn moved(&self, done: u64, total: impl Into<Option<u64>>) {
        let (total, told) = (total.into(), self.told.load(Ordering::Relaxed));
        if done.abs_diff(told) >= REPORT_EVERY || (Some(done) == total && told != done) {
            self.told.store(done, Ordering::Relaxed);
            self.sink.event(Event::Bytes { task: self.id, done, total });
        }
    }

    /// Tells of the bytes of `reader` while they are read. The task is done with the last of `total` bytes, and ends with the
    /// reader.
    pub fn watch(self, reader: Box<dyn Read + Send>, total: u64) -> Box<dyn Read + Send> {
        Box::new(Watched { reader, task: self, done: 0, total })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.sink.event(Event::End { task: self.id, outcome, took: self.began.elapsed() });
    }
}

struct Watched {
    reader: Box<dyn Read + Send>,
    task: Task,
    done: u64,
    total: u64,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.done += count as u64;
        if self.done == self.total {
            self.task.ends(Outcome::Done);
        }
        self.task.moved(self.done, self.total);
        Ok(count)
    }
}
