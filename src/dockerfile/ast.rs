use std::fmt;

/// A range of bytes of the Dockerfile's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One after the last byte.
    pub end: usize,
}

/// Physical lines, counted from 1, both ends included (LEX-70).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Lines {
    /// First line.
    pub first: usize,
    /// Last line, heredoc bodies and delimiters included.
    pub last: usize,
}

/// A whole file. The items' spans follow each other without a gap, from 0 to the text's length.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dockerfile {
    /// The text as decoded; printing this gives the file back.
    pub text: String,
    /// The escape character: a backslash or a backtick (LEX-13).
    pub escape: char,
    /// Everything, in file order.
    pub items: Vec<Item>,
}

/// One stretch of the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Whole physical lines, the line end included. The byte order mark belongs to the first item.
    pub span: Span,
    /// What it is.
    pub kind: ItemKind,
}

/// What a stretch of the file is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ItemKind {
    /// `# name=value` at the top (LEX-10): name in lower case, value.
    Directive {
        /// `syntax`, `escape` or `check`.
        name: String,
        /// Trimmed.
        value: String,
    },
    /// A comment line outside an instruction: the text after `#`, untrimmed.
    Comment(String),
    /// A line of white space.
    Blank,
    /// An instruction with all its lines.
    Instruction(Box<Instruction>),
    /// Lines that could not be read; a diagnostic tells why.
    Invalid,
}

/// The instruction words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Keyword {
    /// `ADD`
    Add,
    /// `ARG`
    Arg,
    /// `CMD`
    Cmd,
    /// `COPY`
    Copy,
    /// `ENTRYPOINT`
    Entrypoint,
    /// `ENV`
    Env,
    /// `EXPOSE`
    Expose,
    /// `FROM`
    From,
    /// `HEALTHCHECK`
    Healthcheck,
    /// `LABEL`
    Label,
    /// `MAINTAINER`
    Maintainer,
    /// `ONBUILD`
    Onbuild,
    /// `RUN`
    Run,
    /// `SHELL`
    Shell,
    /// `STOPSIGNAL`
    StopSignal,
    /// `USER`
    User,
    /// `VOLUME`
    Volume,
    /// `WORKDIR`
    Workdir,
}

/// One instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// From the first byte of the keyword to the last byte that is neither white space nor line end.
    pub span: Span,
    /// Its physical lines.
    pub lines: Lines,
    /// Which one.
    pub keyword: Keyword,
    /// The word as it was written (LEX-7).
    pub keyword_text: String,
    /// The doc comment: lines joined by newlines, empty when there is none (LEX-24).
    pub doc: String,
    /// The flags as written, in order, already checked against the instruction (LEX-44); ARG, STOPSIGNAL and
    /// `HEALTHCHECK NONE` drop theirs (LEX-45).
    pub flags: Vec<Flag>,
    /// The rest, parsed.
    pub command: Command,
    /// The logical line after continuation handling, trimmed; heredoc bodies not included.
    pub original: String,
    /// A blank line stood inside a continuation (LEX-33).
    pub empty_continuation: bool,
}

/// A piece of text that expansion may still change, with its quotes and escapes kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Word {
    /// As written, continuations removed.
    pub text: String,
    /// Where it stands. Within a JSON form: the whole array.
    pub span: Span,
}

/// `--name` or `--name=value`, quotes already removed (LEX-41).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// `None` when there is no `=`.
    pub value: Option<String>,
    /// The whole flag.
    pub span: Span,
}

/// A heredoc (LEX-51 to LEX-59).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heredoc {
    /// The delimiter, unquoted.
    pub name: String,
    /// The body byte for byte, delimiter line not included; tabs not stripped yet.
    pub body: String,
    /// Variables in the body are expanded (LEX-54).
    pub expand: bool,
    /// `<<-` (LEX-57).
    pub strip_tabs: bool,
    /// The number before `<<`, which nothing reads (LEX-59).
    pub fd: Option<u32>,
}

/// What to run: shell form or exec form (LEX-46 to LEX-48).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandLine {
    /// One string for the shell.
    Shell(Word),
    /// The program and its arguments.
    Exec(Vec<String>),
}

/// `name=value`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pair {
    /// Left of the `=`; expanded in ENV and LABEL.
    pub name: Word,
    /// Right of it.
    pub value: Word,
    /// Written `NAME value` (ENV, LABEL: the old form).
    pub legacy: bool,
}

/// One argument of ARG.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArgPair {
    /// Its name.
    pub name: Word,
    /// Its default, if there is one.
    pub default: Option<Word>,
}

/// A source of COPY or ADD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A path, pattern, URL or git reference, before expansion.
    Path(Word),
    /// A file given in place.
    Heredoc(Heredoc),
}

