//! Walks a plan: looks each step up, else runs it or copies, takes the difference, packs and records it.
//!
//! Stages run side by side, the steps of one stage one after the other. What a step gave is packed while the next runs.
//! Every step has two keys (see [`crate::cache`]); a hit touches no file.

mod error;
mod finish;
mod image;
mod inputs;
mod kept;
mod keys;
mod layer;
mod lookup;
mod mounts;
mod oddities;
mod run;
mod schedule;
mod sources;
mod stage;
mod state;
mod tree;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use crate::image::{DiffId, ImageConfig, Platform};
use crate::plan::{BaseRef, CopyFrom, ImageId, MountFrom, MountKind, Op, Plan};
use crate::progress::{Cancel, Event, SharedSink, TaskId};
use crate::sandbox::{self, Cgroup, HostEntry, Isolation, Limits, Resources};
use crate::share::Shared;
use crate::store::Store;

pub use error::ExecError;
pub use inputs::Inputs;
pub use layer::{Layer, Packing};

use finish::Finisher;
use stage::Finished;
use state::State;

/// How a plan is to be carried out.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Settings {
    /// The rung on which processes run; `None` is the strongest that the machine gives, found out when the first runs.
    pub isolation: Option<Isolation>,
    /// Stages at once.
    pub jobs: usize,
    /// Threads that pack, and threads that read files.
    pub threads: usize,
    /// `--no-cache`
    pub no_cache: bool,
    /// `--offline`: nothing is fetched for ADD.
    pub offline: bool,
    /// `--no-cache-filter`
    pub no_cache_filter: Vec<String>,
    /// How the image's new layers are compressed.
    pub packing: Packing,
    /// Whether the image's layers are wanted as blobs at all.
    pub blobs: bool,
    /// The host name that processes see (RUN-13).
    pub hostname: String,
    /// Further lines of `/etc/hosts`.
    pub hosts: Vec<HostEntry>,
    /// Bytes of `/dev/shm`; 0 is the default.
    pub shm_size: u64,
    /// What holds each process back.
    pub limits: Limits,
    /// What holds each step back as a whole.
    pub resources: Resources,
    /// The entitlement `network.host`.
    pub allow_network_host: bool,
    /// The entitlement `security.insecure`.
    pub allow_insecure: bool,
    /// The platform asked for by name.
    pub requested: Option<Platform>,
    /// New files get no later time than this (TIME-3).
    pub clamp: Option<i64>,
    /// The clock: seconds since 1970.
    pub now: i64,
}

/// What a plan has given.
#[derive(Debug)]
pub struct Built {
    /// The target's config.
    pub config: ImageConfig,
    /// The target's layers, base first.
    pub layers: Vec<Layer>,
    /// The target's root filesystem.
    pub root: FinalRoot,
    /// Steps that the cache had.
    pub cached: usize,
    /// Steps that ran.
    pub ran: usize,
}

/// The root filesystem of the target, put together when asked for.
#[derive(Clone, Debug)]
pub struct FinalRoot(Arc<State>);

impl FinalRoot {
    /// The root filesystem. A base's layers may have to be downloaded first.
    pub fn get(&self) -> io::Result<crate::rootfs::RootFs> {
        self.0.root().cloned()
    }
}

/// A plan on its way.
struct Build<'a> {
    plan: &'a Plan,
    inputs: &'a dyn Inputs,
    store: &'a Arc<Store>,
    shared: Option<&'a Shared>,
    settings: &'a Settings,
    sink: &'a SharedSink,
    cancel: &'a Cancel,
    finisher: &'a Finisher,
    finished: Vec<OnceLock<Finished>>,
    /// Images that steps read from, put together once.
    images: Mutex<HashMap<ImageId, Arc<State>>>,
    /// Stages whose layers end in the image.
    exported: Vec<bool>,
    isolation: OnceLock<Isolation>,
    overlays: OnceLock<bool>,
    cgroup: OnceLock<Option<Cgroup>>,
    tasks: AtomicU32,
    cached: AtomicUsize,
    ran: AtomicUsize,
}

/// Carries out `plan`. Task ids are given from 1 up. What the store does not know, `shared` may.
pub fn execute(
    plan: &Plan,
    inputs: &dyn Inputs,
    store: &Arc<Store>,
    shared: Option<&Shared>,
    settings: &Settings,
    sink: &SharedSink,
    cancel: &Cancel,
) -> Result<Built, ExecError> {
    refuse(plan, settings)?;
    unreachable_rung(plan, settings)?;
    oddities::tell(plan, sink);
    let (result, failed) = Finisher::beside(settings.threads, store, shared, |finisher| {
        let build = Build {
            plan,
            inputs,
            store,
            shared,
            settings,
            sink,
            cancel,
            finisher,
            finished: plan.stages.iter().map(|_| OnceLock::new()).collect(),
            images: Mutex::default(),
            exported: exported(plan),
            isolation: OnceLock::new(),
            overlays: OnceLock::new(),
            cgroup: OnceLock::new(),
            tasks: AtomicU32::new(1),
            cached: AtomicUsize::new(0),
            ran: AtomicUsize::new(0),
        };
        build.all()
    });
    let built = result?;
    failed.map_or(Ok(built), |error| Err(error.into()))
}

