//! What a build gives to a place: blobs first, then the records that speak of them, then the index.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::cache::{Key, Parent, Preimage, Record};
use crate::image::{Compression, Descriptor, MediaType};
use crate::progress::{Cancel, Outcome, Tasks};
use crate::store::Store;
use crate::transfer::StoredBlob;

use super::entry::{Entry, LIST, List};
use super::index::Index;
use super::member::Member;
use super::{Guard, ObjectName, ShareError, mounts};

/// Steps that are sent at once.
const WORKERS: usize = 4;
/// How often the index is written while a build goes on.
const REFRESH: Duration = Duration::from_secs(5);
/// How often the index is written anew when another runner has overwritten it at the same moment.
const MERGES: u32 = 4;
/// Bytes of a list that stands in the entry.
const SMALL_LIST: usize = 4 << 10;
/// Bytes of a list once it is no longer compressed.
const MAX_LIST: u64 = 1 << 30;

/// Which steps are exported.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Mode {
    /// Those whose layers end in the image, when the build has succeeded (CX-2).
    #[default]
    Min,
    /// All of them, each as soon as it is done.
    Max,
}

/// What is asked of one export.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Wishes {
    /// Which steps.
    pub mode: Mode,
    /// How layers are compressed that have no blob yet; `None` is as those of the image.
    pub compression: Option<Compression>,
    /// The level of that.
    pub level: Option<i32>,
    /// Layers that have a blob of another compression get another blob.
    pub force_compression: bool,
    /// A build whose export fails fails as well: `ignore-error=false` was written.
    pub must_succeed: bool,
    /// What is in cache mounts is exported as well.
    pub mounts: bool,
}

/// A step that is done and can be exported.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What its key by history is made of.
    pub preimage: Preimage,
    /// The parent of its key by content.
    pub content: Parent,
    /// What it gave.
    pub record: Record,
    /// The layer's blob, in the store.
    pub blob: Descriptor,
    /// Keeps other runners from running it until it is there.
    pub claim: Option<Arc<Guard>>,
}

/// One export on its way.
pub(super) struct Export {
    shared: Arc<Shared>,
    queue: Mutex<Option<Sender<Finished>>>,
    waiting: Receiver<Finished>,
    workers: Mutex<Vec<JoinHandle<()>>>,
    pub(super) wishes: Wishes,
}

struct Shared {
    member: Arc<Member>,
    store: Arc<Store>,
    tasks: Arc<Tasks>,
    cancel: Cancel,
    now: i64,
    /// What has been sent, and is not in the index yet.
    fresh: Mutex<Index>,
    refreshed: Mutex<Instant>,
    /// Steps that could not be sent.
    failed: Mutex<Vec<Finished>>,
    steps: AtomicUsize,
    blobs: AtomicUsize,
    bytes: AtomicU64,
}

impl Export {
    pub(super) fn new(
        member: &Arc<Member>,
        wishes: Wishes,
        store: &Arc<Store>,
        tasks: &Arc<Tasks>,
        cancel: &Cancel,
        now: i64,
    ) -> Self {
        let (queue, waiting) = unbounded();
        let shared = Arc::new(Shared {
            member: Arc::clone(member),
            store: Arc::clone(store),
            tasks: Arc::clone(tasks),
            cancel: cancel.clone(),
            now,
            fresh: Mutex::default(),
            refreshed: Mutex::new(Instant::now()),
            failed: Mutex::default(),
            steps: AtomicUsize::new(0),
            blobs: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
        });
        let export = Self { shared, queue: Mutex::new(Some(queue)), waiting, workers: Mutex::default(), wishes };
        if wishes.mode == Mode::Max {
            export.start();
        }
        export
    }

    /// Whether it gives every step to that place as soon as it is done.
    pub(super) fn gives_at_once_to(&self, member: &Arc<Member>) -> bool {
        self.wishes.mode == Mode::Max && Arc::ptr_eq(&self.shared.member, member)
    }

    /// Whether a step is to be handed over with [`Export::take`].
    pub(super) fn wants(&self, key: &Key, is_in_image: bool) -> bool {
        let shared = &self.shared;
        (is_in_image || self.wishes.mode == Mode::Max)
            && !shared.member.is_shut()
            && !shared.member.knows(key, &shared.tasks)
    }

    /// Sends a step: at once with [`Mode::Max`], else when the build is done.
    pub(super) fn take(&self, step: Finished) {
        if let Some(queue) = &*lock(&self.queue) {
            // There is a receiver as long as this lives.
            let _taken = queue.send(step);
        }
    }

    fn start(&self) {
        for _ in 0..WORKERS {
            let (shared, waiting) = (Arc::clone(&self.shared), self.waiting.clone());
            let work = move || {
                for step in &waiting {
                    if shared.cancel.is_set() {
                        return;
                    }
                    if shared.send(&step).is_none() {
                        // Others need not wait for what may never come.
                        lock(&shared.failed).push(Finished { claim: None, ..step });
                    }
                    shared.refresh();
                }
            };
            // With fewer workers, or none, less is exported.
            lock(&self.workers).extend(thread::Builder::new().name("export".to_owned()).spawn(work));
        }
    }

