//! What the mounts of a RUN show: files of stages and contexts, caches, secrets (RUN-40 to RUN-46).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::copy::Selection;
use crate::dockerfile::Diagnostic;
use crate::image::Digest;
use crate::plan::{Mount, MountFrom, MountKind, RunOp, Sharing, Step};
use crate::rootfs::RootFs;
use crate::sandbox::{SandboxMount, SandboxMountKind};
use crate::snapshot;
use crate::store::{LockGuard, TempDir};

use super::{Build, ExecError};

/// The mounts of one process, and what must live as long as it.
pub(super) struct Mounted {
    pub(super) mounts: Vec<SandboxMount>,
    temps: Vec<Arc<TempDir>>,
    locks: Vec<LockGuard>,
}

impl Mounted {
    /// Prepares everything that `op` mounts.
    pub(super) fn of(build: &Build<'_>, step: &Step, op: &RunOp) -> Result<Self, ExecError> {
        let mut mounted = Self { mounts: Vec::new(), temps: Vec::new(), locks: Vec::new() };
        for mount in &op.mounts {
            mounted.add(build, step, mount)?;
        }
        if let Some(script) = &op.script {
            let kind = SandboxMountKind::File { content: script.content.clone(), mode: 0o755, uid: 0, gid: 0 };
            mounted.mounts.push(SandboxMount { target: script.path.clone(), kind, read_only: true });
        }
        Ok(mounted)
    }

    fn add(&mut self, build: &Build<'_>, step: &Step, mount: &Mount) -> Result<(), ExecError> {
        let failed = |error: io::Error| {
            let message = format!("cannot prepare the mount on {}: {error}", mount.target);
            ExecError::step("D-87", step, message).caused_by(&error)
        };
        let kind = match &mount.kind {
            MountKind::Bind { from, source } => SandboxMountKind::Bind(self.bind(build, from, source).map_err(failed)?),
            MountKind::Cache { .. } => SandboxMountKind::Bind(self.cache(build, mount).map_err(failed)?),
            MountKind::Tmpfs { size } => SandboxMountKind::Tmpfs(*size),
            MountKind::Secret { id, required, file, mode, uid, gid, .. } => {
                match build.inputs.secret(id).map_err(failed)? {
                    None if *required => return Err(missing_secret(step, id)),
                    Some(content) if *file => SandboxMountKind::File { content, mode: *mode, uid: *uid, gid: *gid },
                    _ => return Ok(()),
                }
            }
            MountKind::Ssh { id, required, mode, uid, gid } => match build.inputs.agent(id) {
                Some(service) => SandboxMountKind::Socket { service, mode: *mode, uid: *uid, gid: *gid },
                None if *required => return Err(missing_agent(step, mount, id)),
                None => return Ok(()),
            },
        };
        self.mounts.push(SandboxMount { target: mount.target.clone(), kind, read_only: mount.read_only });
        Ok(())
    }

