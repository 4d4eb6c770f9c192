//! The instructions of one stage, one after the other: what each does to the config, and what is left to do (phase 7).

use std::collections::HashMap;

use crate::dockerfile::{ArgPair, Command, CommandLine, Diagnostic, Instruction, Keyword, Pair, Span, Word};
use crate::image::{DEFAULT_PATH, Healthcheck, ImageConfig, Platform, RunConfig};

use super::budget::PER_TEXT;
use super::expand::{Unset, expand_noting, expand_words};
use super::history::{healthcheck, plain_list, quoted_list};
use super::planner::Planner;
use super::ports::{is_signal, ports};
use super::remarks::RemarkKind;
use super::scope::{Names, Variables};
use super::stages::{error, expansion_error};
use super::{MetaOp, Op, Step, WorkdirOp};

/// An instruction, and where its errors are shown: triggers stand in no file (ONB-3).
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) instruction: &'a Instruction,
    pub(super) at: &'a Instruction,
    pub(super) is_trigger: bool,
}

/// What a stage has come to after some of its instructions.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) variables: Variables,
    /// Names of ARGs declared in the stage or below, in order of their first declaration (RUN-51).
    pub(super) args: Names,
    pub(super) config: RunConfig,
    /// Where in the config's environment each variable is.
    places: HashMap<String, usize>,
    pub(super) author: Option<String>,
    pub(super) platform: Platform,
    /// All variables that the base sets are known.
    pub(super) is_known: bool,
    /// ONBUILDs of the stage itself (ONB-5).
    onbuild: Vec<String>,
    /// A CMD has occurred in the stage itself (ENT-2).
    has_cmd: bool,
    /// A WORKDIR has occurred in the stage or below.
    has_workdir: bool,
}

impl Scope {
    /// FROM-12.
    pub(super) fn scratch(platform: &Platform) -> Self {
        Self::of_image(ImageConfig::scratch(platform), platform)
    }

    /// A stage of whose base nothing is known.
    pub(super) fn unknown(platform: &Platform) -> Self {
        Self { is_known: false, ..Self::scratch(platform) }
    }

    /// FROM-15 to FROM-17.
    pub(super) fn of_image(image: ImageConfig, platform: &Platform) -> Self {
        let mut config = image.config;
        config.on_build.clear();
        let mut scope = Self {
            variables: Variables::default(),
            args: Names::default(),
            config,
            places: HashMap::new(),
            author: Some(image.author).filter(|author| !author.is_empty()),
            platform: platform.clone(),
            is_known: true,
            onbuild: Vec::new(),
            has_cmd: false,
            has_workdir: false,
        };
        scope.ensure_path();
        scope.variables = Variables::of_config(&scope.config.env);
        for (place, entry) in scope.config.env.iter().enumerate() {
            scope.places.entry(name_of(entry).to_owned()).or_insert(place);
        }
        scope
    }

    /// FROM-18.
    pub(super) fn child(&self) -> Self {
        Self { onbuild: Vec::new(), has_cmd: false, ..self.clone() }
    }

    fn ensure_path(&mut self) {
        if !self.config.env.iter().any(|entry| entry.starts_with("PATH=")) {
            self.config.env.push(DEFAULT_PATH.to_owned());
        }
    }

    /// With the stage's own triggers.
    pub(super) fn final_config(&self) -> RunConfig {
        RunConfig { on_build: self.onbuild.clone(), ..self.config.clone() }
    }

    /// How many bytes of text a copy of it takes, about.
    pub(super) fn size(&self) -> usize {
        let RunConfig { labels, exposed_ports, volumes, .. } = &self.config;
        let labels: usize = labels.iter().map(|(name, value)| name.len() + value.len() + PER_TEXT).sum();
        let texts = exposed_ports.len() + volumes.len() + self.args.len() + self.onbuild.len();
        3 * self.variables.size() + labels + PER_TEXT * texts
    }

    /// The working directory; `/` where none is set (FROM-17).
    pub(super) fn cwd(&self) -> &str {
        if self.config.working_dir.is_empty() { "/" } else { &self.config.working_dir }
    }

