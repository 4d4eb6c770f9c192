use crate::dockerfile::{Diagnostic, Lines, Span};
use crate::image::{Platform, RunConfig};
use crate::remote::GitReference;

use super::Remark;

/// What is to be done for one target platform.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The stages the target needs, in file order; references between them are indexes into this list.
    pub stages: Vec<Stage>,
    /// Index of the target in `stages`: always the last one.
    pub target: usize,
    /// What `lint` may warn of.
    pub remarks: Vec<Remark>,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970 (TIME-1).
    pub epoch: Option<i64>,
}

/// Why there is no plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unplanned {
    /// In the order of the phases of the reference builder (DIAG-2); never empty.
    pub errors: Vec<Diagnostic>,
    /// What `lint` may warn of, as far as planning came.
    pub remarks: Vec<Remark>,
}

/// Names a base image that [`super::Bases`] has resolved; the giver of the id knows what it means.
#[derive(Clone, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct ImageId(pub usize);

/// One stage.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, or its number in the file where it has none: how progress and errors call it.
    pub name: String,
    /// Its number in the file, from 0.
    pub index: usize,
    /// What it starts from.
    pub base: BaseRef,
    /// The platform it is built for.
    pub platform: Platform,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The image config's inner object after all steps (base config merged; ONBUILD of the base consumed).
    pub config: RunConfig,
    /// MAINTAINER's value, or the base's author.
    pub author: Option<String>,
    /// The FROM instruction.
    pub lines: Lines,
    /// The FROM instruction.
    pub span: Span,
    /// What FROM names, after expansion.
    pub base_name: String,
}

/// What a stage starts from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BaseRef {
    /// Nothing.
    Scratch,
    /// An image.
    Image(ImageId),
    /// An earlier stage, by index into [`Plan::stages`].
    Stage(usize),
    /// A named context that is a directory, by name: its files are the one layer to start from.
    Directory(String),
}

/// One instruction of a stage, resolved.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands; for ONBUILD triggers, the FROM that runs them (ONB-3).
    pub lines: Lines,
    /// Where it stands.
    pub span: Span,
    /// The instruction as written, for people.
    pub text: String,
    /// The history entry's `created_by`; `None` makes no entry (ONBUILD).
    pub created_by: Option<String>,
    /// What to do.
    pub op: Op,
}

/// What a step does to the root filesystem.
#[derive(Clone, Debug)]
pub enum Op {
    /// Only the config changes (already in [`Stage::config`]).
    Meta(MetaOp),
    /// Runs a process.
    Run(Box<RunOp>),
    /// COPY or ADD.
    Copy(Box<CopyOp>),
    /// WORKDIR other than `/`: makes the directory, and a layer (CONFIG-2).
    Workdir(WorkdirOp),
}

#[cfg(any(test, fuzzing))]
impl Op {
    /// Forgets where in the file the parts of the operation stand, so that what is left is what it does.
    pub fn forget_places(&mut self) {
        match self {
            Self::Copy(copy) => copy.spans.clear(),
            Self::Run(run) => run.mounts.iter_mut().for_each(|mount| mount.span = Span::default()),
            Self::Workdir(_) | Self::Meta(_) => {}
        }
    }
}

/// A step without a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetaOp;

/// WORKDIR.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkdirOp {
    /// Absolute, clean.
    pub path: String,
    /// USER in force, which may own the directory (see WORKDIR rules).
    pub user: String,
}

/// RUN.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunOp {
    /// Program and arguments, the shell included; empty is D-30 at run time.
    pub argv: Vec<String>,
    /// `NAME=value` in order: image environment, then ARGs as the reference orders them. Without proxy arguments.
    pub env: Vec<String>,
    /// Proxy arguments: seen by the process, not part of any key or history.
    pub proxy_env: Vec<String>,
    /// Working directory, absolute; made when missing.
    pub cwd: String,
    /// USER in force; empty is root.
    pub user: String,
    /// `--network`, or the build's.
    pub network: Network,
    /// `--security`.
    pub security: Security,
    /// `--mount`, in order.
    pub mounts: Vec<Mount>,
    /// Heredoc scripts that must be placed as executable files for this step: mount path and content. See RUN-heredoc rules.
    pub script: Option<RunScript>,
}

