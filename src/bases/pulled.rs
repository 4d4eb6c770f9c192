//! Images of registries: their documents now, their layers when they are wanted.

use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::image::{Descriptor, MediaType, Reference};
use crate::progress::{Event, Outcome, SharedSink, TaskId};
use crate::registry::Registry;
use crate::store::{BlobSource, Store};

use super::Error;
use super::documents::{Documents, read_limited};
use super::error::one_line;

/// Ids of tasks that tell of downloads begin here, above those of any plan.
const FIRST_TASK: u32 = 1_000_000;
/// Bytes between two events of one download.
const REPORT_EVERY: u64 = 1 << 20;

/// The registry client, started when something asks for it: most builds do not.
pub(super) struct Remote {
    mirrors: Vec<String>,
    registry: Mutex<Option<Arc<Registry>>>,
    sink: SharedSink,
    next_task: AtomicU32,
}

impl Remote {
    pub(super) fn new(mirrors: Vec<String>, sink: SharedSink) -> Self {
        Self { mirrors, registry: Mutex::default(), sink, next_task: AtomicU32::new(FIRST_TASK) }
    }

    fn registry(&self) -> Result<Arc<Registry>, Error> {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registry) = &*registry {
            return Ok(Arc::clone(registry));
        }
        let started = Arc::new(Registry::new(self.mirrors.clone())?);
        *registry = Some(Arc::clone(&started));
        Ok(started)
    }

    fn start(&self, name: String) -> Task {
        let id = TaskId(self.next_task.fetch_add(1, Ordering::Relaxed));
        self.sink.event(Event::Start { task: id, name });
        Task { id, sink: Arc::clone(&self.sink), began: Instant::now(), outcome: Outcome::Failed }
    }
}

/// A task that has failed unless it is said to be done before it is dropped.
struct Task {
    id: TaskId,
    sink: SharedSink,
    began: Instant,
    outcome: Outcome,
}

impl Drop for Task {
    fn drop(&mut self) {
        let (outcome, took) = (self.outcome.clone(), self.began.elapsed());
        self.sink.event(Event::End { task: self.id, outcome, took });
    }
}

/// An image of a registry.
pub(super) struct Pulled {
    remote: Arc<Remote>,
    name: Reference,
}

impl Pulled {
    pub(super) fn new(remote: Arc<Remote>, name: Reference) -> Self {
        Self { remote, name }
    }

    /// Asks the registry what the name means now, and keeps that manifest or index.
    pub(super) fn resolve(&self, store: &Store) -> Result<Descriptor, Error> {
        let mut task = self.remote.start(format!("resolve {}", self.name));
        let resolved = self.remote.registry()?.resolve(&self.name)?;
        if let Some(wanted) = self.name.digest()
            && wanted != resolved.descriptor.digest
        {
            let reason = format!("expected a manifest of digest {wanted}, got {}", resolved.descriptor.digest);
            return Err(Error::Damaged { place: self.place(), reason });
        }
        store.put_blob(&resolved.bytes).map_err(Error::Store)?;
        task.outcome = Outcome::Done;
        Ok(resolved.descriptor)
    }
}

impl fmt::Debug for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pulled").field(&self.name).finish()
    }
}

impl Documents for Pulled {
    fn read(&self, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        let registry = self.remote.registry()?;
        if matches!(blob.media_type, MediaType::Manifest(_) | MediaType::Index(_)) {
            return Ok(registry.manifest(&self.name, &blob.digest)?);
        }
        let damaged = |error: io::Error| Error::Damaged { place: self.place(), reason: error.to_string() };
        read_limited(registry.blob(&self.name, blob)?).map_err(damaged)
    }

    fn place(&self) -> String {
        self.name.to_string()
    }
}

impl BlobSource for Pulled {
    fn fetch(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let hex = blob.digest.hex();
        let task = self.remote.start(format!("pull {} {}", self.name, &hex[..12]));
        let opened = self.remote.registry().and_then(|registry| Ok(registry.blob(&self.name, blob)?));
        let reader = opened.map_err(|error| io::Error::other(one_line(&error)))?;
        Ok(Box::new(Watched { reader, task, done: 0, told: 0, total: blob.size }))
    }
}

/// Tells of a download while it is read.
struct Watched {
    reader: Box<dyn Read + Send>,
    task: Task,
    done: u64,
    told: u64,
    total: u64,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.done += count as u64;
        if self.done == self.total {
            self.task.outcome = Outcome::Done;
        }
        if self.done - self.told >= REPORT_EVERY || (self.done == self.total && self.told < self.done) {
            self.told = self.done;
            let event = Event::Bytes { task: self.task.id, done: self.done, total: Some(self.total) };
            self.task.sink.event(event);
        }
        Ok(count)
    }
}

/// The documents of an image that the store may hold already.
pub(super) struct StoreFirst<'a> {
    pub(super) store: &'a Store,
    pub(super) pulled: &'a Pulled,
}

impl Documents for StoreFirst<'_> {
    fn read(&self, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        // One that has been damaged on disk is dropped by the store, and fetched again.
        match self.store.read_blob(&blob.digest) {
            Ok(bytes) => Ok(bytes),
            Err(_) => self.pulled.read(blob),
        }
    }

    fn place(&self) -> String {
        self.pulled.place()
    }
}