    /// A command as words: a shell form gets the shell in front (RUN-1, CMD-1).
    pub(super) fn words(&self, command: &CommandLine) -> Vec<String> {
        match command {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(text) => self.in_shell(&text.text),
        }
    }

    /// `text` for the shell in force.
    pub(super) fn in_shell(&self, text: &str) -> Vec<String> {
        let mut words = if self.config.shell.is_empty() {
            vec!["/bin/sh".to_owned(), "-c".to_owned()]
        } else {
            self.config.shell.clone()
        };
        words.push(text.to_owned());
        words
    }

    fn set_env(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        match self.places.get(name).and_then(|place| self.config.env.get_mut(*place)) {
            Some(known) => *known = entry,
            None => {
                self.places.entry(name_of(&entry).to_owned()).or_insert(self.config.env.len());
                self.config.env.push(entry);
            }
        }
        self.variables.set(name, value.to_owned());
    }
}

/// Evaluates the instructions of stage `index`.
pub(super) fn evaluate(
    planner: &Planner<'_>,
    index: usize,
    scope: Scope,
    sources: &[Source<'_>],
    numbers: &[Option<usize>],
) -> Result<(Scope, Vec<Step>), Vec<Diagnostic>> {
    let mut evaluator = Evaluator { planner, index, scope, numbers, ssh_mounts: 0 };
    let mut steps = Vec::new();
    let mut errors = Vec::new();
    for source in sources {
        match evaluator.instruction(*source) {
            Ok((op, created_by)) => steps.push(Step {
                lines: source.at.lines,
                span: source.at.span,
                text: match source.instruction.command {
                    Command::Add(..) => crate::remote::in_source(&source.instruction.original),
                    _ => source.instruction.original.clone(),
                },
                created_by,
                op,
            }),
            Err(found) => errors.push(*found),
        }
        if planner.budget.is_spent() {
            break;
        }
    }
    if errors.is_empty() { Ok((evaluator.scope, steps)) } else { Err(errors) }
}

/// What evaluates one stage.
pub(super) struct Evaluator<'a> {
    pub(super) planner: &'a Planner<'a>,
    pub(super) index: usize,
    pub(super) scope: Scope,
    /// The plan's number of each stage of the file that comes before.
    pub(super) numbers: &'a [Option<usize>],
    pub(super) ssh_mounts: usize,
}

pub(super) type Evaluated<T> = Result<T, Box<Diagnostic>>;

impl Source<'_> {
    /// An error at `span` of the instruction, or at the FROM that runs the trigger.
    pub(super) fn error(&self, code: &'static str, span: Span, message: impl Into<String>) -> Box<Diagnostic> {
        let span = if self.is_trigger { self.at.span } else { span };
        Box::new(error(code, self.at, span, message))
    }
}