    /// Sends what is left, and the index. A build that has failed gives what it has given already, and its name.
    pub(super) fn finish(&self, has_failed: bool, mounts: &BTreeSet<String>) -> Result<(), String> {
        *lock(&self.queue) = None;
        if has_failed && self.wishes.mode == Mode::Min {
            return Ok(());
        }
        if lock(&self.workers).is_empty() {
            self.start();
        }
        let shared = &self.shared;
        let task = shared.tasks.start(format!("exporting cache to {}", shared.member.name()));
        let workers = std::mem::take(&mut *lock(&self.workers));
        for worker in workers {
            let _ended = worker.join();
        }
        // What failed may have failed of something that has passed.
        let again = std::mem::take(&mut *lock(&shared.failed));
        let failed = again.iter().filter(|step| shared.send(step).is_none()).count();
        for id in mounts {
            shared.send_mount(id);
        }
        shared.merge();
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let (steps, blobs, bytes) = (count(&shared.steps), count(&shared.blobs), shared.bytes.load(Ordering::Relaxed));
        task.note(format!("{steps} steps, {blobs} blobs of {bytes} bytes sent"));
        if failed > 0 {
            task.note(format!("{failed} steps could not be sent: {}", shared.member.fault().unwrap_or_default()));
        }
        let is_incomplete = failed > 0 || shared.member.is_shut() || !lock(&shared.fresh).entries.is_empty();
        task.ends(if is_incomplete { Outcome::Failed } else { Outcome::Done });
        drop(task);
        match shared.member.fault() {
            Some(fault) if is_incomplete && self.wishes.must_succeed => {
                Err(format!("cannot export the cache to {}: {fault}", shared.member.name()))
            }
            _ => Ok(()),
        }
    }
}

impl Shared {
    /// Sends a step with all that it needs. What fails has been told: then the step is not exported.
    fn send(&self, step: &Finished) -> Option<()> {
        self.send_blob(&step.blob)?;
        let layer = &step.record.layer.diff_id;
        let list = match self.store.list(layer) {
            Ok(Some(bytes)) => Some(self.send_list(&bytes)?),
            _ => None,
        };
        let (step_brief, record) = (step.preimage.brief(), step.record.clone());
        let entry = Entry::new(step_brief, &step.content, record, &step.blob, list, self.now);
        let (name, sealed) = entry.to_object(&step.preimage).ok()?;
        let keeps: Vec<Descriptor> = entry.blobs().cloned().collect();
        self.member.give(move |place| place.write(&name, &sealed, &keeps))?;
        lock(&self.fresh).entries.push(entry);
        self.steps.fetch_add(1, Ordering::Relaxed);
        Some(())
    }

    /// Sends what is in a cache mount. Its blob is of no further use here.
    fn send_mount(&self, id: &str) -> Option<()> {
        let Ok(mount) = mounts::pack(&self.store, id, WORKERS) else { return None };
        let sent = self.send_blob(&mount.blob);
        self.store.drop_blob(&mount.blob.digest);
        sent?;
        lock(&self.fresh).mounts.insert(id.to_owned(), mount);
        Some(())
    }

    /// A small list travels in the entry.
    fn send_list(&self, list: &[u8]) -> Option<List> {
        let packed = zstd::encode_all(list, 3).ok()?;
        if packed.len() <= SMALL_LIST {
            return Some(List::Here(STANDARD.encode(packed)));
        }
        let blob = Descriptor::of(MediaType::Other(LIST.to_owned()), &packed);
        self.sent(&blob, self.member.send(&blob, packed)?);
        Some(List::Blob(Box::new(blob)))
    }

    fn send_blob(&self, blob: &Descriptor) -> Option<()> {
        let content = StoredBlob::new(&self.store, blob.digest, &self.cancel);
        self.sent(blob, self.member.send(blob, content)?);
        Some(())
    }

    fn sent(&self, blob: &Descriptor, was_sent: bool) {
        if was_sent {
            self.blobs.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(blob.size, Ordering::Relaxed);
        }
    }

    /// Writes the index now and then, so that runners that start meanwhile find what is there.
    fn refresh(&self) {
        let is_due = {
            let mut last = lock(&self.refreshed);
            let is_due = last.elapsed() >= REFRESH;
            if is_due {
                *last = Instant::now();
            }
            is_due
        };
        if is_due {
            self.merge();
        }
    }

    /// Adds what is new to the index of the place. Another runner may do the same at the same moment, and overwrite it: so it is
    /// read again, and written again.
    fn merge(&self) -> Option<()> {
        let fresh = std::mem::take(&mut *lock(&self.fresh));
        if fresh.entries.is_empty() && fresh.mounts.is_empty() {
            return Some(());
        }
        let mut pause = Duration::from_millis(20);
        let merged = (0..MERGES).find_map(|_| {
            let Some(mut all) = self.read_index() else { return Some(None) };
            if all.holds(&fresh) {
                return Some(Some(()));
            }
            all.merge(fresh.clone());
            let keeps = all.blobs();
            let Ok(sealed) = all.to_object() else { return Some(None) };
            if self.member.give(move |place| place.write(&ObjectName::index(), &sealed, &keeps)).is_none() {
                return Some(None);
            }
            thread::sleep(pause);
            pause *= 3;
            None
        });
        // What was overwritten each time is under its own key all the same.
        let done = merged.unwrap_or(Some(()));
        if done.is_none() {
            lock(&self.fresh).merge(fresh);
        }
        done
    }

    /// The index as it is; a damaged one is made anew.
    fn read_index(&self) -> Option<Index> {
        self.member.ask(|place| match place.read(&ObjectName::index())?.map(|sealed| Index::from_object(&sealed)) {
            Some(Err(ShareError::Damaged { .. })) | None => Ok(Index::default()),
            Some(read) => read,
        })
    }
}

/// What a list was before it was packed; one that grows without end is an error.
pub(super) fn unpack_list(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut list = Vec::new();
    zstd::Decoder::new(packed)?.take(MAX_LIST + 1).read_to_end(&mut list)?;
    if list.len() as u64 > MAX_LIST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(list) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
