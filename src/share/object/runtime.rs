use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::registry::Told;
use crate::share::{SettingError, ShareError};

/// Between two signs of life of an upload.
const BEAT: Duration = Duration::from_secs(4);

/// Lets ordinary threads wait for asynchronous work: a runtime without a thread of its own, driven by those that wait.
#[derive(Clone, Debug)]
pub(super) struct Blocking(Arc<Runtime>);

impl Blocking {
    /// Starts one for places of type `kind`.
    pub(super) fn new(kind: &'static str) -> Result<Self, SettingError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| SettingError::Refused { kind, source: error.into() })?;
        Ok(Self(Arc::new(runtime)))
    }

    /// Waits for `work`, at most for `limit`.
    pub(super) fn wait<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Result<T, ShareError> {
        let slow = |_| ShareError::Slow { seconds: limit.as_secs() };
        self.0.block_on(async { tokio::time::timeout(limit, work).await }).map_err(slow)
    }
}

impl Blocking {
    /// The same for an upload: a client does not say how much of a piece has gone, so that `told` is given a sign of life now and
    /// then. `done` bytes have gone before.
    pub(super) fn wait_telling<T>(
        &self,
        limit: Duration,
        told: &Told,
        done: u64,
        work: impl Future<Output = T>,
    ) -> Result<T, ShareError> {
        let beats = async {
            for beat in 1.. {
                tokio::time::sleep(BEAT).await;
                told(done + beat % 2);
            }
        };
        self.wait(limit, async {
            let (mut work, mut beats) = (pin!(work), pin!(beats));
            poll_fn(|context| {
                let _pending = beats.as_mut().poll(context);
                work.as_mut().poll(context)
            })
            .await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends() {
        let blocking = Blocking::new("s3").unwrap();
        assert_eq!(blocking.wait(Duration::from_secs(9), async { 5 }).unwrap(), 5);
        let late = blocking.wait(Duration::from_millis(20), std::future::pending::<()>());
        assert!(matches!(late, Err(ShareError::Slow { .. })), "{late:?}");
    }

    #[test]
    fn several_threads_wait_at_once() {
        let blocking = Blocking::new("s3").unwrap();
        let (send, receive) = tokio::sync::oneshot::channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| blocking.wait(Duration::from_secs(9), receive).unwrap().unwrap());
            blocking.wait(Duration::from_secs(9), async { send.send(7).unwrap() }).unwrap();
            assert_eq!(waiting.join().unwrap(), 7);
        });
    }
}