impl Evaluator<'_> {
    /// One word of `source`.
    pub(super) fn expand(&self, source: &Source<'_>, word: &Word) -> Evaluated<String> {
        let escape = if source.is_trigger { '\\' } else { self.planner.escape };
        let mut unset = Unset::new();
        let text =
            expand_noting(&word.text, escape, &|name| self.scope.variables.get(name), &mut unset).map_err(|found| {
                let span = if source.is_trigger { source.at.span } else { word.span };
                Box::new(expansion_error(source.at, span, &found))
            })?;
        self.undefined(source, word.span, unset);
        self.charge(source, word.span, 2 * text.len())?;
        Ok(text)
    }

    /// Counts text that the plan comes to.
    pub(super) fn charge(&self, source: &Source<'_>, span: Span, bytes: usize) -> Evaluated<()> {
        self.planner.budget.take(bytes).map_err(|message| source.error("D-16", span, message))
    }

    fn instruction(&mut self, source: Source<'_>) -> Evaluated<(Op, Option<String>)> {
        let meta = |text: String| Ok((Op::Meta(MetaOp), Some(text)));
        match &source.instruction.command {
            Command::Run { command, heredocs, mounts, network, security, devices } => {
                if let Some(device) = devices.first() {
                    return Err(source.error("D-48", device.span, "--device is not supported yet"));
                }
                self.run(&source, (command, heredocs), mounts, (network.as_deref(), security.as_deref()))
            }
            Command::Copy(copying, flags) => self.copy(&source, copying, flags),
            Command::Add(copying, flags) => self.add(&source, copying, flags),
            Command::Workdir(path) => self.workdir(&source, path),
            Command::Arg(args) => self.arg(&source, args),
            Command::Env(pairs) => {
                let pairs = self.pairs(&source, pairs)?;
                for (name, value) in &pairs {
                    self.scope.set_env(name, value);
                }
                meta(format!("ENV {}", joined(&pairs)))
            }
            Command::Label(pairs) => {
                let pairs = self.pairs(&source, pairs)?;
                self.scope.config.labels.extend(pairs.iter().cloned());
                meta(format!("LABEL {}", joined(&pairs)))
            }
            Command::Cmd(command) => {
                self.remark_on_shell_form(&source, command, Keyword::Cmd);
                let words = self.scope.words(command);
                let text = format!("CMD {}", quoted_list(&words));
                self.scope.config.cmd = words;
                // CMD-2
                self.scope.config.args_escaped = true;
                self.scope.has_cmd = true;
                meta(text)
            }
            Command::Entrypoint(command) => {
                self.remark_on_shell_form(&source, command, Keyword::Entrypoint);
                let words = self.scope.words(command);
                let text = format!("ENTRYPOINT {}", quoted_list(&words));
                self.scope.config.entrypoint = words;
                // ENT-2
                if !self.scope.has_cmd {
                    self.scope.config.cmd.clear();
                }
                meta(text)
            }
            Command::Shell(words) => {
                self.scope.config.shell.clone_from(words);
                meta(format!("SHELL {}", plain_list(words)))
            }
            Command::User(user) => {
                let user = self.expand(&source, user)?;
                let text = format!("USER {user}");
                self.scope.config.user = user;
                meta(text)
            }
            Command::StopSignal(signal) => {
                let name = self.expand(&source, signal)?;
                if !is_signal(&name) {
                    return Err(source.error("D-71", signal.span, format!("invalid signal: {name}")));
                }
                let text = format!("STOPSIGNAL {name}");
                self.scope.config.stop_signal = name;
                meta(text)
            }
            Command::Maintainer(author) => {
                self.scope.author = Some(author.clone());
                meta(format!("MAINTAINER {author}"))
            }
            Command::Expose(words) => self.expose(&source, words),
            Command::Volume(words) => {
                let mut volumes = Vec::new();
                for word in words {
                    let path = self.expand(&source, word)?.trim().to_owned();
                    if path.is_empty() {
                        return Err(source.error("D-70", word.span, "VOLUME specified can not be an empty string"));
                    }
                    volumes.push(path);
                }
                self.scope.config.volumes.extend(volumes.iter().cloned());
                meta(format!("VOLUME {}", plain_list(&volumes)))
            }
            Command::Healthcheck { test, interval, timeout, start_period, start_interval, retries } => {
                let check = Healthcheck {
                    test: health_test(test.as_ref()),
                    interval: *interval,
                    timeout: *timeout,
                    start_period: *start_period,
                    start_interval: *start_interval,
                    retries: i64::from(*retries),
                };
                let text = format!("HEALTHCHECK {}", healthcheck(&check));
                self.scope.config.healthcheck = Some(check);
                meta(text)
            }
            Command::Onbuild(onbuild) => {
                self.scope.onbuild.push(onbuild.text.clone());
                Ok((Op::Meta(MetaOp), None))
            }
            Command::From { .. } => {
                Err(source.error("D-77", source.at.span, "FROM isn't allowed as an ONBUILD trigger"))
            }
        }
    }

    /// EXP-12: all see the variables as they were before the instruction.
    fn pairs(&self, source: &Source<'_>, pairs: &[Pair]) -> Evaluated<Vec<(String, String)>> {
        pairs.iter().map(|pair| Ok((self.expand(source, &pair.name)?, self.expand(source, &pair.value)?))).collect()
    }

    /// ARG-3 to ARG-5, ARG-15, EXP-13.
    fn arg(&mut self, source: &Source<'_>, args: &[ArgPair]) -> Evaluated<(Op, Option<String>)> {
        let mut shown = Vec::new();
        for arg in args {
            let name = arg.name.text.as_str();
            let given = self.planner.options.build_args.get(name).cloned();
            let value = match (given, &arg.default) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => Some(self.expand(source, default)?),
                (None, None) => self.planner.stages.globals.get(name),
            };
            let value = self.planner.epoch_text(name, arg.default.is_none()).or(value);
            let kind = RemarkKind::Argument { name: name.to_owned(), value: value.clone() };
            self.remark(source, arg.name.span, kind);
            self.scope.args.add(name);
            shown.push(match &value {
                Some(value) => format!("{name}={value}"),
                None => name.to_owned(),
            });
            if let Some(value) = value {
                self.scope.variables.set(name, value);
            }
        }
        Ok((Op::Meta(MetaOp), Some(format!("ARG {}", shown.join(" ")))))
    }

    /// EXPOSE-2 to EXPOSE-5, EXP-51.
    fn expose(&mut self, source: &Source<'_>, words: &[Word]) -> Evaluated<(Op, Option<String>)> {
        let mut sorted: Vec<&Word> = words.iter().collect();
        sorted.sort_by(|a, b| a.text.cmp(&b.text));
        let mut exposed = Vec::new();
        for word in sorted {
            let mut unset = Unset::new();
            let lookup = |name: &str| self.scope.variables.get(name);
            let found = expand_words(&word.text, self.planner.escape, &lookup, &mut unset)
                .map_err(|found| Box::new(expansion_error(source.at, word.span, &found)))?;
            self.undefined(source, word.span, unset);
            for text in found {
                self.remark(source, word.span, RemarkKind::Exposed(text.clone()));
                let found = ports(&text).map_err(|message| source.error("D-69", word.span, message))?;
                self.charge(source, word.span, 2 * PER_TEXT * found.len())?;
                exposed.extend(found);
            }
        }
        self.scope.config.exposed_ports.extend(exposed.iter().cloned());
        Ok((Op::Meta(MetaOp), Some(format!("EXPOSE {}", plain_list(&exposed)))))
    }

    /// WORKDIR-2 to WORKDIR-4.
    fn workdir(&mut self, source: &Source<'_>, word: &Word) -> Evaluated<(Op, Option<String>)> {
        let path = self.expand(source, word)?;
        if !std::mem::replace(&mut self.scope.has_workdir, true) && !path.starts_with('/') {
            self.remark(source, word.span, RemarkKind::RelativeWorkdir(path.clone()));
        }
        let path = if path.starts_with('/') { path } else { super::path::absolute(self.scope.cwd(), &path) };
        // To clean a path takes several times as long as to copy it.
        self.charge(source, word.span, 10 * path.len())?;
        self.scope.config.working_dir.clone_from(&path);
        let text = format!("WORKDIR {path}");
        if path == "/" {
            return Ok((Op::Meta(MetaOp), Some(text)));
        }
        let user = self.scope.config.user.clone();
        Ok((Op::Workdir(WorkdirOp { path, user }), Some(text)))
    }
}

/// The name in an entry `NAME=value`.
fn name_of(entry: &str) -> &str {
    entry.split('=').next().unwrap_or_default()
}

/// HC-2; SHELL has no part in it (SHELL-2).
fn health_test(test: Option<&CommandLine>) -> Vec<String> {
    match test {
        None => vec!["NONE".to_owned()],
        Some(CommandLine::Shell(line)) => vec!["CMD-SHELL".to_owned(), line.text.clone()],
        Some(CommandLine::Exec(words)) => [&["CMD".to_owned()], &words[..]].concat(),
    }
}

/// `A=1 B=2` (ENV-5).
fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
