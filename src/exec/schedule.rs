use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

/// How far a task of the graph has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Done,
}

struct Board<E> {
    states: Vec<State>,
    failed: Option<E>,
    /// What a task panicked with.
    panic: Option<Box<dyn Any + Send>>,
}

/// Runs tasks `0..needs.len()` on at most `jobs` threads, each after all tasks that it needs, lower numbers first
/// where several could start. After the first failure no further task starts; that failure is returned once
/// the running ones have ended. A panic counts as a failure, and goes on once they have: nobody waits for a task that
/// will never be done.
///
/// `needs` must hold no cycle: a task in one would never start, and is left out.
pub(super) fn run_graph<E: Send>(
    needs: &[Vec<usize>],
    jobs: usize,
    run: &(dyn Fn(usize) -> Result<(), E> + Sync),
) -> Result<(), E> {
    let board = Mutex::new(Board { states: vec![State::Waiting; needs.len()], failed: None, panic: None });
    let changed = Condvar::new();
    let worker = || {
        let mut at = board.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if at.failed.is_some() || at.panic.is_some() {
                return;
            }
            let ready = (0..needs.len()).find(|task| {
                at.states[*task] == State::Waiting && needs[*task].iter().all(|need| at.states[*need] == State::Done)
            });
            let Some(task) = ready else {
                if !at.states.contains(&State::Running) {
                    return;
                }
                at = changed.wait(at).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            at.states[task] = State::Running;
            drop(at);
            let result = catch_unwind(AssertUnwindSafe(|| run(task)));
            at = board.lock().unwrap_or_else(PoisonError::into_inner);
            at.states[task] = State::Done;
            match result {
                Ok(Ok(())) => {}
                Ok(Err(error)) => drop(at.failed.get_or_insert(error)),
                Err(panic) => at.panic = Some(panic),
            }
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(needs.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let board = board.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(panic) = board.panic {
        resume_unwind(panic);
    }
    board.failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn order(needs: &[Vec<usize>], jobs: usize) -> Vec<usize> {
        let seen = Mutex::new(Vec::new());
        run_graph::<()>(needs, jobs, &|task| {
            seen.lock().unwrap().push(task);
            Ok(())
        })
        .unwrap();
        seen.into_inner().unwrap()
    }

    #[test]
    fn one_worker_keeps_file_order_where_it_may() {
        assert_eq!(order(&[vec![], vec![2], vec![], vec![0, 1]], 1), [0, 2, 1, 3]);
        assert_eq!(order(&[], 4), Vec::<usize>::new());
    }

    #[test]
    fn branches_run_side_by_side() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        run_graph::<()>(&vec![vec![]; 4], 4, &|_| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(50));
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        assert!(most.into_inner() > 1);
    }

    #[test]
    #[should_panic(expected = "a defect")]
    fn a_panic_ends_the_waiting_of_the_others() {
        let _never = run_graph::<()>(&[vec![], vec![0], vec![0]], 3, &|_| panic!("a defect"));
    }

    #[test]
    fn nothing_starts_after_a_failure() {
        let ran = AtomicUsize::new(0);
        let result = run_graph(&[vec![], vec![0], vec![1]], 2, &|task| {
            ran.fetch_add(1, Ordering::SeqCst);
            if task == 1 { Err("broken") } else { Ok(()) }
        });
        assert_eq!((result, ran.into_inner()), (Err("broken"), 2));
    }
}
