//! The shared cache of one build: where it looks, and what it gives.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::{Key, Parent, Preimage, Record};
use crate::image::Digest;
use crate::progress::{Cancel, SharedSink, Tasks};
use crate::store::Store;

use super::entry::Entry;
use super::export::{Export, Finished, Wishes};
use super::hit::Hit;
use super::member::{Doing, Member};
use super::{Claims, Guard, Outcome, Place};

/// Ids of tasks that tell of the shared cache begin here, above those of transfers.
const FIRST_TASK: u32 = 5_000_000;

/// The shared cache of one build.
pub struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) tasks: Arc<Tasks>,
    sink: SharedSink,
    cancel: Cancel,
    members: Vec<Arc<Member>>,
    imports: Vec<Arc<Member>>,
    exports: Vec<Export>,
    /// Hits whose records are to be kept once their layers are here.
    taken: Mutex<Vec<(Hit, Preimage)>>,
    lost: Arc<AtomicBool>,
    /// Who runs what, in a place that is both read and given every step at once. After the exports, which hold claims.
    claims: Option<(Arc<Member>, Claims)>,
    /// Steps for the image's config, where it is to have them.
    inline: Option<Mutex<Vec<Entry>>>,
    /// Cache mounts that steps have used.
    mounts: Mutex<BTreeSet<String>>,
}

/// How a step is to be had that was not known.
#[derive(Debug)]
pub enum Claimed {
    /// It is to be run. As long as the guard is kept no other runner does; there is none where nobody can be kept from it.
    Mine(Option<Arc<Guard>>),
    /// Another runner has just done it.
    Hit(Hit),
}

/// What the imports and exports of a build are.
#[derive(Default)]
pub struct Wanted {
    /// `--cache-from`, in order.
    pub from: Vec<Arc<dyn Place>>,
    /// `--cache-to`, in order.
    pub to: Vec<(Arc<dyn Place>, Wishes)>,
    /// `--cache-to type=inline`
    pub inline: bool,
}

impl Shared {
    /// Prepares to use the places. They are asked for what they know at once, by threads of their own. `now` is the time of the
    /// build in seconds since 1970.
    pub fn new(wanted: Wanted, store: &Arc<Store>, sink: &SharedSink, cancel: &Cancel, now: i64) -> Self {
        let tasks = Arc::new(Tasks::new(Arc::clone(sink), FIRST_TASK));
        let mut shared = Self {
            store: Arc::clone(store),
            tasks,
            sink: Arc::clone(sink),
            cancel: cancel.clone(),
            members: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            taken: Mutex::default(),
            lost: Arc::default(),
            mounts: Mutex::default(),
            claims: None,
            inline: wanted.inline.then(Mutex::default),
        };
        // First those that are written, which know how.
        for (place, wishes) in wanted.to {
            let member = shared.member(place);
            let export = Export::new(&member, wishes, store, &shared.tasks, cancel, now);
            shared.exports.push(export);
        }
        for place in wanted.from {
            let member = shared.member(place);
            shared.imports.push(member);
        }
        let is_shared = |member: &&Arc<Member>| shared.exports.iter().any(|export| export.gives_at_once_to(member));
        let claimed = shared.imports.iter().find(is_shared).cloned();
        shared.claims = claimed.map(|member| (Arc::clone(&member), Claims::new(member.place(), cancel.clone())));
        for member in &shared.members {
            let (member, tasks) = (Arc::clone(member), Arc::clone(&shared.tasks));
            // Without the thread it is asked when it is needed.
            let _ahead = std::thread::Builder::new().name("cache".to_owned()).spawn(move || {
                member.index(&tasks);
            });
        }
        shared
    }

    /// A place that is both read and written is one.
    fn member(&mut self, place: Arc<dyn Place>) -> Arc<Member> {
        let name = place.name();
        if let Some(known) = self.members.iter().find(|member| member.name() == name) {
            return Arc::clone(known);
        }
        let member = Arc::new(Member::new(place, Arc::clone(&self.sink), self.cancel.clone()));
        self.members.push(Arc::clone(&member));
        member
    }

    /// What any of the imports knows of the step under `key`, which is made of `preimage` or of the same on another parent.
    pub fn look_up(&self, key: &Key, preimage: &Preimage) -> Option<Hit> {
        self.imports.iter().find_map(|member| {
            let entry = member.index(&self.tasks).entry(key)?;
            self.hit(member, entry, preimage)
        })
    }

    /// The same, asked now: for what other runners may have done since this build began.
    pub fn look_up_now(&self, key: &Key, preimage: &Preimage) -> Option<Hit> {
        self.imports.iter().find_map(|member| {
            // Where steps are claimed it is asked for then.
            let is_claimed = self.claims.as_ref().is_some_and(|(claimed, _)| Arc::ptr_eq(claimed, member));
            if is_claimed || member.index(&self.tasks).len() == 0 {
                return None;
            }
            let entry = Arc::new(member.read_entry(key)?);
            self.hit(member, &entry, preimage)
        })
    }

