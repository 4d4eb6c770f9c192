//! The steps of one stage, one after the other: from the cache where it has them, else run.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};

use crate::cache::{Input, Parent, Preimage};
use crate::copy::{self, Selection};
use crate::plan::{BaseRef, ImageId, Op, Plan, Stage, Step, WorkdirOp};
use crate::progress::{Event, Outcome, TaskId};
use crate::rootfs::{Change, Changes, RootFs, Time};
use crate::share::Shared;

use super::finish::Job;
use super::inputs::{Reads, whole};
use super::layer::Layer;
use super::lookup::Turn;
use super::run::WorkArea;
use super::state::State;
use super::tree::{LateScratch, Tree};
use super::{Build, ExecError, keys};

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
    /// The root filesystem afterwards, where the step has made it.
    pub(super) root: Option<RootFs>,
    /// Where the new files lie in overlay form already.
    pub(super) tree: Option<Arc<Tree>>,
}

/// A step's state afterwards, and where it came from.
pub(super) struct After {
    pub(super) state: Arc<State>,
    pub(super) created: i64,
    pub(super) cached: bool,
}

impl Build<'_> {
    /// Does everything that stage `index` asks for.
    pub(super) fn stage(&self, index: usize) -> Result<Finished, ExecError> {
        let stage = &self.plan.stages[index];
        let mut state = self.base_state(stage)?;
        let mut done = Vec::with_capacity(stage.steps.len());
        let mut area = WorkArea::default();
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
            let (task, began) = self.begin(format!("{} {}", label(self.plan, stage, number, total), step.text));
            let result = self.step(index, step, &state, &mut area, task);
            let outcome = match &result {
                Ok(after) if after.cached => Outcome::Cached,
                Ok(_) => Outcome::Done,
                Err(_) => Outcome::Failed,
            };
            self.sink.event(Event::End { task, outcome, took: began.elapsed() });
            let after = result?;
            if after.cached { &self.cached } else { &self.ran }.fetch_add(1, Ordering::Relaxed);
            state = after.state;
            done.push(StepDone { layer: true, created: Some(after.created) });
        }
        Ok(Finished { state, steps: done })
    }

    /// A stage that this one needs: the schedule has put it first.
    pub(super) fn finished(&self, stage: usize) -> io::Result<&Finished> {
        let finished = self.finished.get(stage).and_then(OnceLock::get);
        finished.ok_or_else(|| io::Error::other(format!("stage {stage} of the plan is not done yet")))
    }

    fn base_state(&self, stage: &Stage) -> Result<Arc<State>, ExecError> {
        Ok(match &stage.base {
            BaseRef::Scratch => State::scratch(),
            BaseRef::Stage(below) => Arc::clone(&self.finished(*below)?.state),
            BaseRef::Image(id) => self.image_state(id),
            BaseRef::Directory(name) => self.directory_state(stage, name)?,
        })
    }

    /// The layers of an image.
    pub(super) fn image_state(&self, id: &ImageId) -> Arc<State> {
        let mut known = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(id.clone()).or_insert_with(|| self.new_image_state(id)))
    }

    fn new_image_state(&self, id: &ImageId) -> Arc<State> {
        let image = self.inputs.base(id);
        let diff_ids: Vec<_> = image.layers.iter().map(|(diff_id, _)| *diff_id).collect();
        let layers = image.layers.into_iter();
        let layers =
            layers.map(|(diff_id, blob)| Layer::base(self.store, diff_id, blob, image.source.clone())).collect();
        State::base(layers, &diff_ids)
    }

    /// A directory context as a base: its files are one layer (NCTX-4).
    fn directory_state(&self, stage: &Stage, name: &str) -> io::Result<Arc<State>> {
        let root = self.inputs.directory(name)?;
        let selection = whole(&root);
        let mut reads = Reads::new(self.settings.threads);
        reads.files(String::new(), selection);
        let (platform, inputs) = (stage.platform.to_string(), reads.inputs()?);
        let preimage = Preimage::new(platform, Parent::Independent, "directory".to_owned(), inputs);
        let below = State::scratch();
        let key = preimage.key();
        if let Some(hit) = self.look_up(&key, &below, &key) {
            return Ok(hit.state);
        }
        let changes = root.changes_since(&RootFs::empty())?;
        for change in &changes.0 {
            if let Change::Put { inode, .. } = change {
                inode.claim();
            }
        }
        let layer = Layer::fresh(self.store, changes, None);
        let state = State::with_root(&below, layer.clone(), Parent::Step(key), root);
        let packing = self.settings.blobs.then_some(self.settings.packing);
        let job = Job::new(layer, below, preimage, format!("FROM {name}"), self.settings.now);
        self.finisher.submit(Job { packing, ..job });
        Ok(state)
    }

    fn step(
        &self,
        index: usize,
        step: &Step,
        state: &Arc<State>,
        area: &mut WorkArea,
        task: TaskId,
    ) -> Result<After, ExecError> {
        let stage = &self.plan.stages[index];
        let sources = match &step.op {
            Op::Copy(op) => Some(self.sources(step, op, task)?),
            _ => None,
        };
        let reads = self.key_inputs(step, state, sources.as_ref())?;
        let preimage = self.preimage(stage, step, state, reads)?;
        let key = preimage.key();
        let inline = self.exported[index] && self.shared.is_some_and(Shared::is_inline);
        let cached = self.cached(stage, step, state, &preimage, &key, task)?;
        // Afterwards: another runner may have exported it meanwhile.
        let export = self.exported_as(&key, self.exported[index]);
        let Turn { lock, claim } = match cached {
            Ok(hit) => {
                if let Some(layer) = hit.state.own_layer().filter(|_| export.is_some() || inline) {
                    let job = Job::new(layer, Arc::clone(state), preimage, step.text.clone(), hit.created);
                    self.finisher.submit(Job { has_run: false, export, inline, ..job });
                }
                return Ok(hit);
            }
            Err(turn) => turn,
        };
        let made = match (&step.op, sources) {
            (Op::Run(op), _) => self.run(step, op, state, area, task)?,
            (Op::Copy(op), Some(sources)) => {
                let selection = self.fetch(step, op, sources)?;
                self.copy(step, op, &selection, state)?
            }
            (Op::Workdir(op), _) => self.workdir(step, op, state)?,
            (Op::Copy(_) | Op::Meta(_), _) => Made { changes: Changes::default(), root: None, tree: None },
        };
        // A step that looked at nothing below, such as a linked copy, leaves a base where it is.
        let root = match (made.root, state.known_root().cloned()) {
            (Some(root), _) => Some(root),
            (None, None) => None,
            (None, Some(mut root)) => {
                root.apply(&made.changes).map_err(|path| {
                    let cause = io::Error::other(format!("{path} links to nothing"));
                    ExecError::io(step, "cannot put the new layer on the root filesystem", &cause)
                })?;
                Some(root)
            }
        };
        let layer = Layer::fresh(self.store, made.changes, made.tree);
        let next = match root {
            Some(root) => State::with_root(state, layer.clone(), Parent::Step(key), root),
            None => State::on(state, layer.clone(), Parent::Step(key)),
        };
        let created = self.settings.now;
        let in_image = (self.exported[index] && self.settings.blobs).then_some(self.settings.packing);
        let packing = in_image.or(export.map(|export| export.packing));
        let job = Job::new(layer, Arc::clone(state), preimage, step.text.clone(), created);
        self.finisher.submit(Job { lock, claim, packing, export, inline, ..job });
        Ok(After { state: next, created, cached: false })
    }

    fn preimage(&self, stage: &Stage, step: &Step, state: &State, mut reads: Reads) -> Result<Preimage, ExecError> {
        let parent = state.key.clone();
        if let Some(clamp) = self.settings.clamp {
            reads.list.push(Input { name: "latest time".to_owned(), value: clamp.to_string() });
        }
        let failed = |error: io::Error| ExecError::io(step, "cannot compute the step's key", &error);
        let inputs = reads.inputs().map_err(failed)?;
        Ok(match &step.op {
            Op::Run(op) => keys::run(&stage.platform, parent, op, self.settings, inputs),
            Op::Copy(op) => keys::copy(&stage.platform, parent, op, inputs),
            Op::Workdir(op) => keys::workdir(&stage.platform, parent, op, self.plan.epoch, inputs),
            Op::Meta(_) => Preimage::new(stage.platform.to_string(), parent, String::new(), inputs),
        })
    }

    fn copy(
        &self,
        step: &Step,
        op: &crate::plan::CopyOp,
        selection: &Selection,
        state: &Arc<State>,
    ) -> Result<Made, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot copy", &error);
        let empty = RootFs::empty();
        // COPY-43: a linked copy is made on nothing.
        let old = if op.link { &empty } else { state.root().map_err(failed)? };
        let scratch = LateScratch::new(self.store);
        let env = copy::Env {
            now: Time { seconds: self.settings.now, nanos: 0 },
            scratch: &scratch,
            destination_is_scratch: op.link || state.is_scratch(),
        };
        let mut root = old.clone();
        copy::copy(&mut root, selection, op, &env)
            .map_err(|error| ExecError::step(error.code(), step, error.to_string()).caused_by(&error))?;
        // No layer tells of the root directory itself (TAR-1).
        root.set_root_meta(old.root().meta.clone());
        self.tell_of_copy(step, op, selection, (old, &root));
        let (mut changes, exact) = root.difference(old).map_err(failed)?;
        self.clamp(&mut changes);
        // What a later build reads from the list must be the same.
        let is_next = exact && !op.link && self.settings.clamp.is_none();
        Ok(Made { changes, root: is_next.then_some(root), tree: None })
    }

    fn workdir(&self, step: &Step, op: &WorkdirOp, state: &State) -> Result<Made, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot read the root filesystem", &error);
        let old = state.root().map_err(failed)?;
        let mut root = old.clone();
        let now = Time { seconds: self.plan.epoch.unwrap_or(self.settings.now), nanos: 0 };
        copy::workdir(&mut root, &op.path, &op.user, state.is_scratch(), now)
            .map_err(|error| ExecError::step(error.code(), step, error.to_string()).caused_by(&error))?;
        let mut changes = root.changes_since(old).map_err(failed)?;
        self.clamp(&mut changes);
        Ok(Made { changes, root: None, tree: None })
    }

    /// Where it is asked for, no new file is younger than the epoch (TIME-3).
    pub(super) fn clamp(&self, changes: &mut Changes) {
        if let Some(seconds) = self.settings.clamp {
            changes.clamp_times(Time { seconds, nanos: 0 });
        }
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