/// A file that exists only while the step runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunScript {
    /// Absolute path inside.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// `--network`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Network {
    /// What the sandbox gives: the host's network.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's, asked for by name.
    Host,
}

/// `--security`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Security {
    /// The default capability set.
    #[default]
    Sandbox,
    /// Everything the builder has.
    Insecure,
}

/// `--mount`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Where, absolute and clean; empty only for a secret given as a variable alone.
    pub target: String,
    /// What.
    pub kind: MountKind,
    /// Cannot be written.
    pub read_only: bool,
    /// Where it is written; for ONBUILD triggers, the FROM that runs them.
    pub span: Span,
}

/// The kinds of mounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MountKind {
    /// Files of a stage, image or context; what is written is dropped afterwards.
    Bind {
        /// Whose files.
        from: MountFrom,
        /// Which directory or file of it, absolute and clean.
        source: String,
    },
    /// A directory that stays between builds.
    Cache {
        /// Names it.
        id: String,
        /// Who may use it at once.
        sharing: Sharing,
        /// Its first content.
        from: MountFrom,
        /// Which directory of `from`.
        source: String,
        /// Of the directory when first made.
        mode: u32,
        /// Of the directory when first made.
        uid: u32,
        /// Of the directory when first made.
        gid: u32,
    },
    /// Memory.
    Tmpfs {
        /// Bytes.
        size: Option<u64>,
    },
    /// A secret.
    Secret {
        /// Its id.
        id: String,
        /// Missing is an error.
        required: bool,
        /// The variable that gets its value.
        env: Option<String>,
        /// Whether a file is made at the mount's target.
        file: bool,
        /// Of the file.
        mode: u32,
        /// Of the file.
        uid: u32,
        /// Of the file.
        gid: u32,
    },
    /// An ssh agent's socket.
    Ssh {
        /// Its id.
        id: String,
        /// Missing is an error.
        required: bool,
        /// Of the socket.
        mode: u32,
        /// Of the socket.
        uid: u32,
        /// Of the socket.
        gid: u32,
    },
}

/// `sharing=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// One each.
    Private,
    /// One after the other.
    Locked,
}

/// Where a mount's files come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MountFrom {
    /// Nothing: an empty directory (cache mounts, `from=scratch`).
    Empty,
    /// The build context.
    Context,
    /// A stage of the plan.
    Stage(usize),
    /// An image.
    Image(ImageId),
    /// A named context that is a directory.
    Directory(String),
}

/// COPY or ADD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyOp {
    /// ADD rather than COPY.
    pub add: bool,
    /// Whose files.
    pub from: CopyFrom,
    /// After expansion, in the order written.
    pub sources: Vec<CopySource>,
    /// Where each source is written.
    pub spans: Vec<Span>,
    /// Absolute; a trailing `/` or `/.` is kept (COPY-20).
    pub destination: String,
    /// `--chown` after expansion; empty when not given.
    pub chown: Option<String>,
    /// `--chmod` after expansion.
    pub chmod: Option<String>,
    /// `--link`, and no `--chmod` (COPY-43).
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// `--unpack`.
    pub unpack: Option<bool>,
    /// `--checksum`, after expansion.
    pub checksum: Option<String>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
}

impl CopyOp {
    /// COPY or ADD of nothing yet, from the context.
    pub fn blank(add: bool) -> Self {
        Self {
            add,
            from: CopyFrom::Context,
            sources: Vec::new(),
            spans: Vec::new(),
            destination: String::new(),
            chown: None,
            chmod: None,
            link: false,
            parents: false,
            exclude: Vec::new(),
            unpack: None,
            checksum: None,
            keep_git_dir: None,
        }
    }
}

/// One source of COPY or ADD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CopySource {
    /// A path or pattern below the root of `from`.
    Path(String),
    /// A file given in place, tabs stripped and variables expanded.
    Heredoc {
        /// Its name.
        name: String,
        /// Its bytes.
        content: Vec<u8>,
    },
    /// `http://` or `https://`.
    Url(String),
    /// A git repository (ADD-20), with what the flags say of it.
    Git(Box<GitReference>),
}

/// Where COPY takes its files from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CopyFrom {
    /// The build context.
    Context,
    /// A stage of the plan.
    Stage(usize),
    /// An image.
    Image(ImageId),
    /// A named context that is a directory.
    Directory(String),
    /// `--from=scratch`.
    Empty,
}
