//! The steps of one stage, one after the other: from the cache where it has them, else run.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::cache::{Input, Preimage, Record};
use crate::copy;
use crate::plan::{BaseRef, Op, Plan, Stage, Step};
use crate::progress::{Event, Outcome, TaskId};
use crate::rootfs::{Changes, RootFs};

use super::error::ExecError;
use super::finish::{Job, exact_parent, marker};
use super::keys;
use super::layer::Layer;
use super::sources::Inputs as StepInputs;
use super::state::State;
use super::tree::Tree;
use super::work::WorkArea;
use super::Build;

/// What is told of a step once its stage is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepDone {
    /// Whether it has a layer.
    pub(super) layer: bool,
    /// When the layer was made: seconds since 1970.
    pub(super) created: Option<i64>,
}

/// A stage that is done.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) state: Arc<State>,
    pub(super) steps: Vec<StepDone>,
}

/// What running a step gave.
pub(super) struct Made {
    pub(super) changes: Changes,
    pub(super) root: RootFs,
    /// Where the new files lie in overlay form already.
    pub(super) tree: Option<Arc<Tree>>,
}

impl Build<'_> {
    /// Does everything that stage `index` asks for.
    pub(super) fn stage(&self, index: usize) -> Result<Finished, ExecError> {
        let stage = &self.plan.stages[index];
        let mut state = self.base_state(stage)?;
        let mut done = Vec::with_capacity(stage.steps.len());
        let mut area = WorkArea::new(self.store);
        let total = stage.steps.iter().filter(|step| !matches!(step.op, Op::Meta(_))).count();
        let mut number = 0;
        for step in &stage.steps {
            if self.cancel.is_set() {
                return Err(ExecError::Cancelled);
            }
            if matches!(step.op, Op::Meta(_)) {
                done.push(StepDone { layer: false, created: None });
                continue;
            }
            number += 1;
            let task = self.start(format!("{} {}", label(self.plan, stage, number, total), step.text));
            let began = Instant::now();
            let result = self.step(stage, index, step, &state, &mut area, task);
            let outcome = match &result {
                Ok((_, _, true)) => Outcome::Cached,
                Ok(_) => Outcome::Done,
                Err(_) => Outcome::Failed,
            };
            self.sink.event(Event::End { task, outcome, took: began.elapsed() });
            let (next, created, cached) = result?;
            self.count(cached);
            state = next;
            done.push(StepDone { layer: true, created: Some(created) });
        }
        Ok(Finished { state, steps: done })
    }

    fn base_state(&self, stage: &Stage) -> Result<Arc<State>, ExecError> {
        Ok(match &stage.base {
            BaseRef::Scratch => State::scratch(),
            BaseRef::Stage(below) => Arc::clone(&self.finished(*below).state),
            BaseRef::Image(id) => self.image_state(id),
            BaseRef::Directory(name) => {
                let root = self.inputs.directory(name)?;
                let changes = root.changes_since(&RootFs::empty())?;
                self.directory_state(name, changes, root)?
            }
        })
    }

    /// One step on top of `state`: the state after it, when its layer was made, and whether the cache had it.
    fn step(
        &self,
        stage: &Stage,
        index: usize,
        step: &Step,
        state: &Arc<State>,
        area: &mut WorkArea,
        task: TaskId,
    ) -> Result<(Arc<State>, i64, bool), ExecError> {
        let io = |doing: &'static str| move |error: io::Error| ExecError::io(step, doing, &error);
        let inputs = StepInputs::of(self, step, state)?;
        let quick = self.preimage(stage, step, state, inputs.quick(self, step, state)?);
        let key = quick.key();
        let fresh = self.runs_anew(stage, step);
        if !fresh && let Some(hit) = self.look_up(&key.hex(), state, &quick) {
            return Ok(hit);
        }
        let mut lock = None;
        if !fresh {
            // A step that another build is just running is worth waiting for.
            let name = format!("step-{}", key.hex());
            let guard = self.store.lock(&name).map_err(io("cannot lock the step"))?;
            if let Some(hit) = self.look_up(&key.hex(), state, &quick) {
                guard.remove(self.store, &name);
                return Ok(hit);
            }
            lock = Some((guard, name));
            // Without the marker no key by content can hit: its inputs need not be read now.
            if self.store.has_step(&marker(&quick)) {
                let exact = self.exact(&quick, &inputs, step, state)?;
                if let Some((next, created, _)) = self.look_up(&exact.key().hex(), state, &quick) {
                    self.alias(&exact, &quick);
                    self.sink.event(Event::Note { task, text: "the same files as before: nothing to do".into() });
                    if let Some((lock, name)) = lock {
                        lock.remove(self.store, &name);
                    }
                    return Ok((next, created, true));
                }
            }
        }
        let made = match &step.op {
            Op::Run(op) => self.run(stage, step, op, state, area, task)?,
            Op::Copy(op) => self.copy(step, op, &inputs, state)?,
            Op::Workdir(op) => self.workdir(step, op, state)?,
            Op::Meta(_) => return Ok((Arc::clone(state), self.now, true)),
        };
        let layer = Layer::fresh(&self.shared_store, made.changes, made.tree);
        let next = State::with_root(state, layer.clone(), crate::cache::Parent::Step(key), made.root);
        self.finisher.submit(Job {
            layer,
            below: Arc::clone(state),
            exact: inputs.into_exact(&quick, step, state),
            quick,
            text: step.text.clone(),
            created: self.now,
            lock,
            packing: self.exported(index).then_some(self.packing),
        });
        Ok((next, self.now, false))
    }

    /// NC-1, NC-2, NC-4.
    fn runs_anew(&self, stage: &Stage, step: &Step) -> bool {
        let asked = self.options.no_cache
            || self.options.no_cache_filter.iter().any(|name| name.eq_ignore_ascii_case(&stage.name));
        asked && !matches!(step.op, Op::Workdir(_))
    }

    fn preimage(&self, stage: &Stage, step: &Step, state: &State, inputs: Vec<Input>) -> Preimage {
        let parent = state.key.clone();
        match &step.op {
            Op::Run(op) => keys::run(&stage.platform, parent, op, &self.options.surroundings, inputs),
            Op::Copy(op) => keys::copy(&stage.platform, parent, op, inputs),
            Op::Workdir(op) => keys::workdir(&stage.platform, parent, op, self.plan.epoch, inputs),
            Op::Meta(_) => Preimage::new(stage.platform.to_string(), parent, String::new(), inputs),
        }
    }

    /// The step's key by content.
    fn exact(
        &self,
        quick: &Preimage,
        inputs: &StepInputs,
        step: &Step,
        state: &State,
    ) -> Result<Preimage, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot compute the step's key", &error);
        let mut exact = quick.with_parent(exact_parent(quick, state).map_err(failed)?);
        exact.inputs = inputs.exact(step, state).map_err(failed)?;
        Ok(exact)
    }

    /// A record whose layer the store still holds.
    fn look_up(&self, key: &str, state: &Arc<State>, quick: &Preimage) -> Option<(Arc<State>, i64, bool)> {
        let record = Record::from_json(&self.store.step(key).ok()??)?;
        if !self.store.holds_layer(&record.layer.diff_id) {
            return None;
        }
        let layer = Layer::recorded(&self.shared_store, record.layer);
        let next = State::on(state, layer, crate::cache::Parent::Step(quick.key()));
        Some((next, record.created, true))
    }

    /// Lets a later build hit by history what this one hit by content.
    fn alias(&self, exact: &Preimage, quick: &Preimage) {
        let record = self.store.step(&exact.key().hex()).ok().flatten().and_then(|bytes| Record::from_json(&bytes));
        if let Some(record) = record {
            let record = Record { preimage: quick.clone(), ..record };
            // A cache that cannot be written costs time later, not the build now.
            let _best_effort = self.store.put_step(&quick.key().hex(), &record.to_json());
        }
    }

    fn workdir(&self, step: &Step, op: &crate::plan::WorkdirOp, state: &State) -> Result<Made, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot read the root filesystem", &error);
        let old = state.root().map_err(failed)?;
        let mut root = old.clone();
        let now = self.plan.epoch.unwrap_or(self.now);
        copy::workdir(&mut root, &op.path, &op.user, state.is_scratch(), now)
            .map_err(|error| ExecError::step(error.code(), step, error.to_string()))?;
        let changes = root.changes_since(old).map_err(failed)?;
        Ok(Made { changes, root, tree: None })
    }
}

/// `[stage 2/5]`: FROM-23, a lone stage is not named.
fn label(plan: &Plan, stage: &Stage, number: usize, total: usize) -> String {
    if plan.stages.len() == 1 && stage.index == 0 {
        format!("[{number}/{total}]")
    } else {
        format!("[{} {number}/{total}]", stage.name)
    }
}