/// What COPY and ADD share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copying {
    /// In the order written.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: Word,
    /// `--chown`, before expansion.
    pub chown: Option<Word>,
    /// `--chmod`, before expansion.
    pub chmod: Option<Word>,
    /// `--link`; the last one counts.
    pub link: bool,
    /// `--exclude`, in order.
    pub exclude: Vec<String>,
}

/// Flags of COPY alone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CopyFlags {
    /// `--from`, as written.
    pub from: Option<Word>,
    /// `--parents`.
    pub parents: bool,
}

/// Flags of ADD alone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AddFlags {
    /// `--keep-git-dir`; `None` when not given.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`, before expansion.
    pub checksum: Option<Word>,
    /// `--unpack`; `None` when not given.
    pub unpack: Option<bool>,
}

/// What ONBUILD keeps for children.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Onbuild {
    /// The trigger's text for the image config (ONB-2).
    pub text: String,
    /// Its instruction word, when it is a known one.
    pub inner: Option<Keyword>,
}

/// An instruction's arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// FROM
    From {
        /// `--platform`, before expansion.
        platform: Option<Word>,
        /// The image or stage, before expansion.
        image: Word,
        /// After AS, in lower case in `text`; the span shows how it was written.
        name: Option<Word>,
    },
    /// ARG
    Arg(Vec<ArgPair>),
    /// ENV
    Env(Vec<Pair>),
    /// LABEL
    Label(Vec<Pair>),
    /// RUN
    Run {
        /// What to run. With heredocs: the line as written, `<<` words included.
        command: CommandLine,
        /// The bodies, in order.
        heredocs: Vec<Heredoc>,
        /// `--mount` values, raw CSV, in order. Their fields are judged by `plan` (D-35 and on).
        mounts: Vec<Word>,
        /// `--network`, already one of `default`, `none`, `host`.
        network: Option<String>,
        /// `--security`, already one of `sandbox`, `insecure`.
        security: Option<String>,
        /// `--device` values.
        devices: Vec<Word>,
    },
    /// COPY
    Copy(Copying, CopyFlags),
    /// ADD
    Add(Copying, AddFlags),
    /// WORKDIR
    Workdir(Word),
    /// USER
    User(Word),
    /// STOPSIGNAL
    StopSignal(Word),
    /// MAINTAINER
    Maintainer(String),
    /// CMD; with no argument, a shell form of an empty word (POS-1)
    Cmd(CommandLine),
    /// ENTRYPOINT
    Entrypoint(CommandLine),
    /// SHELL
    Shell(Vec<String>),
    /// EXPOSE
    Expose(Vec<Word>),
    /// VOLUME
    Volume(Vec<Word>),
    /// HEALTHCHECK: `None` of `test` is NONE.
    Healthcheck {
        /// The command.
        test: Option<CommandLine>,
        /// Nanoseconds; 0 is the default.
        interval: i64,
        /// Nanoseconds.
        timeout: i64,
        /// Nanoseconds.
        start_period: i64,
        /// Nanoseconds.
        start_interval: i64,
        /// Count.
        retries: u32,
    },
    /// ONBUILD
    Onbuild(Onbuild),
}

impl Span {
    /// From `start` to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

impl Dockerfile {
    /// The instructions, in order.
    pub fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        self.items.iter().filter_map(|item| match &item.kind {
            ItemKind::Instruction(instruction) => Some(&**instruction),
            _ => None,
        })
    }
}

impl Keyword {
    /// All of them, by name.
    pub const ALL: [Self; 18] = [
        Self::Add,
        Self::Arg,
        Self::Cmd,
        Self::Copy,
        Self::Entrypoint,
        Self::Env,
        Self::Expose,
        Self::From,
        Self::Healthcheck,
        Self::Label,
        Self::Maintainer,
        Self::Onbuild,
        Self::Run,
        Self::Shell,
        Self::StopSignal,
        Self::User,
        Self::Volume,
        Self::Workdir,
    ];

    /// In upper case, as Dockerfiles write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Arg => "ARG",
            Self::Cmd => "CMD",
            Self::Copy => "COPY",
            Self::Entrypoint => "ENTRYPOINT",
            Self::Env => "ENV",
            Self::Expose => "EXPOSE",
            Self::From => "FROM",
            Self::Healthcheck => "HEALTHCHECK",
            Self::Label => "LABEL",
            Self::Maintainer => "MAINTAINER",
            Self::Onbuild => "ONBUILD",
            Self::Run => "RUN",
            Self::Shell => "SHELL",
            Self::StopSignal => "STOPSIGNAL",
            Self::User => "USER",
            Self::Volume => "VOLUME",
            Self::Workdir => "WORKDIR",
        }
    }

    /// The keyword that `text` spells, in any case (LEX-7).
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|keyword| keyword.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
