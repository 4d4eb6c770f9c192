//! Several steps may need one blob at the same moment: it is sent once. A registry that gets a blob twice at a time may not know
//! it for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::image::Digest;

/// The blobs that a place has been sent, or is just being sent.
#[derive(Default, Debug)]
pub(super) struct Turns(Mutex<HashMap<Digest, Arc<Mutex<bool>>>>);

impl Turns {
    /// Calls `send` unless it has succeeded for that blob before, which `None` says; who comes meanwhile waits.
    pub(super) fn once<T, E>(&self, blob: &Digest, send: impl FnOnce() -> Result<T, E>) -> Result<Option<T>, E> {
        let turn = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(*blob).or_default());
        let mut is_there = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_there {
            return Ok(None);
        }
        let sent = send()?;
        *is_there = true;
        Ok(Some(sent))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_sends_and_after_a_failure_the_next() {
        let (turns, calls, blob) = (Turns::default(), AtomicUsize::new(0), Digest::of(b"blob"));
        let send = || {
            std::thread::sleep(Duration::from_millis(5));
            if calls.fetch_add(1, Ordering::SeqCst) == 0 { Err("lost") } else { Ok(()) }
        };
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| turns.once(&blob, send))).collect();
            let results: Vec<_> = all.into_iter().map(|one| one.join().unwrap()).collect();
            let count = |wanted| results.iter().filter(|result| **result == wanted).count();
            assert_eq!((count(Err("lost")), count(Ok(Some(()))), count(Ok(None))), (1, 1, 6));
        });
        assert_eq!(calls.into_inner(), 2);
    }
}