    /// A copy of the files, which the process may write to without anybody seeing it later (RUN-40).
    fn bind(&mut self, build: &Build<'_>, from: &MountFrom, source: &str) -> io::Result<PathBuf> {
        let root = build.mount_source(from)?;
        let found = root.resolve(source.as_bytes(), true).map_err(|error| io::Error::other(error.to_string()))?;
        if found.node.is_none() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("\"{source}\": not found")));
        }
        let temp = Arc::new(build.store.temp_dir()?);
        let place = temp.join("bind");
        snapshot::write(&root, &found.path, &place, build.nodes())?;
        self.temps.push(temp);
        Ok(place)
    }

    /// The directory of a cache, made and filled when there is none yet (RUN-41, CM-1, CM-2).
    fn cache(&mut self, build: &Build<'_>, mount: &Mount) -> io::Result<PathBuf> {
        let MountKind::Cache { id, sharing, from, source, mode, uid, gid } = &mount.kind else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let content = match from {
            MountFrom::Empty => None,
            from => Some(build.mount_source(from)?),
        };
        let mut identity = id.clone();
        if let Some(root) = &content {
            let shown = shown(root, source);
            shown.blocks(build.settings.threads).try_for_each(|block| {
                block.each(&mut |name, sum| {
                    identity.push_str(name);
                    identity.push_str(sum);
                    Ok(())
                })
            })?;
        }
        let mut name = Digest::of(identity.as_bytes()).hex();
        match sharing {
            Sharing::Shared => {}
            Sharing::Locked => self.locks.push(build.store.lock(&format!("mount-{name}"))?),
            Sharing::Private => {
                // The first instance that nobody uses.
                for instance in 0_u32.. {
                    let candidate = if instance == 0 { name.clone() } else { format!("{name}-{instance}") };
                    if let Some(lock) = build.store.try_lock(&format!("mount-{candidate}"))? {
                        self.locks.push(lock);
                        name = candidate;
                        break;
                    }
                }
            }
        }
        build.store.use_mount(&name)?;
        if let Some(shared) = build.shared {
            shared.used_mount(&name);
        }
        let place = build.store.mount_dir(&name);
        let _one_at_a_time = build.store.lock(&format!("make-mount-{name}"))?;
        if place.exists() {
            return Ok(place);
        }
        let temp = build.store.temp_dir()?;
        let fresh = temp.join("cache");
        if let Some(root) = content {
            let found = root.resolve(source.as_bytes(), true).map_err(|error| io::Error::other(error.to_string()))?;
            snapshot::write(&root, &found.path, &fresh, build.nodes())?;
        } else {
            std::fs::create_dir(&fresh)?;
            if build.shared.is_some_and(|shared| !shared.fill_mount(&name, &fresh)) {
                // What has come of it is no more than a part.
                std::fs::remove_dir_all(&fresh)?;
                std::fs::create_dir(&fresh)?;
            }
            snapshot::set_owner(&fresh, *uid, *gid)?;
            std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(*mode))?;
        }
        std::fs::rename(&fresh, &place)?;
        Ok(place)
    }
}

/// `NAME=value` of secrets that are given as variables (RUN-44).
pub(super) fn secret_variables(build: &Build<'_>, step: &Step, op: &RunOp) -> Result<Vec<String>, ExecError> {
    let mut variables = Vec::new();
    for mount in &op.mounts {
        let MountKind::Secret { id, required, env: Some(name), .. } = &mount.kind else { continue };
        let secret = build.inputs.secret(id).map_err(|error| ExecError::io(step, "cannot read a secret", &error))?;
        let value = match secret {
            None if *required => return Err(missing_secret(step, id)),
            secret => String::from_utf8_lossy(&secret.unwrap_or_default()).into_owned(),
        };
        variables.push(format!("{name}={value}"));
    }
    Ok(variables)
}

/// `SSH_AUTH_SOCK=` the first ssh mount, unless the step has set it (RUN-10, RUN-45).
pub(super) fn agent_variable(op: &RunOp, env: &[String]) -> Option<String> {
    const NAME: &str = "SSH_AUTH_SOCK=";
    if env.iter().any(|variable| variable.starts_with(NAME)) {
        return None;
    }
    let mut mounts = op.mounts.iter();
    mounts.find(|mount| matches!(mount.kind, MountKind::Ssh { .. })).map(|mount| format!("{NAME}{}", mount.target))
}

/// RUN-45.
fn missing_agent(step: &Step, mount: &Mount, id: &str) -> ExecError {
    let message = format!("no ssh agent for the required ssh mount `{id}`");
    let found = Diagnostic::error("RUN-45", mount.span, step.lines, message);
    ExecError::Step(Box::new(found.help(format!("pass `--ssh {id}` for your agent, or `--ssh {id}=KEY`"))))
}

/// D-47.
fn missing_secret(step: &Step, id: &str) -> ExecError {
    ExecError::step("D-47", step, format!("secret {id}: not found"))
        .help(format!("pass `--secret id={id},src=FILE` or `--secret id={id},env=NAME`"))
}

/// What a mount shows; nothing where there is nothing.
pub(super) fn shown(root: &RootFs, path: &str) -> Selection {
    let found = root.resolve(path.as_bytes(), true).ok().and_then(|found| found.node);
    found.map_or_else(Selection::default, |node| Selection::of_node(path, node))
}
