//! RUN: a process in the root filesystem of its stage, and what it changed there.

use std::collections::BTreeSet;
use std::io;
use std::iter;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Network, RunOp, Security, Step};
use crate::progress::{Event, TaskId};
use crate::rootfs::{Change, Changes, Claims, File, Files, Inode, Kind, Node, RootFs, RootPath, users};
use crate::sandbox::{self, Exit, Isolation, Process, Root, SandboxError, SandboxMount, SandboxMountKind, User};
use crate::snapshot::{self, Nodes, WorkTree};
use crate::store::TempDir;

use super::mounts::{Mounted, agent_variable, secret_variables};
use super::stage::Made;
use super::state::State;
use super::tree::{Pinned, Scratch, Tree};
use super::{Build, ExecError, Settings};

/// The work tree of a stage where there are no overlays: made for its first RUN, kept for the next ones.
#[derive(Default)]
pub(super) struct WorkArea(Option<(WorkTree, Arc<TempDir>)>);

/// What this build may not do, before anything runs (D-30, D-49).
pub(super) fn refuse(step: &Step, op: &RunOp, settings: &Settings) -> Result<(), ExecError> {
    let entitlement = |name: &str| {
        let message = format!("{name} is not allowed");
        ExecError::step("D-49", step, message).help(format!("pass `--allow {name}`"))
    };
    if op.argv.is_empty() {
        return Err(ExecError::step("D-30", step, "arguments are required"));
    }
    if op.network == Network::Host && !settings.allow_network_host {
        return Err(entitlement("network.host"));
    }
    if op.security == Security::Insecure && !settings.allow_insecure {
        return Err(entitlement("security.insecure"));
    }
    if settings.isolation == Some(Isolation::Files) {
        return Err(no_process(step));
    }
    Ok(())
}

fn no_process(step: &Step) -> ExecError {
    ExecError::step("isolation", step, "RUN is not possible with `--isolation=files`")
        .help("`kiln doctor` says what this machine lacks for a stronger one")
}

