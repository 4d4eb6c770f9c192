//! What steps read besides the state they start from.

use std::io;
use std::sync::Arc;

use crate::bases::BaseImage;
use crate::cache::Input;
use crate::context::digest_files;
use crate::copy::{self, CopyError, Selection, needs_lookup};
use crate::dockerfile::Diagnostic;
use crate::download;
use crate::plan::{CopyFrom, CopyOp, CopySource, ImageId, MountFrom, MountKind, Op, Step};
use crate::rootfs::{File, Inode, Kind, Meta, Node, RootFs, RootPath, Time};
use crate::sandbox::Service;

use super::state::State;
use super::tree::Scratch;
use super::{Build, ExecError};

/// Gives a build what lies outside the plan.
pub trait Inputs: Sync {
    /// The image behind an id that the plan holds.
    fn base(&self, id: &ImageId) -> BaseImage;
    /// The files of the main build context; read when first asked for.
    fn context(&self) -> io::Result<&RootFs>;
    /// The files of a named context that is a directory.
    fn directory(&self, name: &str) -> io::Result<RootFs>;
    /// A secret's bytes; `None` when there is none of that id.
    fn secret(&self, id: &str) -> io::Result<Option<Vec<u8>>>;
    /// What answers at the sockets of ssh mounts of this id; `None` when there is none.
    fn agent(&self, id: &str) -> Option<Arc<dyn Service>>;
    /// Whether `path` is in the main build context's directory, but left out by its ignore rules.
    fn is_ignored(&self, path: &RootPath) -> bool;
}

/// Sources that no rung can read yet.
pub(super) fn refuse(step: &Step, op: &CopyOp) -> Result<(), ExecError> {
    for source in &op.sources {
        if let CopySource::Git(name) = source {
            let message = format!("ADD of a git repository is not supported yet: `{name}`");
            return Err(ExecError::step("ADD-20", step, message));
        }
    }
    Ok(())
}

