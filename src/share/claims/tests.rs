use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;

use crate::image::Descriptor;
use crate::registry::{Content, Told};

use super::wait::life_of;
use super::*;

/// Objects in memory.
#[derive(Default, Debug)]
struct Memory {
    objects: Mutex<BTreeMap<ObjectName, Vec<u8>>>,
    fails: AtomicBool,
    /// The claims that were made are not shown.
    hides: AtomicBool,
}

impl Memory {
    fn objects(&self) -> Result<MutexGuard<'_, BTreeMap<ObjectName, Vec<u8>>>, ShareError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(ShareError::Failed("500".into()));
        }
        Ok(self.objects.lock().unwrap())
    }

    fn claims(&self) -> usize {
        self.objects.lock().unwrap().keys().filter(|name| name.kind() == Kind::Claim).count()
    }
}

impl Place for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        let objects = self.objects()?;
        Ok(if self.hides.load(Ordering::SeqCst) { None } else { objects.get(name).cloned() })
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], _keeps: &[Descriptor]) -> Result<(), ShareError> {
        self.objects()?.insert(name.clone(), bytes.to_vec());
        Ok(())
    }

    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, ShareError> {
        let mut objects = self.objects()?;
        let is_new = !objects.contains_key(name);
        if is_new {
            objects.insert(name.clone(), bytes.to_vec());
        }
        Ok(is_new)
    }

    fn remove(&self, name: &ObjectName) -> Result<(), ShareError> {
        self.objects()?.remove(name);
        Ok(())
    }

    fn has_blob(&self, _blob: &Descriptor) -> Result<bool, ShareError> {
        Ok(false)
    }

    fn open_blob(&self, _blob: &Descriptor) -> Result<Box<dyn Read + Send>, ShareError> {
        Err(ShareError::Failed("no blobs here".into()))
    }

    fn push_blob(&self, _blob: &Descriptor, _content: &dyn Content, _told: &Told) -> Result<(), ShareError> {
        Err(ShareError::Failed("no blobs here".into()))
    }
}

/// Claims that live for 150 ms.
fn claims(place: &Arc<Memory>) -> Claims {
    let mut claims = Claims::new(Arc::clone(place) as Arc<dyn Place>, Cancel::new().unwrap());
    claims.life = Duration::from_millis(150);
    claims
}

/// Asks whether the step is done: it never is.
const NEVER: fn() -> Result<bool, ShareError> = || Ok(false);

/// Waits until something is so, which it must be within 5 s.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(5), "it never came");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn of_many_runners_one_does_the_step() {
    let place = Arc::new(Memory::default());
    let (done, ran) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let claims = claims(&place);
                match claims.take("k", &mut || (), &mut || Ok(done.load(Ordering::SeqCst))).unwrap() {
                    Outcome::Mine(_guard) => {
                        ran.fetch_add(1, Ordering::SeqCst);
                        // Longer than the claim lives: it is renewed.
                        thread::sleep(Duration::from_millis(500));
                        done.store(true, Ordering::SeqCst);
                    }
                    Outcome::Done => assert!(done.load(Ordering::SeqCst)),
                }
            });
        }
    });
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    assert_eq!(place.claims(), 0, "claims are given back");
}

#[test]
fn a_step_that_fails_is_taken_over_at_once() {
    let place = Arc::new(Memory::default());
    let (first, second) = (claims(&place), claims(&place));
    let Outcome::Mine(guard) = first.take("k", &mut || (), &mut || NEVER()).unwrap() else { panic!("somebody has it") };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| second.take("k", &mut || (), &mut || NEVER()).unwrap());
        thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "the claim is renewed");
        drop(guard);
        assert!(matches!(waiting.join().unwrap(), Outcome::Mine(_)));
    });
}

#[test]
fn of_those_who_see_a_holder_die_one_takes_over() {
    let place = Arc::new(Memory::default());
    let dead = br#"{"holder":"gone","beat":7,"life_ms":100}"#;
    place.write(&object("k", 0), dead, &[]).unwrap();
    let (done, ran) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let claims = claims(&place);
                if let Outcome::Mine(_guard) =
                    claims.take("k", &mut || (), &mut || Ok(done.load(Ordering::SeqCst))).unwrap()
                {
                    ran.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(300));
                    done.store(true, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    until(|| place.claims() == 0);
}

#[test]
fn a_claim_that_says_nothing_sensible_lives_no_longer_than_others() {
    assert_eq!(life_of(b"nonsense"), LIFE);
    assert_eq!(life_of(br#"{"holder":"x","beat":1,"life_ms":99999999999}"#), Duration::from_secs(120));
}

#[test]
fn what_can_neither_be_made_nor_read_is_passed_over() {
    let place = Arc::new(Memory::default());
    place.write(&object("k", 0), b"{}", &[]).unwrap();
    place.hides.store(true, Ordering::SeqCst);
    let claims = claims(&place);
    assert!(
        matches!(claims.take("k", &mut || (), &mut || NEVER()).unwrap(), Outcome::Mine(guard) if guard.generation == 1)
    );
}

/// What comes of waiting for a step that another runner has, once `end` has been called.
fn waiting_until(end: impl FnOnce(&Memory, &Claims)) -> Result<Outcome, ShareError> {
    let place = Arc::new(Memory::default());
    let (first, second) = (claims(&place), claims(&place));
    let Outcome::Mine(_guard) = first.take("k", &mut || (), &mut || NEVER()).unwrap() else {
        panic!("somebody has it")
    };
    thread::scope(|scope| {
        let waiting = scope.spawn(|| second.take("k", &mut || (), &mut || NEVER()));
        thread::sleep(Duration::from_millis(80));
        end(&place, &second);
        waiting.join().unwrap()
    })
}

#[test]
fn a_place_that_fails_ends_the_wait() {
    let ended = waiting_until(|place, _| place.fails.store(true, Ordering::SeqCst));
    assert!(matches!(ended, Err(ShareError::Failed(_))));
}

#[test]
fn the_user_can_stop_the_wait() {
    let ended = waiting_until(|_, second| second.holder.cancel.set());
    assert!(matches!(ended, Err(ShareError::Cancelled)));
}

#[test]
fn what_was_done_meanwhile_is_not_done_again() {
    let place = Arc::new(Memory::default());
    let claims = claims(&place);
    assert!(matches!(claims.take("k", &mut || (), &mut || Ok(true)).unwrap(), Outcome::Done));
    until(|| place.claims() == 0);
}

#[test]
fn two_steps_are_claimed_side_by_side() {
    let place = Arc::new(Memory::default());
    let claims = claims(&place);
    let both = [
        claims.take("a", &mut || (), &mut || NEVER()).unwrap(),
        claims.take("b", &mut || (), &mut NEVER.clone()).unwrap(),
    ];
    assert!(both.iter().all(|outcome| matches!(outcome, Outcome::Mine(_))), "{both:?}");
    assert_eq!(place.claims(), 2);
}
