//! What is known of a step before it runs: in the store, and in the shared cache.

use std::io;
use std::sync::Arc;

use crate::cache::{Key, Parent, Preimage, Record};
use crate::plan::{Op, Stage, Step};
use crate::progress::{Event, TaskId};
use crate::share::{Claimed, Guard, Hit};
use crate::store::LockGuard;

use super::finish::{Exported, content_parent};
use super::layer::{Layer, Packing};
use super::stage::After;
use super::state::State;
use super::{Build, ExecError};

/// What keeps others from running a step that is about to be run: builds on the same store, and runners that share a cache.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) lock: Option<LockGuard>,
    pub(super) claim: Option<Arc<Guard>>,
}

impl Build<'_> {
    /// What the cache has for a step; else what keeps others from running it as well.
    pub(super) fn cached(
        &self,
        stage: &Stage,
        step: &Step,
        state: &Arc<State>,
        preimage: &Preimage,
        key: &Key,
        task: TaskId,
    ) -> Result<Result<After, Turn>, ExecError> {
        if self.runs_anew(stage, step) {
            return Ok(Err(Turn::default()));
        }
        if let Some(hit) = self.look_up(key, state, key) {
            return Ok(Ok(hit));
        }
        if let Some(hit) = self.shared_hit(key, state, preimage, task) {
            return Ok(Ok(hit));
        }
        // A step that another build is just running is worth waiting for.
        let name = format!("step-{}", key.hex());
        let failed = |error: io::Error| ExecError::io(step, "cannot lock the step", &error);
        let lock = self.store.lock(&name).map_err(failed)?;
        let mut hit = self.look_up(key, state, key);
        let has_seen = || self.shared.is_some_and(|shared| shared.has_seen(&preimage.marker_key()));
        if hit.is_none() && (self.store.has_step(&preimage.marker()) || has_seen()) {
            let failed = |error: io::Error| ExecError::io(step, "cannot compute the step's key", &error);
            let by_content = preimage.with_parent(content_parent(preimage, state).map_err(failed)?);
            let content_key = by_content.key();
            hit = self.look_up(&content_key, state, key);
            if hit.is_some() {
                self.alias(&content_key, key, preimage);
            } else {
                hit = self.shared_hit(&content_key, state, preimage, task);
            }
            if hit.is_some() {
                let text = "starts from the same files as before: nothing to do".to_owned();
                self.sink.event(Event::Note { task, text });
            }
        }
        if hit.is_none() && matches!(step.op, Op::Run(_)) {
            // Another runner may have done it since the index was read; to ask costs less than to run.
            let found = self.shared.and_then(|shared| shared.look_up_now(key, preimage));
            hit = found.map(|found| self.hit_of(found, state, preimage, task));
        }
        if let Some(hit) = hit {
            return Ok(Ok(hit));
        }
        let mut claim = None;
        if let Some(shared) = self.shared {
            let text = "another runner is just doing this: waiting for it".to_owned();
            match shared.claim(key, preimage, &mut || self.sink.event(Event::Note { task, text: text.clone() })) {
                Claimed::Hit(hit) => return Ok(Ok(self.hit_of(hit, state, preimage, task))),
                Claimed::Mine(guard) => claim = guard,
            }
        }
        Ok(Err(Turn { lock: Some(lock), claim }))
    }

    /// NC-1, NC-2, NC-4.
    fn runs_anew(&self, stage: &Stage, step: &Step) -> bool {
        let settings = self.settings;
        let asked =
            settings.no_cache || settings.no_cache_filter.iter().any(|name| name.eq_ignore_ascii_case(&stage.name));
        asked && !matches!(step.op, Op::Workdir(_))
    }

    /// A record under the key of `wanted` whose layer the store still holds.
    pub(super) fn look_up(&self, wanted: &Key, state: &Arc<State>, by_history: &Key) -> Option<After> {
        let record = Record::from_line(&self.store.step_head(&wanted.hex()).ok()??)?;
        if !self.store.holds_layer(&record.layer.diff_id) {
            return None;
        }
        let layer = Layer::recorded(self.store, record.layer);
        let state = State::on(state, layer, Parent::Step(*by_history));
        Some(After { state, created: record.created, cached: true })
    }

    /// What the shared cache knows under the key of `wanted`. No byte of the layer has come yet.
    fn shared_hit(&self, wanted: &Key, state: &Arc<State>, preimage: &Preimage, task: TaskId) -> Option<After> {
        let hit = self.shared?.look_up(wanted, preimage)?;
        Some(self.hit_of(hit, state, preimage, task))
    }

    fn hit_of(&self, hit: Hit, state: &Arc<State>, preimage: &Preimage, task: TaskId) -> After {
        self.sink.event(Event::Note { task, text: format!("from the cache at {}", hit.place()) });
        let record = hit.record().clone();
        let is_here = self.store.holds_layer(&record.layer.diff_id);
        let layer = if is_here { Layer::recorded(self.store, record.layer) } else { Layer::shared(self.store, hit) };
        let state = State::on(state, layer, Parent::Step(preimage.key()));
        After { state, created: record.created, cached: true }
    }

    /// How a step goes to the shared cache, if any export wants it.
    pub(super) fn exported_as(&self, key: &Key, is_in_image: bool) -> Option<Exported> {
        let wishes = self.shared?.wanted_by(key, is_in_image)?;
        let usual = self.settings.packing;
        let packing = Packing {
            compression: wishes.compression.unwrap_or(usual.compression),
            level: if wishes.compression.is_some() { wishes.level } else { wishes.level.or(usual.level) },
            threads: usual.threads,
        };
        Some(Exported { is_in_image, packing, is_strict: wishes.force_compression })
    }

    /// Lets a later build hit by history what this one hit by content.
    fn alias(&self, by_content: &Key, by_history: &Key, preimage: &Preimage) {
        let line = self.store.step_head(&by_content.hex()).ok().flatten();
        if let Some(record) = line.and_then(|line| Record::from_line(&line)) {
            // A cache that cannot be written costs time later, not the build now.
            let _best_effort = self.store.write_step(&by_history.hex(), |out| record.write(Some(preimage), out));
        }
    }
}