impl Build<'_> {
    /// The files that COPY or ADD takes from.
    pub(super) fn copy_source(&self, from: &CopyFrom) -> io::Result<RootFs> {
        match from {
            CopyFrom::Context => self.inputs.context().cloned(),
            CopyFrom::Directory(name) => self.inputs.directory(name),
            CopyFrom::Stage(stage) => self.stage_root(*stage),
            CopyFrom::Image(id) => self.image_root(id),
            CopyFrom::Empty => Ok(RootFs::empty()),
        }
    }

    /// The files that a mount shows.
    pub(super) fn mount_source(&self, from: &MountFrom) -> io::Result<RootFs> {
        match from {
            MountFrom::Context => self.inputs.context().cloned(),
            MountFrom::Directory(name) => self.inputs.directory(name),
            MountFrom::Stage(stage) => self.stage_root(*stage),
            MountFrom::Image(id) => self.image_root(id),
            MountFrom::Empty => Ok(RootFs::empty()),
        }
    }

    fn stage_root(&self, stage: usize) -> io::Result<RootFs> {
        self.finished(stage)?.state.root().cloned()
    }

    fn image_root(&self, id: &ImageId) -> io::Result<RootFs> {
        self.image_state(id).root().cloned()
    }

    /// What a COPY or ADD selects. Files by URL are downloaded now: their content is a part of the key (KEY-2).
    pub(super) fn selection(&self, step: &Step, op: &CopyOp) -> Result<Selection, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot read the files to copy from", &error);
        let mut selection = Selection::default();
        let mut root = None;
        for (source, span) in op.sources.iter().zip(&op.spans) {
            let found = match source {
                CopySource::Path(path) => {
                    let root = match &root {
                        Some(root) => root,
                        None => root.insert(self.copy_source(&op.from).map_err(failed)?),
                    };
                    copy::select_path(root, op, path).map_err(|error| {
                        let span = if matches!(error, CopyError::Exclude { .. }) { step.span } else { *span };
                        let found = Diagnostic::error(error.code(), span, step.lines, error.to_string());
                        ExecError::Step(Box::new(self.with_way_out(found, &error, op, root)))
                    })?
                }
                CopySource::Url(url) => self.download(step, op, url)?,
                CopySource::Heredoc { .. } | CopySource::Git(_) => continue,
            };
            selection.append(found);
        }
        Ok(selection)
    }

    /// Why a source is not there, where that can be guessed (D-87, DIAG-6).
    fn with_way_out(&self, found: Diagnostic, error: &CopyError, op: &CopyOp, root: &RootFs) -> Diagnostic {
        let CopyError::NotFound(path) = error else { return found };
        let place = match op.from {
            CopyFrom::Context => "the build context",
            CopyFrom::Directory(_) => "the named context",
            CopyFrom::Stage(_) => "the stage",
            CopyFrom::Image(_) | CopyFrom::Empty => "the image",
        };
        let relative = |path: &RootPath| path.to_string().trim_start_matches('/').to_owned();
        if op.from == CopyFrom::Context && self.inputs.is_ignored(path) {
            return found.help(format!(
                "`{}` is there, but the ignore file leaves it out; add a line `!{0}` to it",
                relative(path)
            ));
        }
        match copy::nearest(root, path) {
            Some(near) => found.help(format!("did you mean `{}`?", relative(&near))),
            None => found.note(format!("sources are looked up from the root of {place}")),
        }
    }

    fn download(&self, step: &Step, op: &CopyOp, url: &str) -> Result<Selection, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot keep a download", &error);
        let scratch = Scratch::new(self.store).map_err(failed)?;
        let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let secret = |name: &str| self.inputs.secret(name).map_err(failed);
        // ADD-11
        let authorization = match secret(&format!("HTTP_AUTH_HEADER_{host}"))? {
            Some(header) => Some(String::from_utf8_lossy(&header).trim().to_owned()),
            None => secret(&format!("HTTP_AUTH_TOKEN_{host}"))?
                .map(|token| format!("Bearer {}", String::from_utf8_lossy(&token).trim())),
        };
        let file = download::download(url, authorization.as_deref(), &scratch.dir().join("file"))
            .map_err(|error| ExecError::step("ADD-11", step, error.to_string()))?;
        if let Some(wanted) = &op.checksum
            && *wanted != file.digest.to_string()
        {
            let message = format!("digest mismatch {}: {wanted}", file.digest);
            return Err(ExecError::step("D-90", step, message));
        }
        let mtime = Time { seconds: file.modified, nanos: 0 };
        let meta = Meta { mtime, ..Meta::with_mode(0o600) };
        let content = File::at(scratch.files(), RootPath::clamped(b"file"), file.size);
        let inode = Inode { meta, kind: Kind::File(content) };
        Ok(Selection::of_file(&file.name, inode, op.unpack == Some(true)))
    }

    /// What the key of `step` holds besides its definition and parent (KEY-2, KEY-7, KEY-8).
    pub(super) fn key_inputs(
        &self,
        step: &Step,
        state: &State,
        selection: Option<&Selection>,
    ) -> Result<Vec<Input>, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot compute the step's key", &error);
        let mut inputs = Vec::new();
        match &step.op {
            Op::Copy(op) => {
                if let Some(selection) = selection {
                    digest_files(&selection.files(), self.settings.threads).map_err(failed)?;
                    let sums = selection.sums().map_err(failed)?;
                    inputs.extend(sums.into_iter().map(|(name, value)| Input { name, value }));
                }
                if op.chown.as_deref().is_some_and(needs_lookup) && !op.link {
                    inputs.extend(user_files(state.root().map_err(failed)?).map_err(failed)?);
                }
            }
            Op::Run(op) => {
                for mount in &op.mounts {
                    let (MountKind::Bind { from, source } | MountKind::Cache { from, source, .. }) = &mount.kind else {
                        continue;
                    };
                    if matches!(from, MountFrom::Empty) {
                        continue;
                    }
                    let root = self.mount_source(from).map_err(failed)?;
                    for (name, value) in self.tree_sums(&root, source).map_err(failed)? {
                        inputs.push(Input { name: format!("{}: {name}", mount.target), value });
                    }
                }
            }
            Op::Workdir(op) if needs_lookup(&op.user) => {
                inputs.extend(user_files(state.root().map_err(failed)?).map_err(failed)?);
            }
            Op::Workdir(_) | Op::Meta(_) => {}
        }
        Ok(inputs)
    }
}

/// KEY-8: the user database counts where names are looked up in it.
fn user_files(root: &RootFs) -> io::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for name in ["/etc/passwd", "/etc/group"] {
        let value = match root.resolve(name.as_bytes(), true).ok().and_then(|found| found.node) {
            Some(Node::Inode(inode)) => match &inode.kind {
                Kind::File(file) => file.digest()?.to_string(),
                _ => String::new(),
            },
            _ => String::new(),
        };
        inputs.push(Input { name: name.to_owned(), value });
    }
    Ok(inputs)
}

/// The root of a directory context, as the one layer of a stage that starts from it.
pub(super) fn whole(root: &RootFs) -> Selection {
    let node = root.get(&RootPath::root()).unwrap_or_else(|| Node::Directory(Arc::clone(root.root())));
    Selection::of_node("/", node)
}
