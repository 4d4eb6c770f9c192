//! Packing of finished steps while later ones run.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::cache::{Parent, Preimage, Record};
use crate::store::{LockGuard, Store};

use super::layer::{Layer, Packing};
use super::state::State;

/// Inputs of so many bytes are told on a thread of their own.
const LONG: u64 = 100_000;

/// What is left to do for a step that has run.
pub(super) struct Job {
    pub(super) layer: Layer,
    /// The state it ran on.
    pub(super) below: Arc<State>,
    /// What its key by history is made of.
    pub(super) preimage: Preimage,
    pub(super) text: String,
    pub(super) created: i64,
    /// By which other builds wait that want the same step.
    pub(super) lock: Option<LockGuard>,
    /// Set when the layer is part of the image to be written.
    pub(super) packing: Option<Packing>,
}

/// A queue of jobs, worked on in order.
pub(super) struct Finisher(Sender<Job>);

impl Finisher {
    /// Runs `build` with `threads` workers beside it, and returns when all jobs are done.
    pub(super) fn beside<T>(threads: usize, store: &Store, build: impl FnOnce(&Self) -> T) -> (T, Option<io::Error>) {
        let (jobs, queue) = unbounded();
        let failed = Mutex::new(None);
        let result = std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                let queue = queue.clone();
                let failed = &failed;
                scope.spawn(move || work(&queue, failed, store));
            }
            let finisher = Self(jobs);
            build(&finisher)
        });
        (result, failed.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues a job. A job may wait for the layers below its own: they were queued before it.
    pub(super) fn submit(&self, job: Job) {
        if let Err(refused) = self.0.send(job) {
            refused.into_inner().layer.abandon();
        }
    }
}

/// A worker: ends when the finisher is gone and the queue is empty.
fn work(queue: &Receiver<Job>, failed: &Mutex<Option<io::Error>>, store: &Store) {
    for job in queue {
        if let Err(error) = job.finish(store) {
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}

impl Job {
    fn finish(self, store: &Store) -> io::Result<()> {
        let by_history = self.preimage;
        let (layer, told) = if by_history.inputs.size() > LONG {
            std::thread::scope(|scope| {
                let told = scope.spawn(|| store.draft(|out| by_history.write(out)));
                (self.layer.finish(self.packing), told.join().ok())
            })
        } else {
            (self.layer.finish(self.packing), None)
        };
        let record = Record { text: self.text, created: self.created, layer: layer? };
        let by_content = by_history.with_parent(content_parent(&by_history, &self.below)?);
        let told = told.transpose()?;
        store.write_step(&by_history.key().hex(), |out| match told {
            Some(told) => {
                record.write(None, out)?;
                io::copy(&mut told.open()?, out).map(drop)
            }
            None => record.write(Some(&by_history), out),
        })?;
        // What is to be told of a miss stands in the other one.
        store.write_step(&by_content.key().hex(), |out| record.write(None, out))?;
        store.put_step(&marker(&by_content), b"")?;
        drop(self.lock);
        Ok(())
    }
}

/// The parent of a step's key by content: waits until the layers below are packed.
pub(super) fn content_parent(preimage: &Preimage, below: &State) -> io::Result<Parent> {
    Ok(if preimage.parent == Parent::Independent { Parent::Independent } else { Parent::Content(below.content()?) })
}

/// Stands in the store once this step has run on any state. Without it no key by content can hit, and the packing of
/// the step before need not be waited for.
pub(super) fn marker(preimage: &Preimage) -> String {
    format!("seen-{}", preimage.with_parent(Parent::Scratch).key().hex())
}
