//! Who runs a step, where many runners share a place: the one whose claim it is. The others wait for what it gives.
//!
//! `claims/KEY-0` holds a claim: who has it, for how long it lives without a sign of life, and how many there were. The clocks of
//! machines differ, so nobody compares times: a claim is dead when somebody has seen it unchanged for as long as it lives.
//! Whoever sees that makes `claims/KEY-1`, which only one can, and so on: a dead claim is never replaced, since two who saw it
//! die would both take over.
//!
//! Nobody waits for ever: a runner holds a claim only while it runs and exports that very step, for which it waits for no other
//! claim; a claim whose holder is gone dies; a place that fails ends the wait at once; and the user can stop it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::progress::Cancel;

use super::place::Kind;
use super::watch::watched;
use super::{ObjectName, PATIENCE, Place, ShareError};

/// How long a claim lives without a sign of life. Three of them fall into that time.
const LIFE: Duration = Duration::from_secs(30);
/// The longest life of a claim of others that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(120);
/// The first and the longest pause between two looks at a claim of others.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Whoever has waited so long runs the step itself, whatever others say.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// Holders of one step that have died one after the other.
const MOST_DEAD: u32 = 100;
/// How long the end of a build waits until the last claims are given back; after an interrupt.
const LAST: (Duration, Duration) = (PATIENCE, Duration::from_secs(2));

/// The claims of one build in one place.
pub struct Claims {
    shared: Arc<Inner>,
    life: Duration,
}

struct Inner {
    place: Arc<dyn Place>,
    cancel: Cancel,
    /// Tells this build's claims from those of others.
    holder: String,
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

/// What a claim says.
#[derive(Serialize, Deserialize)]
struct Claim {
    holder: String,
    /// Signs of life so far.
    beat: u64,
    /// How long it lives without one.
    life_ms: u64,
}

/// How a step is to be had.
#[derive(Debug)]
pub enum Outcome {
    /// Nobody else runs it, as long as the guard is kept.
    Mine(Guard),
    /// Somebody else has just done it.
    Done,
}

/// Holds a claim until dropped. Drop it after the step's result is in the place.
pub struct Guard {
    shared: Arc<Inner>,
    key: String,
    generation: u32,
}

/// What became of a claim of others.
enum Seen {
    /// It was given back.
    Gone,
    /// Its holder is.
    Dead,
    /// The step is done.
    Done,
}

impl Claims {
    /// Claims in `place`. Nothing is asked yet.
    pub fn new(place: Arc<dyn Place>, cancel: Cancel) -> Self {
        let random = || RandomState::new().hash_one(std::process::id());
        let holder = format!("{:016x}{:016x}", random(), random());
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Inner { place, cancel, holder, state, changed }), life: LIFE }
    }

    /// Claims the step `key`, a key's hex digits, or waits until it `is_done` by another. `is_done` asks the place, and is asked
    /// again and again; `waits` is called once, before the first pause.
    ///
    /// # Errors
    /// When the place cannot be asked, or the wait makes no sense any more: then the step is to be run without a claim. And when
    /// the user stops the build.
    pub fn take(
        &self,
        key: &str,
        waits: &mut dyn FnMut(),
        is_done: &mut dyn FnMut() -> Result<bool, ShareError>,
    ) -> Result<Outcome, ShareError> {
        let mut waits = Some(waits);
        let began = Instant::now();
        let mut wait = Wait { claims: self, began, dead: BTreeSet::new(), refused: None };
        let mut generation = 0;
        while generation < MOST_DEAD {
            let name = object(key, generation);
            if self.create(&name)? {
                let guard = Guard { shared: Arc::clone(&self.shared), key: key.to_owned(), generation };
                self.shared.hold(name, self.life);
                // Between the look-up and the claim somebody may have done it and gone.
                return Ok(if is_done()? { Outcome::Done } else { Outcome::Mine(guard) });
            }
            if let Some(waits) = waits.take() {
                waits();
            }
            match wait.watch(&name, is_done)? {
                Seen::Done => return Ok(Outcome::Done),
                Seen::Dead => generation += 1,
                Seen::Gone => generation = 0,
            }
        }
        Err(ShareError::Slow { seconds: began.elapsed().as_secs() })
    }

    fn create(&self, name: &ObjectName) -> Result<bool, ShareError> {
        let claim = self.shared.claim(0, self.life);
        let (wanted, bytes) = (name.clone(), claim.clone());
        if self.shared.ask(move |place| place.create(&wanted, &bytes))? {
            return Ok(true);
        }
        // An answer that was lost, and a second try that found the first.
        Ok(self.shared.read(name)?.is_some_and(|found| found == claim))
    }
}

