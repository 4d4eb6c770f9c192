//! What a build tells while it goes on: events, and the sink that takes them. How they look is `cli`'s matter.

mod cancel;
mod task;

use std::sync::Arc;
use std::time::Duration;

pub use cancel::Cancel;
pub use task::{Task, Tasks};

/// Names one line of work within a build.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct TaskId(pub u32);

/// How a task ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The cache had it.
    Cached,
    /// It failed, or was stopped; the error itself is returned by the build.
    Failed,
}

/// Something that happened. Ids are handed out in growing order; output belongs to a started, unfinished task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Which rung of isolation processes run on: told once, when the first is about to run.
    Head {
        /// `root`, `chroot`, …
        isolation: String,
        /// More to say, if anything.
        note: Option<String>,
    },
    /// A task begins.
    Start {
        /// Its id.
        task: TaskId,
        /// `[stage 2/5] RUN make`, `load build context`, `export to oci`.
        name: String,
    },
    /// What a process wrote: raw bytes, not cut at lines.
    Output {
        /// Whose.
        task: TaskId,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Bytes moved by a download, upload or packing.
    Bytes {
        /// Whose.
        task: TaskId,
        /// So far.
        done: u64,
        /// In all, where it is known.
        total: Option<u64>,
    },
    /// A remark on a task: why it missed the cache, where a base came from.
    Note {
        /// Whose.
        task: TaskId,
        /// One line.
        text: String,
    },
    /// A task ends.
    End {
        /// Its id.
        task: TaskId,
        /// How.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// A warning about no task.
    Warning(String),
    /// The build is over.
    Summary {
        /// Steps the cache had.
        cached: usize,
        /// Steps that ran.
        ran: usize,
        /// From start to end.
        took: Duration,
    },
}

/// Takes events, from several threads.
pub trait Sink: Send + Sync {
    /// Called for each event, in the order they happen in each task.
    fn event(&self, event: Event);

    /// Nothing more will come: what is still drawn is taken away.
    fn finish(&self) {}
}

/// Throws events away: `--progress=quiet`, and tests.
#[derive(Debug, Default)]
pub struct Quiet;

impl Sink for Quiet {
    fn event(&self, _: Event) {}
}

/// A sink that many share.
pub type SharedSink = Arc<dyn Sink>;