impl Build<'_> {
    fn all(self) -> Result<Built, ExecError> {
        let needs: Vec<Vec<usize>> = (0..self.plan.stages.len()).map(|stage| needs(self.plan, stage)).collect();
        schedule::run_graph(&needs, self.settings.jobs, &|index| {
            let done = self.stage(index)?;
            self.finished[index].get_or_init(|| done);
            Ok::<_, ExecError>(())
        })?;
        self.inputs.remember();
        let finished: Vec<&Finished> = self.finished.iter().filter_map(OnceLock::get).collect();
        let target = Arc::clone(&finished[self.plan.target].state);
        let layers = target.layers();
        let diff_ids: Vec<DiffId> =
            layers.iter().map(|layer| layer.record().map(|known| known.diff_id)).collect::<Result<_, _>>()?;
        let (requested, now) = (self.settings.requested.as_ref(), self.settings.now);
        Ok(Built {
            config: image::config(self.plan, self.inputs, &finished, diff_ids, requested, now),
            layers,
            root: FinalRoot(target),
            cached: self.cached.load(Ordering::Relaxed),
            ran: self.ran.load(Ordering::Relaxed),
        })
    }

    /// The rung of this build, told when it is first asked for: a build that runs nothing need not look.
    fn isolation(&self) -> Isolation {
        *self.isolation.get_or_init(|| {
            let isolation = self.settings.isolation.unwrap_or_else(|| sandbox::probe().isolation);
            self.sink.event(Event::Head { isolation: isolation.to_string(), note: None });
            isolation
        })
    }

    /// Whether a process gets an overlay, rather than a work tree. The store may lie where none can be: on an overlay itself,
    /// as in most containers, or on a network. Where it does, the store has mount points for it.
    fn overlays(&self) -> io::Result<bool> {
        if !matches!(self.isolation(), Isolation::Root | Isolation::Rootless | Isolation::SingleId) {
            return Ok(false);
        }
        if let Some(known) = self.overlays.get() {
            return Ok(*known);
        }
        let room = self.store.temp_dir()?;
        let can_overlay = sandbox::can_overlay_in(self.isolation(), room.path()).is_ok();
        if can_overlay {
            sandbox::make_points(&self.store.points_dir())?;
        }
        Ok(*self.overlays.get_or_init(|| can_overlay))
    }

    /// Where the cgroups of steps are made, if they have limits that can be had. That they cannot is no reason to fail: the
    /// image is the same.
    fn cgroup(&self) -> Option<&Cgroup> {
        let open = || {
            Cgroup::open(&self.settings.resources).unwrap_or_else(|why| {
                let text = format!("limits of memory and processors are not enforced: {why}");
                self.sink.event(Event::Warning(text));
                None
            })
        };
        self.cgroup.get_or_init(open).as_ref()
    }

    /// Begins a line of work that people see.
    fn begin(&self, name: String) -> (TaskId, Instant) {
        let task = TaskId(self.tasks.fetch_add(1, Ordering::Relaxed));
        self.sink.event(Event::Start { task, name });
        (task, Instant::now())
    }
}

/// Stages that must be done before stage `index`.
fn needs(plan: &Plan, index: usize) -> Vec<usize> {
    let stage = &plan.stages[index];
    let mut needs = Vec::new();
    if let BaseRef::Stage(below) = stage.base {
        needs.push(below);
    }
    for step in &stage.steps {
        match &step.op {
            Op::Copy(op) => {
                if let CopyFrom::Stage(other) = op.from {
                    needs.push(other);
                }
            }
            Op::Run(op) => {
                for mount in &op.mounts {
                    if let MountKind::Bind { from: MountFrom::Stage(other), .. }
                    | MountKind::Cache { from: MountFrom::Stage(other), .. } = mount.kind
                    {
                        needs.push(other);
                    }
                }
            }
            Op::Workdir(_) | Op::Meta(_) => {}
        }
    }
    needs
}

fn exported(plan: &Plan) -> Vec<bool> {
    let mut exported = vec![false; plan.stages.len()];
    let mut at = plan.target;
    loop {
        exported[at] = true;
        match plan.stages[at].base {
            BaseRef::Stage(below) => at = below,
            _ => return exported,
        }
    }
}

/// A rung that was asked for and that the machine does not give is told before anything runs.
fn unreachable_rung(plan: &Plan, settings: &Settings) -> Result<(), ExecError> {
    let Some(wanted @ (Isolation::Rootless | Isolation::SingleId)) = settings.isolation else { return Ok(()) };
    let mut steps = plan.stages.iter().flat_map(|stage| &stage.steps);
    let Some(step) = steps.find(|step| matches!(step.op, Op::Run(_))) else { return Ok(()) };
    match sandbox::refusal(wanted) {
        None => Ok(()),
        Some(why) => Err(ExecError::step("isolation", step, format!("`--isolation={wanted}` is not to be had: {why}"))),
    }
}

/// What cannot be done at all is said before the first step runs.
fn refuse(plan: &Plan, settings: &Settings) -> Result<(), ExecError> {
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        match &step.op {
            Op::Run(op) => run::refuse(step, op, settings)?,
            Op::Copy(_) | Op::Workdir(_) | Op::Meta(_) => {}
        }
    }
    Ok(())
}
