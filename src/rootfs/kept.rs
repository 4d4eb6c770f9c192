use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest file that is kept: opening a longer one again costs little against reading it.
const LONGEST: usize = 64 << 10;
/// Most that is kept in the process.
const MOST: usize = 64 << 20;
/// What keeping a file counts beside its bytes: very many very small ones are not worth their room.
const OVERHEAD: usize = 256;

/// Bytes kept in the process.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// The bytes of a small file that was read for its digest, kept for the one who reads it next, who packs it as a rule:
/// to open a small file takes longer than to read it.
pub struct Kept(Mutex<Option<Box<[u8]>>>);

impl Kept {
    /// Keeps `bytes`; `None` where they are too many, or too much is kept already.
    pub fn new(bytes: &[u8]) -> Option<Arc<Self>> {
        if bytes.len() > LONGEST {
            return None;
        }
        let cost = bytes.len() + OVERHEAD;
        let held = HELD.fetch_add(cost, Ordering::Relaxed);
        if held + cost > MOST {
            HELD.fetch_sub(cost, Ordering::Relaxed);
            return None;
        }
        Some(Arc::new(Self(Mutex::new(Some(bytes.into())))))
    }

    /// The bytes, for the first who asks.
    pub fn take(&self) -> Option<Box<[u8]>> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        HELD.fetch_sub(bytes.len() + OVERHEAD, Ordering::Relaxed);
        Some(bytes)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_given_once_and_long_files_are_not_kept() {
        let kept = Kept::new(b"text").expect("there is room");
        assert_eq!(kept.take().as_deref(), Some(&b"text"[..]));
        assert_eq!(kept.take(), None);
        assert!(Kept::new(&vec![0; LONGEST + 1]).is_none());
    }
}
