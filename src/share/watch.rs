//! Waiting for a place no longer than is sensible: the work is done by a thread that can be left to itself.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::progress::Cancel;

use super::{STALL, ShareError};

/// How often it is looked whether the user has stopped the build.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes handed over at a time.
const PIECE: usize = 256 << 10;
/// A blob that still comes more slowly than this, in bytes a second, after [`GRACE`], does not come.
const SLOWEST: u64 = 4 << 10;
const GRACE: Duration = Duration::from_secs(60);

/// Does `work`, and waits for it until the user stops the build or nothing has been heard of it for `patience`. `moved` counts
/// something that shows that it goes on.
pub(super) fn watched<T: Send + 'static>(
    cancel: &Cancel,
    patience: Duration,
    moved: Option<&AtomicU64>,
    work: impl FnOnce() -> Result<T, ShareError> + Send + 'static,
) -> Result<T, ShareError> {
    let (sender, receiver) = bounded(1);
    let worker = move || {
        // Nobody may be waiting any more.
        let _received = sender.send(work());
    };
    let spawned = thread::Builder::new().name("cache".to_owned()).spawn(worker);
    spawned.map_err(|error| ShareError::Failed(Box::new(error)))?;
    let count = || moved.map_or(0, |moved| moved.load(Ordering::Relaxed));
    let (mut heard, mut last) = (Instant::now(), count());
    loop {
        match receiver.recv_timeout(LOOK.min(patience)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(ShareError::Failed(Box::new(io::Error::other("its client has failed"))));
            }
            Err(RecvTimeoutError::Timeout) if cancel.is_set() => return Err(ShareError::Cancelled),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if count() != last {
            (heard, last) = (Instant::now(), count());
        } else if heard.elapsed() >= patience {
            return Err(ShareError::Slow { seconds: patience.as_secs() });
        }
    }
}

/// Bytes that another thread reads.
pub(super) struct Watched {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
    cancel: Cancel,
    began: Instant,
    done: u64,
}

impl Watched {
    /// Reads `reader` ahead.
    pub(super) fn new(mut reader: Box<dyn Read + Send>, cancel: Cancel) -> io::Result<Self> {
        let (sender, pieces) = bounded(4);
        let pump = move || loop {
            let mut piece = vec![0; PIECE];
            let (piece, is_last) = match reader.read(&mut piece) {
                Ok(count) => {
                    piece.truncate(count);
                    (Ok(piece), count == 0)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => (Err(error), true),
            };
            if sender.send(piece).is_err() || is_last {
                return;
            }
        };
        thread::Builder::new().name("cache".to_owned()).spawn(pump)?;
        Ok(Self { pieces, piece: Vec::new(), at: 0, cancel, began: Instant::now(), done: 0 })
    }

    /// The next bytes; none at the end.
    fn next(&self) -> io::Result<Vec<u8>> {
        let waiting = Instant::now();
        let too_slow = || io::Error::new(io::ErrorKind::TimedOut, ShareError::Slow { seconds: STALL.as_secs() });
        loop {
            match self.pieces.recv_timeout(LOOK) {
                Ok(piece) => return piece,
                Err(RecvTimeoutError::Disconnected) => return Ok(Vec::new()),
                Err(RecvTimeoutError::Timeout) if self.cancel.is_set() => {
                    return Err(io::Error::other(ShareError::Cancelled));
                }
                Err(RecvTimeoutError::Timeout) if waiting.elapsed() >= STALL => return Err(too_slow()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let since = self.began.elapsed();
            if since > GRACE && self.done / since.as_secs().max(1) < SLOWEST {
                return Err(io::ErrorKind::TimedOut.into());
            }
            (self.piece, self.at) = (self.next()?, 0);
            self.done += self.piece.len() as u64;
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// A counter of bytes for [`watched`], and what a place tells it by.
pub(super) fn counter() -> (Arc<AtomicU64>, crate::registry::Told) {
    let moved = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&moved);
    (moved, Arc::new(move |done| counter.store(done, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_left_to_itself() {
        let cancel = Cancel::new().unwrap();
        let began = Instant::now();
        let hang = || {
            thread::sleep(Duration::from_secs(30));
            Ok(())
        };
        let result = watched(&cancel, Duration::from_millis(80), None, hang);
        assert!(matches!(result, Err(ShareError::Slow { .. })) && began.elapsed() < Duration::from_secs(5));
        assert_eq!(watched(&cancel, Duration::from_secs(5), None, || Ok(7)).unwrap(), 7);
        cancel.set();
        assert!(matches!(watched(&cancel, Duration::from_secs(20), None, hang), Err(ShareError::Cancelled)));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_goes_on_is_waited_for() {
        let cancel = Cancel::new().unwrap();
        let (moved, told) = counter();
        let slow = move || {
            for done in 1..=10 {
                thread::sleep(Duration::from_millis(60));
                told(done);
            }
            Ok(())
        };
        watched(&cancel, Duration::from_millis(300), Some(&moved), slow).unwrap();
    }

    #[test]
    fn bytes_come_through_whole_and_errors_with_them() {
        struct Breaks(usize);
        impl Read for Breaks {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0 == 0 {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                let count = self.0.min(buffer.len()).min(100_000);
                buffer[..count].fill(7);
                self.0 -= count;
                Ok(count)
            }
        }
        let mut bytes = Vec::new();
        let cancel = Cancel::new().unwrap();
        let error =
            Watched::new(Box::new(Breaks(700_000)), cancel.clone()).unwrap().read_to_end(&mut bytes).unwrap_err();
        assert_eq!((bytes.len(), error.kind()), (700_000, io::ErrorKind::ConnectionReset));
        bytes.clear();
        Watched::new(Box::new(&[1_u8; 10][..]), cancel.clone()).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [1; 10]);
    }
}
