//! A file as the rules see it: stages, their steps, and the commands in each RUN.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::dockerfile::{
    Command, CommandLine, Dockerfile, Heredoc, Instruction, Span, Word, attach_heredocs, csv_fields, opens_alone,
    parse_trigger,
};
use crate::lint::shell::{Call, Script, ShellWord};

/// The file.
pub(super) struct View<'a> {
    /// Instructions before the first FROM.
    pub(super) globals: Vec<&'a Instruction>,
    pub(super) stages: Vec<Stage<'a>>,
}

/// A stage.
pub(super) struct Stage<'a> {
    pub(super) from: &'a Instruction,
    /// Its name in lower case, if it has one.
    pub(super) name: Option<&'a Word>,
    /// After FROM.
    pub(super) image: &'a Word,
    pub(super) platform: Option<&'a Word>,
    /// The number of the earlier stage that it starts from.
    pub(super) base: Option<usize>,
    pub(super) steps: Vec<Step<'a>>,
}

/// An instruction of a stage, or the trigger that an ONBUILD of it holds.
pub(super) struct Step<'a> {
    /// The instruction in the file.
    pub(super) at: &'a Instruction,
    trigger: Option<Box<Instruction>>,
    /// Of RUN: what it runs. The shell must be one whose language is read here.
    pub(super) run: Option<Run>,
    /// Of RUN in the shell form: a shell in force sets pipefail.
    pub(super) has_pipefail: bool,
}

/// The commands of a RUN.
pub(super) struct Run {
    pub(super) text: String,
    pub(super) script: Script,
    origin: Origin,
    /// Where mounts of type cache or tmpfs lie.
    scratch: Vec<String>,
    /// It is text for a shell, not an exec form.
    pub(super) in_shell: bool,
    /// The program that reads it: `sh`, `bash` …
    pub(super) shell: String,
}

/// Where the text of a RUN stands in the file.
enum Origin {
    /// So many bytes of it are the line of the instruction; what follows are heredocs.
    Line(usize),
    /// It is a body that begins there.
    Body(usize),
    Nowhere,
}

/// The shell in force.
#[derive(Clone)]
struct Shell {
    name: String,
    has_pipefail: bool,
}

impl<'a> View<'a> {
    pub(super) fn of(file: &'a Dockerfile) -> Self {
        let mut view = Self { globals: Vec::new(), stages: Vec::new() };
        let mut shells: Vec<Shell> = Vec::new();
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for at in file.instructions() {
            if let Command::From { platform, image, name } = &at.command {
                // FROM-4: exactly, though names are in lower case.
                let base = names.get(image.text.as_str()).copied();
                if let Some(name) = name {
                    names.insert(&name.text, view.stages.len());
                }
                let inherited = base.and_then(|base| shells.get(base)).cloned();
                shells.push(inherited.unwrap_or(Shell { name: "sh".to_owned(), has_pipefail: false }));
                let (name, platform) = (name.as_ref(), platform.as_ref());
                view.stages.push(Stage { from: at, name, image, platform, base, steps: Vec::new() });
            } else if let (Some(stage), Some(shell)) = (view.stages.last_mut(), shells.last_mut()) {
                if let Command::Shell(words) = &at.command {
                    *shell = Shell::of(words);
                }
                stage.steps.push(Step::of(at, file, shell));
            } else {
                view.globals.push(at);
            }
        }
        view
    }

    /// The stages that the image is made of: the last, the one that it starts from, and so on.
    pub(super) fn final_stages(&self) -> Vec<&Stage<'a>> {
        std::iter::successors(self.stages.last(), |stage| self.stages.get(stage.base?)).collect()
    }
}

impl<'a> Stage<'a> {
    /// Its instructions, triggers not among them.
    pub(super) fn own(&self) -> impl DoubleEndedIterator<Item = &'a Instruction> {
        self.steps.iter().filter(|step| step.trigger.is_none()).map(|step| step.at)
    }
}

impl<'a> Step<'a> {
    fn of(at: &'a Instruction, file: &'a Dockerfile, shell: &Shell) -> Self {
        let trigger = match &at.command {
            Command::Onbuild(onbuild) => parse_trigger(&onbuild.text).ok().map(Box::new),
            _ => None,
        };
        let run = Run::of(trigger.as_deref().unwrap_or(at), trigger.is_none().then_some(file), shell);
        Self { at, trigger, run, has_pipefail: shell.has_pipefail }
    }

    /// What is done, be it later.
    pub(super) fn instruction(&self) -> &Instruction {
        self.trigger.as_deref().unwrap_or(self.at)
    }

    pub(super) fn command(&self) -> &Command {
        &self.instruction().command
    }

    /// A place of the command as a place in the file: in a trigger the whole instruction.
    pub(super) fn place(&self, span: Span) -> Span {
        if self.trigger.is_some() { self.at.span } else { span }
    }

