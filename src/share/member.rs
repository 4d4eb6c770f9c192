//! A place as one build sees it: asked with patience that ends, and left out for the rest of the build once it fails.

use std::collections::{HashMap, HashSet};
use std::error::Error as _;
use std::fmt;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cache::Key;
use crate::image::{Descriptor, DiffId};
use crate::progress::{Cancel, Event, Outcome, SharedSink, Tasks};
use crate::registry::Content;

use super::entry::Entry;
use super::index::{Index, Known};
use super::turns::Turns;
use super::watch::{Watched, counter, watched};
use super::{Kind, ObjectName, PATIENCE, Place, STALL, ShareError};

/// Failures in a row after which a place is left out.
const FAILURES: u32 = 2;

/// What a blob that the place does not give is to whoever reads it.
const NOT_GIVEN: io::ErrorKind = io::ErrorKind::NotConnected;

/// What is done with a place: one that may only be read is still of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Doing {
    Reading,
    Writing,
}

/// How far a place is trusted to do something.
#[derive(Default)]
struct Trust {
    /// Failures in a row.
    failures: AtomicU32,
    is_gone: AtomicBool,
}

/// A place that this build uses.
pub(super) struct Member {
    place: Arc<dyn Place>,
    name: String,
    sink: SharedSink,
    cancel: Cancel,
    reading: Trust,
    writing: Trust,
    /// What went wrong first.
    fault: OnceLock<String>,
    index: OnceLock<Known>,
    /// Steps that others have done since the index was read.
    later: Mutex<HashMap<Key, DiffId>>,
    /// Layers that turned out not to be had from here.
    lost: Mutex<HashSet<DiffId>>,
    /// Blobs that this build has sent, or found there.
    sent: Turns,
}

impl Member {
    pub(super) fn new(place: Arc<dyn Place>, sink: SharedSink, cancel: Cancel) -> Self {
        let name = place.name();
        let (reading, writing, fault) = (Trust::default(), Trust::default(), OnceLock::new());
        let (index, later, lost) = (OnceLock::new(), Mutex::default(), Mutex::default());
        Self { place, name, sink, cancel, reading, writing, fault, index, later, lost, sent: Turns::default() }
    }

    /// Where it is, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The repository of which a later build can have blobs by itself.
    pub(super) fn repository(&self) -> Option<String> {
        self.place.repository()
    }

    /// Whether it is asked no more.
    pub(super) fn is_out(&self) -> bool {
        self.reading.is_gone.load(Ordering::SeqCst)
    }

    /// Whether nothing more is given to it.
    pub(super) fn is_shut(&self) -> bool {
        self.writing.is_gone.load(Ordering::SeqCst)
    }

