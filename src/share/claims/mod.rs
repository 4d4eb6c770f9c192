//! Who runs a step, where many runners share a place: the one whose claim it is. The others wait for what it gives.
//!
//! `claims/KEY-0` holds a claim: who has it, for how long it lives without a sign of life, and how many there were. The clocks of
//! machines differ, so nobody compares times: a claim is dead when somebody has seen it unchanged for as long as it lives.
//! Whoever sees that makes `claims/KEY-1`, which only one can, and so on: a dead claim is never replaced, since two who saw it
//! die would both take over.
//!
//! Nobody waits for ever: a runner holds a claim only while it runs and exports that very step, for which it waits for no other
//! claim; a claim whose holder is gone dies; a place that fails ends the wait at once; and the user can stop it.

mod hold;
mod wait;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::progress::Cancel;

use super::place::Kind;
use super::{ObjectName, Place, ShareError};
use hold::Holder;
use wait::{Seen, Wait};

/// How long a claim lives without a sign of life. Three of them fall into that time.
const LIFE: Duration = Duration::from_secs(30);
/// Holders of one step that have died one after the other.
const MOST_DEAD: u32 = 100;

/// The claims of one build in one place.
pub struct Claims {
    holder: Arc<Holder>,
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
    holder: Arc<Holder>,
    key: String,
    generation: u32,
}

impl Claims {
    /// Claims in `place`. Nothing is asked yet.
    pub fn new(place: Arc<dyn Place>, cancel: Cancel) -> Self {
        Self { holder: Arc::new(Holder::new(place, cancel)), life: LIFE }
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
        let mut wait = Wait { holder: &self.holder, life: self.life, began, dead: BTreeSet::new(), refused: None };
        let mut generation = 0;
        while generation < MOST_DEAD {
            let name = object(key, generation);
            if self.create(&name)? {
                let guard = Guard { holder: Arc::clone(&self.holder), key: key.to_owned(), generation };
                self.holder.hold(name, self.life);
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
        let claim = self.holder.claim(0, self.life);
        let (wanted, bytes) = (name.clone(), claim.clone());
        if self.holder.ask(move |place| place.create(&wanted, &bytes))? {
            return Ok(true);
        }
        // An answer that was lost, and a second try that found the first.
        Ok(self.holder.read(name)?.is_some_and(|found| found == claim))
    }
}

fn object(key: &str, generation: u32) -> ObjectName {
    ObjectName::new(Kind::Claim, &format!("{key}-{generation}"))
}

impl Drop for Claims {
    fn drop(&mut self) {
        self.holder.settle();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Those of the dead as well, so that nobody who comes later waits for them to die.
        self.holder.release((0..=self.generation).map(|generation| object(&self.key, generation)));
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Claims").field(&self.holder).finish()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&object(&self.key, self.generation)).finish()
    }
}

#[cfg(test)]
mod tests;