    /// The place of a word of its RUN.
    pub(super) fn place_of(&self, word: &ShellWord, file: &Dockerfile) -> Span {
        self.place_in_run(word.range.clone(), file)
    }

    /// The place of bytes of its RUN.
    pub(super) fn place_in_run(&self, range: Range<usize>, file: &Dockerfile) -> Span {
        let Some(run) = &self.run else { return self.at.span };
        match (&run.origin, &self.at.command) {
            (Origin::Body(start), _) if !range.is_empty() => Span::new(start + range.start, start + range.end),
            (Origin::Line(length), Command::Run { command: CommandLine::Shell(line), .. })
                if self.trigger.is_none() && range.end <= *length && !range.is_empty() =>
            {
                file.locate(line, range)
            }
            _ => self.at.span,
        }
    }
}

impl Shell {
    fn of(words: &[String]) -> Self {
        let program = words.first().map_or("sh", String::as_str);
        let name = program.rsplit(['/', '\\']).next().unwrap_or(program).to_ascii_lowercase();
        let name = name.strip_suffix(".exe").unwrap_or(&name).to_owned();
        Self { name, has_pipefail: words.iter().any(|word| word == "pipefail") }
    }

    fn is_known(name: &str) -> bool {
        matches!(name, "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" | "busybox" | "mksh")
    }
}

impl Run {
    /// `file` where places in it are to be had.
    fn of(instruction: &Instruction, file: Option<&Dockerfile>, shell: &Shell) -> Option<Self> {
        let Command::Run { command, heredocs, mounts, .. } = &instruction.command else { return None };
        let scratch = mounts.iter().filter_map(|mount| scratch(&mount.text)).collect();
        let line = match command {
            CommandLine::Exec(words) => {
                let script = Script::exec(words);
                let (text, shell) = (words.join(" "), shell.name.clone());
                return Some(Self { text, script, origin: Origin::Nowhere, scratch, in_shell: false, shell });
            }
            CommandLine::Shell(line) => line,
        };
        let (text, origin, name) = match heredocs.as_slice() {
            [only] if opens_alone(&line.text) => {
                let name = interpreter(only).unwrap_or_else(|| shell.name.clone());
                let origin = file.and_then(|file| body(file, instruction, only)).map_or(Origin::Nowhere, Origin::Body);
                (only.body.clone(), origin, name)
            }
            several => (attach_heredocs(&line.text, several), Origin::Line(line.text.len()), shell.name.clone()),
        };
        let script = if Shell::is_known(&name) { Script::read(&text) } else { Script::default() };
        Some(Self { text, script, origin, scratch, in_shell: Shell::is_known(&name), shell: name })
    }

    /// Whether what is written below `path` does not stay in the layer.
    pub(super) fn is_scratch(&self, path: &str) -> bool {
        self.scratch
            .iter()
            .any(|target| path == target || path.strip_prefix(target).is_some_and(|rest| rest.starts_with('/')))
    }

    /// Whether a mount like that has `part` in its path.
    pub(super) fn has_scratch_named(&self, part: &str) -> bool {
        self.scratch.iter().any(|target| target.contains(part))
    }

    /// Whether a command of `programs` is called with all of `words` among its operands.
    pub(super) fn calls(&self, programs: &[&str], words: &[&str]) -> bool {
        let has = |call: &Call, word: &str| call.operands(&[]).iter().any(|operand| operand.text == word);
        self.script.of(programs).any(|call| words.iter().all(|word| has(call, word)))
    }

    /// Whether files below `path` are removed.
    pub(super) fn removes(&self, path: &str) -> bool {
        self.script.of(&["rm"]).any(|call| call.operands(&[]).iter().any(|word| word.text.starts_with(path)))
    }
}

/// The program that a body's first line names.
fn interpreter(heredoc: &Heredoc) -> Option<String> {
    let line = heredoc.body.lines().next()?.trim_start_matches('\t').strip_prefix("#!")?;
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let first = words.next()?;
    let program = if first == "env" { words.find(|word| !word.starts_with('-'))? } else { first };
    Some(program.to_owned())
}

/// Where a body begins in the file.
fn body(file: &Dockerfile, instruction: &Instruction, heredoc: &Heredoc) -> Option<usize> {
    let start = instruction.span.start;
    let text = file.text.get(start..)?;
    let at = text.find(&format!("\n{}", heredoc.body))?;
    Some(start + at + 1)
}

/// The target of a mount of type cache or tmpfs.
fn scratch(mount: &str) -> Option<String> {
    let fields = csv_fields(mount)?;
    let value = |names: &[&str]| {
        fields
            .iter()
            .filter_map(|field| field.split_once('='))
            .find(|(name, _)| names.contains(name))
            .map(|(_, value)| value)
    };
    if !matches!(value(&["type"]), Some("cache" | "tmpfs")) {
        return None;
    }
    let target = value(&["target", "dst", "destination"])?.trim_end_matches('/');
    Some(target.to_owned())
}