    /// What went wrong first, if anything.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.get().map(String::as_str)
    }

    /// What the place knows: asked once. Whoever asks meanwhile waits.
    pub(super) fn index(&self, tasks: &Tasks) -> &Known {
        self.index.get_or_init(|| {
            let task = tasks.start(format!("importing cache from {}", self.name));
            let read = |place: &dyn Place| {
                place.read(&ObjectName::index())?.map(|sealed| Index::from_object(&sealed)).transpose()
            };
            let known = self.ask(read).flatten().map(Known::new);
            task.ends(if self.is_out() { Outcome::Failed } else { Outcome::Done });
            match &known {
                Some(known) => task.note(format!("{} steps", known.len())),
                None if self.fault().is_none() => task.note("there is none yet".to_owned()),
                None => {}
            }
            known.unwrap_or_default()
        })
    }

    /// The entry under `key`, asked for now.
    pub(super) fn read_entry(&self, key: &Key) -> Option<Entry> {
        let key = *key;
        let name = ObjectName::new(Kind::Step, &key.hex());
        self.ask(move |place| place.read(&name)?.map(|sealed| Entry::from_object(&key, &sealed)).transpose()).flatten()
    }

    /// The place itself, for whoever judges what comes of it with [`Member::judge`].
    pub(super) fn place(&self) -> Arc<dyn Place> {
        Arc::clone(&self.place)
    }

    /// The entry under `key` that others may just have written, and whose layer is not known to be lost. A damaged one is none.
    pub(super) fn latest(&self, key: &Key) -> Result<Option<Entry>, ShareError> {
        let (place, name) = (self.place(), ObjectName::new(Kind::Step, &key.hex()));
        let read = watched(&self.cancel, PATIENCE, None, move || place.read(&name))?;
        let entry = read.and_then(|sealed| Entry::from_object(key, &sealed).ok());
        let entry = entry.filter(|entry| !self.has_lost(&entry.record.layer.diff_id));
        if let Some(entry) = &entry {
            self.lock_later().insert(*key, entry.record.layer.diff_id);
        }
        Ok(entry)
    }

    /// Whether the place has a step and its layer, as far as this build knows.
    pub(super) fn knows(&self, key: &Key, tasks: &Tasks) -> bool {
        let in_index = self.index(tasks).entry(key).map(|entry| entry.record.layer.diff_id);
        let known = in_index.or_else(|| self.lock_later().get(key).copied());
        known.is_some_and(|layer| !self.has_lost(&layer))
    }

    fn lock_later(&self) -> std::sync::MutexGuard<'_, HashMap<Key, DiffId>> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the place something; `None` when it fails, which has been told by then.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Place) -> Result<T, ShareError> + Send + 'static,
    ) -> Option<T> {
        self.question(Doing::Reading, work)
    }

    /// Gives the place something; `None` when it fails, which has been told by then.
    pub(super) fn give<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Place) -> Result<T, ShareError> + Send + 'static,
    ) -> Option<T> {
        self.question(Doing::Writing, work)
    }

    fn question<T: Send + 'static>(
        &self,
        doing: Doing,
        work: impl FnOnce(&dyn Place) -> Result<T, ShareError> + Send + 'static,
    ) -> Option<T> {
        if self.trust(doing).is_gone.load(Ordering::SeqCst) {
            return None;
        }
        let place = Arc::clone(&self.place);
        self.judge(doing, watched(&self.cancel, PATIENCE, None, move || work(&*place)))
    }

    fn trust(&self, doing: Doing) -> &Trust {
        match doing {
            Doing::Reading => &self.reading,
            Doing::Writing => &self.writing,
        }
    }

    /// Sends a blob unless it is there: `true` when it was sent.
    pub(super) fn send(&self, blob: &Descriptor, content: impl Content + 'static) -> Option<bool> {
        self.sent
            .once(&blob.digest, || self.send_unless_there(blob, content).ok_or(()))
            .ok()
            .map(|sent| sent == Some(true))
    }

    fn send_unless_there(&self, blob: &Descriptor, content: impl Content + 'static) -> Option<bool> {
        let wanted = blob.clone();
        if self.give(move |place| place.has_blob(&wanted))? {
            return Some(false);
        }
        let (place, blob, (moved, told)) = (Arc::clone(&self.place), blob.clone(), counter());
        let send = move || place.push_blob(&blob, &content, &told);
        self.judge(Doing::Writing, watched(&self.cancel, STALL, Some(&moved), send)).map(|()| true)
    }

    /// Opens a blob. What cannot be read is counted by whoever reads: see [`Member::lose`].
    pub(super) fn open(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let wanted = blob.clone();
        let opened = self.ask(move |place| place.open_blob(&wanted));
        let gone = || io::Error::new(NOT_GIVEN, self.fault().unwrap_or("it does not give it").to_owned());
        Ok(Box::new(Watched::new(opened.ok_or_else(gone)?, self.cancel.clone())?))
    }

    /// No layer of that name is taken from here any more.
    pub(super) fn lose(&self, layer: &DiffId, step: &str, why: &io::Error) {
        if self.cancel.is_set() || !self.lock_lost().insert(*layer) || self.is_out() {
            return;
        }
        let step = step.lines().next().unwrap_or_default();
        let text = format!("the cache at {} has no good layer for `{step}`: {why}; it is made anew", self.name);
        self.sink.event(Event::Warning(text));
        // One that was not given has been counted.
        if why.kind() != NOT_GIVEN {
            self.count(
                Doing::Reading,
                &ShareError::Damaged { what: format!("the layer of `{step}`"), reason: why.to_string() },
            );
        }
    }

    /// Whether a layer is known not to be had.
    pub(super) fn has_lost(&self, layer: &DiffId) -> bool {
        self.is_out() || self.lock_lost().contains(layer)
    }

    fn lock_lost(&self) -> std::sync::MutexGuard<'_, HashSet<DiffId>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when something failed, which is told and counted.
    pub(super) fn judge<T>(&self, doing: Doing, result: Result<T, ShareError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.trust(doing).failures.store(0, Ordering::SeqCst);
                Some(value)
            }
            Err(ShareError::Cancelled) => None,
            Err(error) => {
                if let ShareError::Damaged { .. } = error {
                    self.sink.event(Event::Warning(format!("cache at {}: {error}; it is not used", self.name)));
                }
                self.count(doing, &error);
                None
            }
        }
    }

    fn count(&self, doing: Doing, error: &ShareError) {
        let _first = self.fault.set(chain(error));
        let trust = self.trust(doing);
        let in_a_row = trust.failures.fetch_add(1, Ordering::SeqCst) + 1;
        let is_final =
            !matches!(error, ShareError::Failed(_) | ShareError::Damaged { .. } | ShareError::TooLarge { .. });
        if !(is_final || in_a_row >= FAILURES) {
            return;
        }
        // Who cannot be reached, or hands out nonsense, is not written to either.
        let is_over = doing == Doing::Reading || matches!(error, ShareError::Unreachable(_));
        let was_gone = trust.is_gone.swap(true, Ordering::SeqCst);
        if is_over {
            self.reading.is_gone.store(true, Ordering::SeqCst);
            self.writing.is_gone.store(true, Ordering::SeqCst);
        }
        if !was_gone {
            let what = if is_over { "it is left out" } else { "nothing more is exported to it" };
            let (name, why, help) = (&self.name, chain(error), error.help());
            self.sink
                .event(Event::Warning(format!("cache at {name}: {why}; {what} for the rest of this build: {help}")));
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.name).finish()
    }
}

/// An error with its causes, on one line, each said once.
fn chain(error: &ShareError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