impl Build<'_> {
    /// What becomes of devices in directories that a step sees: on the rung `chroot` no mount keeps it from opening them.
    pub(super) fn nodes(&self) -> Nodes {
        if self.isolation() == Isolation::Chroot { Nodes::Claimed } else { Nodes::Real }
    }

    pub(super) fn run(
        &self,
        step: &Step,
        op: &RunOp,
        state: &Arc<State>,
        area: &mut WorkArea,
        task: TaskId,
    ) -> Result<Made, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot prepare the root filesystem", &error);
        let root = state.root().map_err(failed)?;
        if self.isolation() == Isolation::Files {
            return Err(no_process(step));
        }
        let claims = Claims::default();
        if self.overlays().map_err(failed)? {
            let temp = Arc::new(self.store.temp_dir().map_err(failed)?);
            let (upper, work) = (temp.join("tree"), temp.join("work"));
            for dir in [&upper, &work] {
                std::fs::create_dir(dir).map_err(failed)?;
            }
            Self::seed(&upper, state, root).map_err(failed)?;
            let pinned: Vec<Pinned> = Self::lowers(state).map_err(failed)?.iter().map(Tree::pin).collect();
            let lowers = iter::once(self.store.points_dir()).chain(pinned.iter().map(Pinned::path)).collect();
            self.process(step, op, root, &Root::Overlay { lowers, upper: upper.clone(), work }, &claims, task)?;
            let has = |path: &str| root.get(&RootPath::clamped(path.as_bytes())).is_some();
            sandbox::remove_points(&upper, has).map_err(failed)?;
            self.take_upper(&upper, temp, root, &claims)
        } else {
            let tree = area.at(self, root).map_err(failed)?;
            self.process(step, op, root, &Root::Directory(tree.dir().to_owned()), &claims, task)?;
            self.take_work_tree(tree, root, &claims)
        }
        .map_err(|error| ExecError::io(step, "cannot read what the step changed", &error))
    }

    /// The layers' trees, lowest first. Layers without entries are left out.
    fn lowers(state: &State) -> io::Result<Vec<Arc<Tree>>> {
        let mut trees = Vec::new();
        for layer in state.layers() {
            if !layer.changes()?.0.is_empty() {
                trees.push(layer.tree()?);
            }
        }
        Ok(trees)
    }

    /// An overlay shows a directory as the topmost tree has it; one that a base's layer does not list is there as anything.
    /// In the upper it is what the root filesystem says.
    fn seed(upper: &Path, state: &State, root: &RootFs) -> io::Result<()> {
        let mut wanted = BTreeSet::new();
        for layer in state.layers() {
            for path in layer.implied()? {
                let mut at = Some(path.clone());
                while let Some(path) = at.filter(|path| !path.is_root()) {
                    at = path.split_last().map(|(parent, _)| parent);
                    wanted.insert(path);
                }
            }
        }
        let mut made = Vec::new();
        for path in &wanted {
            if let Some(Node::Directory(directory)) = root.get(path) {
                let place = upper.join(path.as_path());
                std::fs::create_dir(&place)?;
                made.push((place, directory));
            }
        }
        // What is made in a directory touches its time.
        made.iter().rev().try_for_each(|(place, directory)| snapshot::set_meta(place, &directory.meta, false))
    }

    fn process(
        &self,
        step: &Step,
        op: &RunOp,
        root: &RootFs,
        place: &Root,
        claims: &Claims,
        task: TaskId,
    ) -> Result<(), ExecError> {
        let found =
            users::run_user(root, &op.user).map_err(|error| ExecError::step("D-50", step, error.to_string()))?;
        let mounted = Mounted::of(self, step, op)?;
        let mut env = [&op.env[..], &op.proxy_env[..]].concat();
        env.extend(secret_variables(self, step, op)?);
        env.extend(agent_variable(op, &env));
        // RUN-10: what a container runtime adds.
        if !env.iter().any(|variable| variable.starts_with("HOME=")) {
            env.push(format!("HOME={}", found.home.as_deref().filter(|home| !home.is_empty()).unwrap_or("/")));
        }
        let user = User { uid: found.uid, gid: found.gid, groups: found.groups };
        let process = Process {
            argv: &op.argv,
            env: &env,
            cwd: &op.cwd,
            user: &user,
            root: place,
            mounts: &mounted.mounts,
            hostname: &self.settings.hostname,
            hosts: &self.settings.hosts,
            no_network: op.network == Network::None,
            insecure: op.security == Security::Insecure,
            shm_size: self.settings.shm_size,
            limits: &self.settings.limits,
            cgroup: self.cgroup(),
            claims,
            cancel: self.cancel,
        };
        if !sandbox::refuses_writes(self.isolation(), &process) {
            self.warn_of_writable(&mounted);
        }
        let mut output = |bytes: &[u8]| self.sink.event(Event::Output { task, bytes: bytes.to_vec() });
        let exit = match sandbox::run(self.isolation(), &process, &mut output) {
            Ok(exit) => exit,
            Err(SandboxError::Cancelled) => return Err(ExecError::Cancelled),
            Err(SandboxError::TimedOut(limit)) => return Err(timed_out(step, op, limit)),
            Err(error) => return Err(sandbox_failure(step, op, &error)),
        };
        let how = match exit {
            Exit::Code(0) => return Ok(()),
            Exit::Code(code) => format!("exit code: {code}"),
            Exit::Signal(signal) => format!("exit code: {} (killed by signal {signal})", 128 + signal),
            Exit::OutOfMemory => "it ran out of memory".to_owned(),
        };
        let message = format!("process \"{}\" did not complete successfully: {how}", op.argv.join(" "));
        let failure = ExecError::step("D-51", step, message);
        if exit == Exit::OutOfMemory {
            let failure = failure.caused_by(&io::Error::from(io::ErrorKind::OutOfMemory));
            return Err(failure.help("`--memory` sets how much memory a RUN may use"));
        }
        if self.store.is_full() {
            let help = "the store's disk is full: free some space, or put the store elsewhere with `--store DIR`";
            return Err(failure.caused_by(&io::Error::from(io::ErrorKind::StorageFull)).help(help));
        }
        Err(failure)
    }

    /// Nothing keeps a directory as it is where nothing can be mounted and nobody supervises.
    fn warn_of_writable(&self, mounted: &Mounted) {
        let bound = |mount: &&SandboxMount| mount.read_only && matches!(mount.kind, SandboxMountKind::Bind(_));
        for SandboxMount { target, .. } in mounted.mounts.iter().filter(bound) {
            let text =
                format!("the read-only mount on {target} takes writes with `--isolation=chroot`; none of them stays");
            self.sink.event(Event::Warning(text));
        }
    }

    /// The upper of an overlay becomes the layer's tree.
    fn take_upper(&self, upper: &Path, temp: Arc<TempDir>, old: &RootFs, claims: &Claims) -> io::Result<Made> {
        let tree = Arc::new(Tree::temporary(upper.to_owned(), temp)?);
        let files = tree.files();
        let mut changes = snapshot::diff(upper, old, &files, claims)?.changes_since(old)?;
        changes.read_in_place(&files);
        if self.settings.clamp.is_some() {
            self.clamp(&mut changes);
            snapshot::set_times(upper, &changes)?;
        }
        snapshot::settle(upper, &changes)?;
        Ok(Made { changes, root: None, tree: Some(tree) })
    }

    /// What changed in a work tree is copied out, since the next step may change it again.
    fn take_work_tree(&self, tree: &mut WorkTree, old: &RootFs, claims: &Claims) -> io::Result<Made> {
        let mut changes = tree.diff(claims)?.changes_since(old)?;
        self.clamp(&mut changes);
        let kept = Scratch::new(self.store)?;
        keep_files(&mut changes, &kept)?;
        let mut root = old.clone();
        root.apply(&changes).map_err(|path| io::Error::other(format!("{path} links to nothing")))?;
        tree.settle(&changes, &root)?;
        Ok(Made { changes, root: None, tree: None })
    }
}

