use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::share::{ObjectName, ShareError};

use super::hold::Holder;
use super::{Claim, LIFE};

/// The longest life of a claim of others that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(120);
/// The first and the longest pause between two looks at a claim of others.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Whoever has waited so long runs the step itself, whatever others say.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What became of a claim of others.
pub(super) enum Seen {
    /// It was given back.
    Gone,
    /// Its holder is.
    Dead,
    /// The step is done.
    Done,
}

/// A wait for others.
pub(super) struct Wait<'a> {
    pub(super) holder: &'a Holder,
    /// How long this build's own claims live.
    pub(super) life: Duration,
    pub(super) began: Instant,
    /// Claims that have been seen to die.
    pub(super) dead: BTreeSet<Vec<u8>>,
    /// A claim that can neither be made nor read, and since when: its maker died while making it.
    pub(super) refused: Option<(ObjectName, Instant)>,
}

impl Wait<'_> {
    /// Waits until something has become of the claim `name`.
    pub(super) fn watch(
        &mut self,
        name: &ObjectName,
        is_done: &mut dyn FnMut() -> Result<bool, ShareError>,
    ) -> Result<Seen, ShareError> {
        let mut pause = PAUSES.0;
        let mut seen: Option<(Vec<u8>, Instant)> = None;
        loop {
            let found = self.holder.read(name)?;
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
            Some((known, since)) if known == name => since.elapsed() >= self.life,
            _ => {
                self.refused = Some((name.clone(), Instant::now()));
                false
            }
        }
    }

    fn pause(&self, pause: Duration) -> Result<(), ShareError> {
        let end = Instant::now() + pause;
        while !self.holder.cancel.is_set() {
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
pub(super) fn life_of(bytes: &[u8]) -> Duration {
    let life = serde_json::from_slice(bytes).map_or(LIFE, |claim: Claim| Duration::from_millis(claim.life_ms));
    life.min(LONGEST_LIFE)
}
