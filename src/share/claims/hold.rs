use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::progress::Cancel;
use crate::share::watch::watched;
use crate::share::{ObjectName, PATIENCE, Place, ShareError};

use super::Claim;

/// How long the end of a build waits until the last claims are given back; after an interrupt.
const LAST: (Duration, Duration) = (PATIENCE, Duration::from_secs(2));

/// What one build holds in one place, and the thread that keeps it alive.
pub(super) struct Holder {
    place: Arc<dyn Place>,
    pub(super) cancel: Cancel,
    /// Tells this build's claims from those of others.
    id: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: BTreeMap<ObjectName, Held>,
    /// Given back, and still to be removed from the place.
    released: Vec<ObjectName>,
    /// Whether the thread that renews and removes is there.
    is_tended: bool,
    /// The place has failed: it is told nothing any more.
    is_broken: bool,
}

struct Held {
    beat: u64,
    next: Instant,
    life: Duration,
}

impl Holder {
    pub(super) fn new(place: Arc<dyn Place>, cancel: Cancel) -> Self {
        let random = || RandomState::new().hash_one(std::process::id());
        let id = format!("{:016x}{:016x}", random(), random());
        Self { place, cancel, id, state: Mutex::default(), changed: Condvar::new() }
    }

    /// What a claim of this build says.
    pub(super) fn claim(&self, beat: u64, life: Duration) -> Vec<u8> {
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        // These types have no part that JSON cannot hold.
        serde_json::to_vec(&Claim { holder: self.id.clone(), beat, life_ms }).unwrap_or_default()
    }

    /// Asks the place something, with patience that ends.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Place) -> Result<T, ShareError> + Send + 'static,
    ) -> Result<T, ShareError> {
        let place = Arc::clone(&self.place);
        watched(&self.cancel, PATIENCE, None, move || question(place.as_ref()))
    }

    pub(super) fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        let name = name.clone();
        self.ask(move |place| place.read(&name))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a claim alive until it is released.
    pub(super) fn hold(self: &Arc<Self>, name: ObjectName, life: Duration) {
        let mut state = self.lock();
        state.held.insert(name, Held { beat: 0, next: Instant::now() + life / 3, life });
        self.tend(&mut state);
    }

    /// Gives claims back.
    pub(super) fn release(self: &Arc<Self>, names: impl Iterator<Item = ObjectName>) {
        let mut state = self.lock();
        for name in names {
            state.held.remove(&name);
            state.released.push(name);
        }
        self.tend(&mut state);
    }

    /// Sees to it that there is a thread that renews and removes. Without one claims die early: then a step runs twice.
    fn tend(self: &Arc<Self>, state: &mut State) {
        if !state.is_tended {
            let inner = Arc::clone(self);
            let spawned = thread::Builder::new().name("claims".to_owned()).spawn(move || inner.work());
            state.is_tended = spawned.is_ok();
        }
        self.changed.notify_all();
    }

    /// Renews what is held and removes what is given back, as long as there is anything.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.is_broken {
                state.held.clear();
                state.released.clear();
            }
            if let Some(name) = state.released.pop() {
                drop(state);
                // Even of a build that was stopped: others need not wait until the claim dies.
                let removed = self.place.remove(&name);
                state = self.lock();
                state.is_broken |= removed.is_err();
                continue;
            }
            let soonest = state.held.iter_mut().min_by_key(|(_, held)| held.next);
            let Some((name, held)) = soonest else {
                state.is_tended = false;
                self.changed.notify_all();
                return;
            };
            let left = held.next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                held.beat += 1;
                held.next = Instant::now() + held.life / 3;
                let (name, claim) = (name.clone(), self.claim(held.beat, held.life));
                drop(state);
                let renewed = self.place.write(&name, &claim, &[]);
                state = self.lock();
                state.is_broken |= renewed.is_err();
                // Given back meanwhile, and perhaps removed before it was written.
                if !state.held.contains_key(&name) && !state.released.contains(&name) {
                    state.released.push(name);
                }
            } else {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Waits for a while until nothing is left in the place that has been given back.
    pub(super) fn settle(&self) {
        let patience = if self.cancel.is_set() { LAST.1 } else { LAST.0 };
        let end = Instant::now() + patience;
        let mut state = self.lock();
        while state.is_tended && state.held.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Holder").field(&self.place).finish()
    }
}