/// A wait for others.
struct Wait<'a> {
    claims: &'a Claims,
    began: Instant,
    /// Claims that have been seen to die.
    dead: BTreeSet<Vec<u8>>,
    /// A claim that can neither be made nor read, and since when: its maker died while making it.
    refused: Option<(ObjectName, Instant)>,
}

impl Wait<'_> {
    fn watch(
        &mut self,
        name: &ObjectName,
        is_done: &mut dyn FnMut() -> Result<bool, ShareError>,
    ) -> Result<Seen, ShareError> {
        let mut pause = PAUSES.0;
        let mut seen: Option<(Vec<u8>, Instant)> = None;
        loop {
            let found = self.claims.shared.read(name)?;
            // After the claim is read: what is gone was done before it went.
            if is_done()? {
                return Ok(Seen::Done);
            }
            let Some(found) = found else {
                if seen.is_some() {
                    return Ok(Seen::Gone);
                }
                if self.is_stuck(name) {
                    return Ok(Seen::Dead);
                }
                self.pause(PAUSES.0)?;
                return Ok(Seen::Gone);
            };
            if self.dead.contains(&found) {
                return Ok(Seen::Dead);
            }
            match &seen {
                Some((known, since)) if *known == found => {
                    if since.elapsed() >= life_of(&found) {
                        self.dead.insert(found);
                        return Ok(Seen::Dead);
                    }
                }
                _ => seen = Some((found, Instant::now())),
            }
            if self.began.elapsed() > LONGEST_WAIT {
                return Err(ShareError::Slow { seconds: LONGEST_WAIT.as_secs() });
            }
            self.pause(pause)?;
            pause = PAUSES.1.min(pause * 3 / 2);
        }
    }

    /// Whether a claim has been neither there nor to be had for as long as it would live.
    fn is_stuck(&mut self, name: &ObjectName) -> bool {
        match &self.refused {
            Some((known, since)) if known == name => since.elapsed() >= self.claims.life,
            _ => {
                self.refused = Some((name.clone(), Instant::now()));
                false
            }
        }
    }

    fn pause(&self, pause: Duration) -> Result<(), ShareError> {
        let end = Instant::now() + pause;
        while !self.claims.shared.cancel.is_set() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(PAUSES.0));
        }
        Err(ShareError::Cancelled)
    }
}

/// How long a claim lives, as it says itself.
fn life_of(bytes: &[u8]) -> Duration {
    let life = serde_json::from_slice(bytes).map_or(LIFE, |claim: Claim| Duration::from_millis(claim.life_ms));
    life.min(LONGEST_LIFE)
}

fn object(key: &str, generation: u32) -> ObjectName {
    ObjectName::new(Kind::Claim, &format!("{key}-{generation}"))
}

impl Inner {
    fn claim(&self, beat: u64, life: Duration) -> Vec<u8> {
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        // These types have no part that JSON cannot hold.
        serde_json::to_vec(&Claim { holder: self.holder.clone(), beat, life_ms }).unwrap_or_default()
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Place) -> Result<T, ShareError> + Send + 'static,
    ) -> Result<T, ShareError> {
        let place = Arc::clone(&self.place);
        watched(&self.cancel, PATIENCE, None, move || question(place.as_ref()))
    }

    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        let name = name.clone();
        self.ask(move |place| place.read(&name))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a claim alive until it is released.
    fn hold(self: &Arc<Self>, name: ObjectName, life: Duration) {
        let mut state = self.lock();
        state.held.insert(name, Held { beat: 0, next: Instant::now() + life / 3, life });
        self.tend(&mut state);
    }

    fn release(self: &Arc<Self>, names: impl Iterator<Item = ObjectName>) {
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
}

impl Drop for Claims {
    /// Waits for a while until nothing is left in the place.
    fn drop(&mut self) {
        let patience = if self.shared.cancel.is_set() { LAST.1 } else { LAST.0 };
        let end = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.is_tended && state.held.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Those of the dead as well, so that nobody who comes later waits for them to die.
        self.shared.release((0..=self.generation).map(|generation| object(&self.key, generation)));
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claims").field(&self.shared.place).finish()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&object(&self.key, self.generation)).finish()
    }
}

#[cfg(test)]
mod tests;
