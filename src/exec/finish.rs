//! Packing of finished steps while later ones run.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::cache::{LayerRecord, Parent, Preimage, Record};
use crate::share::{Finished, Guard, Shared};
use crate::store::{LockGuard, Store};

use super::layer::{Layer, Packing};
use super::state::State;

/// Inputs of so many bytes are told on a thread of their own.
const LONG: u64 = 100_000;

/// What is left to do for a step that is done.
pub(super) struct Job {
    /// It has run: the store does not know of it.
    pub(super) has_run: bool,
    pub(super) layer: Layer,
    /// The state it ran on.
    pub(super) below: Arc<State>,
    /// What its key by history is made of.
    pub(super) preimage: Preimage,
    pub(super) text: String,
    pub(super) created: i64,
    /// By which other builds wait that want the same step.
    pub(super) lock: Option<LockGuard>,
    /// By which other runners wait, until the step is in the shared cache.
    pub(super) claim: Option<Arc<Guard>>,
    /// Set when the layer is wanted as a blob: it is part of the image to be written, or is exported.
    pub(super) packing: Option<Packing>,
    /// Set when it goes to the shared cache.
    pub(super) export: Option<Exported>,
    /// It is to stand in the image's config.
    pub(super) inline: bool,
}

/// How a step goes to the shared cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exported {
    /// Its layer ends in the image.
    pub(super) is_in_image: bool,
    /// How the layer is to be compressed.
    pub(super) packing: Packing,
    /// One that is compressed otherwise will not do.
    pub(super) is_strict: bool,
}

/// A queue of jobs, worked on in order.
pub(super) struct Finisher(Sender<Job>);

impl Finisher {
    /// Runs `build` with `threads` workers beside it, and returns when all jobs are done.
    pub(super) fn beside<T>(
        threads: usize,
        store: &Store,
        shared: Option<&Shared>,
        build: impl FnOnce(&Self) -> T,
    ) -> (T, Option<io::Error>) {
        let (jobs, queue) = unbounded();
        let failed = Mutex::new(None);
        let result = std::thread::scope(|scope| {
            for _ in 0..threads.max(1) {
                let queue = queue.clone();
                let failed = &failed;
                scope.spawn(move || work(&queue, failed, store, shared));
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
fn work(queue: &Receiver<Job>, failed: &Mutex<Option<io::Error>>, store: &Store, shared: Option<&Shared>) {
    for job in queue {
        if let Err(error) = job.finish(store, shared) {
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}

impl Job {
    /// For a step that has run, for whose layer nobody asks yet.
    pub(super) fn new(layer: Layer, below: Arc<State>, preimage: Preimage, text: String, created: i64) -> Self {
        Self {
            has_run: true,
            layer,
            below,
            preimage,
            text,
            created,
            lock: None,
            claim: None,
            packing: None,
            export: None,
            inline: false,
        }
    }

    fn finish(mut self, store: &Store, shared: Option<&Shared>) -> io::Result<()> {
        if !self.has_run {
            if let Some(shared) = shared {
                // What cannot be exported is told of by whoever does not have it: the build does not need it.
                let _best_effort = self.layer.record().and_then(|layer| self.export(shared, layer));
            }
            return Ok(());
        }
        let by_history = &self.preimage;
        let (layer, told) = if by_history.inputs.size() > LONG {
            std::thread::scope(|scope| {
                let told = scope.spawn(|| store.draft(|out| by_history.write(out)));
                (self.layer.finish(self.packing), told.join().ok())
            })
        } else {
            (self.layer.finish(self.packing), None)
        };
        let layer = layer?;
        let record = Record { text: self.text.clone(), created: self.created, layer: layer.clone() };
        let by_content = by_history.with_parent(content_parent(by_history, &self.below)?);
        let told = told.transpose()?;
        store.write_step(&by_history.key().hex(), |out| match told {
            Some(told) => {
                record.write(None, out)?;
                io::copy(&mut told.open()?, out).map(drop)
            }
            None => record.write(Some(by_history), out),
        })?;
        // What is to be told of a miss stands in the other one.
        store.write_step(&by_content.key().hex(), |out| record.write(None, out))?;
        store.put_step(&by_content.marker(), b"")?;
        drop(self.lock.take());
        if let Some(shared) = shared {
            self.export(shared, layer)?;
        }
        Ok(())
    }

    fn export(&self, shared: &Shared, layer: LayerRecord) -> io::Result<()> {
        let record = Record { text: self.text.clone(), created: self.created, layer };
        let content = content_parent(&self.preimage, &self.below)?;
        if self.inline {
            shared.put_inline(&self.preimage, &content, record.clone());
        }
        let Some(how) = self.export else { return Ok(()) };
        let blob = if how.is_strict { self.layer.blob(how.packing)? } else { self.layer.any_blob(how.packing)? };
        let (preimage, claim) = (self.preimage.clone(), self.claim.clone());
        shared.export(&Finished { preimage, content, record, blob, claim }, how.is_in_image);
        Ok(())
    }
}

/// The parent of a step's key by content: waits until the layers below are packed.
pub(super) fn content_parent(preimage: &Preimage, below: &State) -> io::Result<Parent> {
    Ok(if preimage.parent == Parent::Independent { Parent::Independent } else { Parent::Content(below.content()?) })
}
