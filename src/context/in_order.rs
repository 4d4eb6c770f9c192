//! Work on the items of an iterator by several threads, whose results come in the order of the items.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use super::walk::lock;

/// Results that wait for an earlier one, at most; threads that are further ahead wait as well.
const AHEAD: usize = 64;

/// Calls `work` with each item, on up to `threads` threads, and `take` with each result, one at a time and in the order of the
/// items. A single item needs no other thread. After an error no further item is begun; the first error is given.
pub fn in_order<I: Iterator + Send, T: Send>(
    mut items: I,
    threads: usize,
    work: impl Fn(I::Item) -> io::Result<T> + Sync,
    take: &mut (dyn FnMut(T) + Send),
) -> io::Result<()>
where
    I::Item: Send,
{
    let Some(first) = items.next() else { return Ok(()) };
    let Some(second) = items.next() else {
        take(work(first)?);
        return Ok(());
    };
    let source = Mutex::new([first, second].into_iter().chain(items).enumerate());
    let sink = Mutex::new(Sink { take, next: 0, early: BTreeMap::new(), failed: None });
    let moved = Condvar::new();
    let worker = || {
        let _watch = Watch { sink: &sink, moved: &moved };
        loop {
            let Some((number, item)) = lock(&source).next() else { return };
            let result = work(item);
            let mut sink = lock(&sink);
            while number >= sink.next + AHEAD && sink.failed.is_none() {
                sink = moved.wait(sink).unwrap_or_else(PoisonError::into_inner);
            }
            match result {
                Ok(result) => sink.give(number, result),
                Err(error) => sink.failed = sink.failed.take().or(Some(error)),
            }
            let is_over = sink.failed.is_some();
            drop(sink);
            moved.notify_all();
            if is_over {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(worker);
        }
        worker();
    });
    sink.into_inner().unwrap_or_else(PoisonError::into_inner).failed.map_or(Ok(()), Err)
}

/// A thread that panics must not leave others waiting for its result.
struct Watch<'a, 'b, T> {
    sink: &'a Mutex<Sink<'b, T>>,
    moved: &'a Condvar,
}

impl<T> Drop for Watch<'_, '_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(self.sink).failed.get_or_insert_with(|| io::Error::other("a thread broke off"));
            self.moved.notify_all();
        }
    }
}

struct Sink<'a, T> {
    take: &'a mut (dyn FnMut(T) + Send),
    /// The number of the result that `take` wants.
    next: usize,
    early: BTreeMap<usize, T>,
    failed: Option<io::Error>,
}

impl<T> Sink<'_, T> {
    fn give(&mut self, number: usize, result: T) {
        self.early.insert(number, result);
        while let Some(result) = self.early.remove(&self.next) {
            (self.take)(result);
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for (count, threads) in [(0, 2), (1, 2), (2, 1), (1000, 1), (1000, 5)] {
            let mut got = Vec::new();
            let work = |n: usize| {
                if n.is_multiple_of(100) {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                Ok(n)
            };
            in_order(0..count, threads, work, &mut |n| got.push(n)).unwrap();
            assert!(got.iter().copied().eq(0..count), "{count} on {threads}");
        }
    }

    #[test]
    fn an_error_ends_it() {
        for threads in [1, 4] {
            let work = |n: usize| if n == 500 { Err(io::Error::other("500")) } else { Ok(n) };
            let mut got = Vec::new();
            let error = in_order(0.., threads, work, &mut |n| got.push(n)).unwrap_err();
            assert_eq!(error.to_string(), "500");
            assert!(got.iter().copied().eq(0..got.len()) && got.len() <= 500);
        }
    }
}
