use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use crate::progress::Cancel;

use super::Error;

/// Transfers at once: more gain nothing, and registries begin to refuse.
const WORKERS: usize = 4;

/// Does `work` for each of `items`, several at once. After the first failure no new one begins, and it is returned.
pub(super) fn each<T: Sync>(
    items: &[T],
    cancel: &Cancel,
    work: impl Fn(&T) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let next = Mutex::new(items.iter());
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let one_after_the_other = || loop {
        if cancel.is_set() {
            let _first = failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Error::Cancelled);
        }
        if failed.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return;
        }
        let Some(item) = next.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
        if let Err(error) = work(item) {
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS.min(items.len()) {
            scope.spawn(one_after_the_other);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn all_is_done_and_the_first_failure_ends_it() {
        let cancel = Cancel::new().unwrap();
        let done = AtomicUsize::new(0);
        let count = |_: &usize| {
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        each(&[1; 100], &cancel, count).unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 100);
        let failed = each(&[1; 100], &cancel, |_| {
            done.fetch_add(1, Ordering::Relaxed);
            Err(Error::Cancelled)
        });
        assert!(failed.is_err() && done.load(Ordering::Relaxed) <= 100 + WORKERS);
        cancel.set();
        assert!(matches!(each(&[1], &cancel, |_| Ok(())), Err(Error::Cancelled)));
    }
}