    fn hit(&self, member: &Arc<Member>, entry: &Arc<super::entry::Entry>, preimage: &Preimage) -> Option<Hit> {
        if member.has_lost(&entry.record.layer.diff_id) {
            return None;
        }
        let (tasks, lost) = (Arc::clone(&self.tasks), Arc::clone(&self.lost));
        let hit = Hit { entry: Arc::clone(entry), member: Arc::clone(member), tasks, lost };
        self.lock_taken().push((hit.clone(), preimage.clone()));
        Some(hit)
    }

    /// Lets this build run the step under `key`, which nobody knows, or waits until another runner has done it; `waits` is called
    /// before that. Where the place cannot be asked the build goes on by itself.
    pub fn claim(&self, key: &Key, preimage: &Preimage, waits: &mut dyn FnMut()) -> Claimed {
        let Some((member, claims)) = self.claims.as_ref().filter(|(member, _)| !member.is_shut()) else {
            return Claimed::Mine(None);
        };
        let mut found = None;
        let taken = claims.take(&key.hex(), waits, &mut || {
            found = member.latest(key)?;
            Ok(found.is_some())
        });
        match (member.judge(Doing::Writing, taken), found) {
            (Some(Outcome::Done), Some(entry)) => {
                self.hit(member, &Arc::new(entry), preimage).map_or(Claimed::Mine(None), Claimed::Hit)
            }
            (Some(Outcome::Mine(guard)), _) => Claimed::Mine(Some(Arc::new(guard))),
            _ => Claimed::Mine(None),
        }
    }

    /// Whether the step with that marker has run on any state, as far as the imports know.
    pub fn has_seen(&self, marker: &Key) -> bool {
        self.imports.iter().any(|member| member.index(&self.tasks).has_seen(marker))
    }

    /// How the layer of a step is to be packed for the exports that want it; `None` where none does.
    pub fn wanted_by(&self, key: &Key, is_in_image: bool) -> Option<Wishes> {
        let mut wanting = self.exports.iter().filter(|export| export.wants(key, is_in_image));
        wanting.next().map(|export| export.wishes)
    }

    /// Whether the steps of the image are to stand in its config ([`Shared::put_inline`]).
    pub fn is_inline(&self) -> bool {
        self.inline.is_some()
    }

    /// Takes a step of the image for its config.
    pub fn put_inline(&self, preimage: &Preimage, content: &Parent, record: Record) {
        let Some(inline) = &self.inline else { return };
        inline.lock().unwrap_or_else(PoisonError::into_inner).push(super::inline::entry(
            preimage.brief(),
            content,
            record,
        ));
    }

    /// What the image's config is to say of its steps, if anything.
    pub fn inline_field(&self) -> Option<serde_json::Value> {
        let mut entries = self.inline.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        // In which order they were packed does not count.
        entries.sort_by_cached_key(|entry| entry.key().hex());
        entries.dedup();
        Some(super::inline::field(entries.clone()))
    }

    /// Takes a step for the exports that want it.
    pub fn export(&self, step: &Finished, is_in_image: bool) {
        let key = step.preimage.key();
        for export in self.exports.iter().filter(|export| export.wants(&key, is_in_image)) {
            export.take(step.clone());
        }
    }

    /// Whether layers have been lost since this was last asked: then the build is to be begun again, and will not take them.
    pub fn has_lost_any(&self) -> bool {
        let has_lost = self.lost.swap(false, Ordering::SeqCst);
        if has_lost {
            self.lock_taken().clear();
        }
        has_lost
    }

    /// A blob could not be had when it was needed: if it was one of a hit, the layer is lost.
    pub fn lose_blob(&self, blob: &Digest, why: &io::Error) {
        let taken: Vec<Hit> = self.lock_taken().iter().map(|(hit, _)| hit.clone()).collect();
        taken.iter().filter(|hit| hit.blob().digest == *blob).for_each(|hit| hit.lose(why));
    }

    /// Keeps the records of hits whose layers are here by now, so that a later build needs no place for them.
    pub fn keep(&self) -> io::Result<()> {
        for (hit, preimage) in self.lock_taken().drain(..) {
            let layer = &hit.record().layer.diff_id;
            if !self.store.holds_layer(layer) {
                continue;
            }
            let below = hit.entry.below();
            let by_content = below.map(|mark| preimage.with_parent(Parent::Content(mark.to_owned())));
            self.store.write_step(&preimage.key().hex(), |out| hit.record().write(Some(&preimage), out))?;
            if let Some(by_content) = by_content {
                self.store.write_step(&by_content.key().hex(), |out| hit.record().write(None, out))?;
            }
            self.store.put_step(&preimage.marker(), b"")?;
        }
        Ok(())
    }

    /// Ends all exports. `failed` is whether the build did.
    ///
    /// # Errors
    /// One line, where an export has failed that must not.
    pub fn finish(&self, failed: bool) -> Result<(), String> {
        let mut result = Ok(());
        for export in &self.exports {
            let mounts = if export.wishes.mounts { self.lock_mounts().clone() } else { BTreeSet::new() };
            result = result.and(export.finish(failed, &mounts));
        }
        result
    }

    /// The places that are read, in order.
    pub(super) fn imports(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.imports.iter()
    }

    pub(super) fn lock_mounts(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_taken(&self) -> std::sync::MutexGuard<'_, Vec<(Hit, Preimage)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("members", &self.members).finish_non_exhaustive()
    }
}
