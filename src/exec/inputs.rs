//! What steps read besides the state they start from.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::bases::BaseImage;
use crate::cache::{self, Input, Listed, Part, Parts};
use crate::copy::{self, Block, CopyError, Selection, needs_lookup};
use crate::dockerfile::Diagnostic;
use crate::plan::{CopyFrom, CopyOp, ImageId, MountFrom, MountKind, Op, Step};
use crate::rootfs::{Kind, Node, RootFs, RootPath};
use crate::sandbox::Service;

use super::mounts::shown;
use super::sources::Sources;
use super::state::State;
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
    /// Where programs of this machine find the agent `default`, if there is one.
    fn agent_socket(&self) -> io::Result<Option<PathBuf>>;
    /// No step will read any more. Layers may still be packed meanwhile.
    fn remember(&self);
    /// Whether `path` is in the main build context's directory, but left out by its ignore rules.
    fn is_ignored(&self, path: &RootPath) -> bool;
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

    /// Why a source is not there, where that can be guessed (D-87, DIAG-6).
    pub(super) fn with_way_out(&self, found: Diagnostic, error: &CopyError, op: &CopyOp, root: &RootFs) -> Diagnostic {
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

    /// What the key of `step` holds besides its definition and parent (KEY-2, KEY-7, KEY-8).
    pub(super) fn key_inputs(
        &self,
        step: &Step,
        state: &State,
        sources: Option<&Sources<'_>>,
    ) -> Result<Reads, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot compute the step's key", &error);
        let mut reads = Reads::new(self.settings.threads);
        match &step.op {
            Op::Copy(op) => {
                if let Some(sources) = sources {
                    reads.list.extend(sources.commits());
                    let selection = sources.files();
                    self.tell_of_nothing(step, op, &selection);
                    reads.files(String::new(), selection);
                }
                if op.chown.as_deref().is_some_and(needs_lookup) && !op.link {
                    reads.list.extend(user_files(state.root().map_err(failed)?).map_err(failed)?);
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
                    reads.files(format!("{}: ", mount.target), shown(&root, source));
                }
            }
            Op::Workdir(op) if needs_lookup(&op.user) => {
                reads.list.extend(user_files(state.root().map_err(failed)?).map_err(failed)?);
            }
            Op::Workdir(_) | Op::Meta(_) => {}
        }
        Ok(reads)
    }
}

/// What a step reads besides its parent.
pub(super) struct Reads {
    pub(super) list: Vec<Input>,
    files: Vec<Box<dyn Listed>>,
    threads: usize,
}

/// Files that a step reads.
struct FilesOf {
    /// What stands before their names.
    before: String,
    selection: Selection,
    threads: usize,
}

impl Reads {
    pub(super) fn new(threads: usize) -> Self {
        Self { list: Vec::new(), files: Vec::new(), threads }
    }

    /// Adds all files of `selection`.
    pub(super) fn files(&mut self, before: String, selection: Selection) {
        self.files.push(Box::new(FilesOf { before, selection, threads: self.threads }));
    }

    /// All, with their digest. Files whose digests are not known are read now.
    pub(super) fn inputs(self) -> io::Result<cache::Inputs> {
        cache::Inputs::new(self.list, self.files, self.threads)
    }
}

impl Listed for FilesOf {
    fn parts(&self) -> Parts<'_> {
        let Self { before, selection, threads } = self;
        Box::new(selection.blocks(*threads).map(move |block| Box::new(PartOf { before, block }) as Box<dyn Part>))
    }
}

/// Some of the files.
struct PartOf<'a> {
    before: &'a str,
    block: Block<'a>,
}

impl Part for PartOf<'_> {
    fn each(&self, visit: &mut dyn FnMut(&str, &str) -> io::Result<()>) -> io::Result<()> {
        let Self { before, block } = self;
        if before.is_empty() {
            return block.each(visit);
        }
        block.each(&mut |name, value| visit(&format!("{before}{name}"), value))
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