/// Copies the new files into `kept`, under numbers, and lets the changes refer to them there.
fn keep_files(changes: &mut Changes, kept: &Scratch) -> io::Result<()> {
    let files: Arc<dyn Files> = kept.files();
    let mut number = 0_u64;
    for change in &mut changes.0 {
        let Change::Put { inode, .. } = change else { continue };
        let Kind::File(file) = &inode.kind else { continue };
        if file.size == 0 {
            *inode = Arc::new(Inode::new(inode.meta.clone(), Kind::File(File::inline(&b""[..]))));
            continue;
        }
        number += 1;
        let name = number.to_string();
        let mut out = std::fs::File::create_new(kept.dir().join(&name))?;
        file.copy_to(&mut out)?;
        let copy = File {
            digest: file.digest.clone(),
            ..File::at(Arc::clone(&files), RootPath::clamped(name.as_bytes()), file.size)
        };
        *inode = Arc::new(Inode::new(inode.meta.clone(), Kind::File(copy)));
    }
    Ok(())
}

fn timed_out(step: &Step, op: &RunOp, limit: Duration) -> ExecError {
    let command = op.argv.join(" ");
    let message = format!("process \"{command}\" did not complete successfully: killed after {limit:?}");
    ExecError::step("D-51", step, message).help("`--step-timeout` sets the time that a RUN may take")
}

fn sandbox_failure(step: &Step, op: &RunOp, error: &SandboxError) -> ExecError {
    match error {
        SandboxError::Exec { program, source } => {
            // As shells say it: 127 not found, 126 found but no program.
            let code = if source.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
            let message = format!(
                "process \"{}\" did not complete successfully: exit code: {code}: cannot execute `{program}`: {source}",
                op.argv.join(" ")
            );
            let error = ExecError::step("D-51", step, message);
            if op.argv.first().is_some_and(|program| program == "/bin/sh") {
                return error.help("the base image has no shell; use the exec form or SHELL");
            }
            error
        }
        SandboxError::Limit { .. } => ExecError::step("sandbox", step, error.to_string())
            .help("lower it, or raise kiln's own with `ulimit -H` before it starts; more takes CAP_SYS_RESOURCE"),
        other => ExecError::step("sandbox", step, other.to_string()).caused_by(other),
    }
}

impl WorkArea {
    /// The stage's work tree, brought to the state `root`.
    fn at(&mut self, build: &Build<'_>, root: &RootFs) -> io::Result<&mut WorkTree> {
        let (tree, temp) = match self.0.take() {
            Some((mut tree, temp)) => {
                let changes = root.changes_since(tree.root())?;
                if !changes.0.is_empty() {
                    tree.apply(&changes, root)?;
                }
                (tree, temp)
            }
            None => {
                let temp = Arc::new(build.store.temp_dir()?);
                let dir = temp.join("root");
                std::fs::create_dir(&dir)?;
                (WorkTree::materialise(root, &dir, build.nodes())?, temp)
            }
        };
        Ok(&mut self.0.insert((tree, temp)).0)
    }
}
