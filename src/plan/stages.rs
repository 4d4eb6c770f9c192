//! The stages of the file and how they hang together (FROM-1 to FROM-23), before any instruction is evaluated.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::dockerfile::{Command, Diagnostic, Dockerfile, Instruction, Span, Word, suggest};
use crate::image::Platform;

use super::PlanOptions;
use super::budget::PER_STAGE;
use super::circles::circles;
use super::expand::ExpandError;
use super::globals::Globals;
use super::mounts::from_of;
use super::remarks::Remarks;

/// What FROM names, as far as the file alone tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum BaseName {
    /// An earlier stage.
    Stage(usize),
    /// The empty image.
    Scratch,
    /// A named context or an image.
    Other(String),
}

/// A stage as it is written.
#[derive(Debug)]
pub(super) struct Definition<'a> {
    pub(super) index: usize,
    /// In lower case.
    pub(super) name: Option<String>,
    pub(super) from: &'a Instruction,
    pub(super) image: &'a Word,
    pub(super) base: BaseName,
    pub(super) base_name: String,
    pub(super) platform: Option<Platform>,
    pub(super) own: Vec<&'a Instruction>,
    /// The texts of its ONBUILDs.
    pub(super) onbuild: Vec<&'a str>,
}

/// All stages, the global scope, and which stage is wanted.
#[derive(Debug)]
pub(super) struct Stages<'a> {
    pub(super) all: Vec<Definition<'a>>,
    /// The last stage of each name, in lower case.
    names: HashMap<String, usize>,
    pub(super) globals: Globals,
    pub(super) target: usize,
}

/// An error at a place of an instruction.
pub(super) fn error(
    code: impl Into<Cow<'static, str>>,
    at: &Instruction,
    span: Span,
    message: impl Into<String>,
) -> Diagnostic {
    Diagnostic::error(code, span, at.lines, message)
}

/// D-16 and D-17.
pub(super) fn expansion_error(at: &Instruction, span: Span, found: &ExpandError) -> Diagnostic {
    let code = if matches!(found, ExpandError::Required { .. }) { "D-17" } else { "D-16" };
    error(code, at, span, found.to_string())
}

impl Definition<'_> {
    /// Whether it starts from nothing.
    pub(super) fn is_scratch(&self) -> bool {
        self.base == BaseName::Scratch
    }

    /// How people see it (FROM-23).
    pub(super) fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("stage-{}", self.index))
    }
}

impl<'a> Stages<'a> {
    /// Reads FROM lines and global ARGs, and finds the target.
    pub(super) fn read(
        file: &'a Dockerfile,
        options: &PlanOptions,
        remarks: &Remarks,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut globals = Globals::new(options, &target_stage(file, options), file.escape);
        let mut all: Vec<Definition<'a>> = Vec::new();
        let mut names = HashMap::new();
        for instruction in file.instructions() {
            match (&instruction.command, all.last_mut()) {
                (Command::From { platform, image, name }, _) => {
                    if let Err(message) = globals.budget.take(PER_STAGE) {
                        errors.push(error("D-16", instruction, image.span, message));
                        break;
                    }
                    let words = (platform.as_ref(), image, name.as_ref());
                    match define(all.len(), &names, instruction, words, &globals, remarks) {
                        Ok(found) => {
                            names.extend(found.name.clone().map(|name| (name, found.index)));
                            all.push(found);
                        }
                        Err(found) => errors.push(*found),
                    }
                }
                (Command::Arg(args), None) => {
                    globals.declare(instruction, args, options, &mut errors, remarks);
                }
                (command, Some(stage)) => {
                    stage.own.push(instruction);
                    if let Command::Onbuild(onbuild) = command {
                        stage.onbuild.push(&onbuild.text);
                    }
                }
                (_, None) => {}
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let stages = Self { target: 0, all, names, globals };
        let target = stages.find_target(options.target.as_deref()).map_err(|found| vec![*found])?;
        stages.check_cycles()?;
        Ok(Self { target, ..stages })
    }

    /// FROM-20.
    fn find_target(&self, wanted: Option<&str>) -> Result<usize, Box<Diagnostic>> {
        let last = self.all.len().saturating_sub(1);
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else { return Ok(last) };
        self.named(wanted).ok_or_else(|| {
            let found = Diagnostic::nowhere("D-28", format!("target stage \"{wanted}\" could not be found"));
            let names = self.all.iter().filter_map(|stage| stage.name.as_deref());
            let help = suggest(wanted, names.clone()).map_or_else(
                || format!("the stages with names are: {}", names.collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            Box::new(found.help(help))
        })
    }

    /// The last stage of a name, in any case (FROM-6).
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(&name.to_lowercase()).copied()
    }

    /// The stage that COPY's `--from` names, by name or number (COPY-11). A number that is too great is an error.
    pub(super) fn copied_from(&self, from: &str) -> Result<Option<usize>, String> {
        if let Some(named) = self.named(from) {
            return Ok(Some(named));
        }
        let Ok(number) = from.parse::<i64>() else { return Ok(None) };
        match usize::try_from(number) {
            Ok(index) if index < self.all.len() => Ok(Some(index)),
            _ => Err(format!("invalid stage index {number}")),
        }
    }

    /// Stages that one instruction reads, each with what names it.
    pub(super) fn links(&self, instruction: &Instruction) -> Vec<(usize, Span)> {
        match &instruction.command {
            Command::Copy(_, flags) => {
                let from = flags.from.as_ref();
                from.and_then(|from| Some((self.copied_from(&from.text).ok()??, from.span))).into_iter().collect()
            }
            Command::Run { mounts, .. } => {
                mounts.iter().filter_map(|mount| Some((self.named(&from_of(&mount.text)?)?, mount.span))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// FROM-21. References that go backwards in the file cannot close a circle, so nothing is done where all do.
    fn check_cycles(&self) -> Result<(), Vec<Diagnostic>> {
        let links: Vec<Vec<(usize, Span, &Instruction)>> = self
            .all
            .iter()
            .map(|stage| {
                let of = |instruction: &&'a Instruction| {
                    let instruction: &Instruction = instruction;
                    self.links(instruction).into_iter().map(move |(to, span)| (to, span, instruction))
                };
                stage.own.iter().flat_map(of).collect()
            })
            .collect();
        let forward = |index: usize| links[index].iter().filter(move |(to, _, _)| *to >= index);
        if (0..self.all.len()).all(|index| forward(index).next().is_none()) {
            return Ok(());
        }
        let below = |stage: &Definition<'_>| match stage.base {
            BaseName::Stage(below) => Some(below),
            BaseName::Scratch | BaseName::Other(_) => None,
        };
        let edges: Vec<Vec<usize>> = links
            .iter()
            .zip(&self.all)
            .map(|(links, stage)| links.iter().map(|(to, _, _)| *to).chain(below(stage)).collect())
            .collect();
        let circles = circles(&edges);
        let mut errors = Vec::new();
        for index in 0..self.all.len() {
            for (to, span, instruction) in forward(index).filter(|(to, _, _)| circles[*to] == circles[index]) {
                let label = self.all[*to].label();
                let message = format!("circular dependency detected on stage: {label}");
                errors.push(error("D-29", instruction, *span, message));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// `TARGETSTAGE` (ARG-10).
fn target_stage(file: &Dockerfile, options: &PlanOptions) -> String {
    if let Some(target) = options.target.as_ref().filter(|target| !target.is_empty()) {
        return target.clone();
    }
    let last = file.instructions().filter_map(|found| match &found.command {
        Command::From { name, .. } => Some(name.as_ref().map(|name| name.text.clone())),
        _ => None,
    });
    last.last().flatten().unwrap_or_else(|| "default".to_owned())
}

fn define<'a>(
    index: usize,
    earlier: &HashMap<String, usize>,
    from: &'a Instruction,
    (platform, image, name): (Option<&'a Word>, &'a Word, Option<&'a Word>),
    globals: &Globals,
    remarks: &Remarks,
) -> Result<Definition<'a>, Box<Diagnostic>> {
    let expanded = |word: &Word| {
        let result = globals.expand(from, word, remarks);
        result.map_err(|found| Box::new(expansion_error(from, word.span, &found)))
    };
    globals.check_default(from, image, |name| earlier.contains_key(name), remarks);
    let base_name = expanded(image)?;
    if base_name.is_empty() {
        let found = error("D-23", from, image.span, format!("base name ({}) should not be blank", image.text));
        return Err(Box::new(found.help("give the ARG a default before the first FROM, or pass `--build-arg`")));
    }
    let platform = match platform {
        None => None,
        Some(word) => {
            let text = expanded(word)?;
            if text.is_empty() {
                let message = format!("empty platform value from expression {}", word.text);
                return Err(Box::new(error("D-24", from, word.span, message)));
            }
            let parsed = text.parse::<Platform>();
            Some(parsed.map_err(|found| {
                Box::new(
                    error("D-25", from, word.span, format!("failed to parse platform {text}")).note(found.to_string()),
                )
            })?)
        }
    };
    // FROM-4: the comparison is exact, with names in lower case.
    let stage = earlier.get(&base_name).copied();
    let base = match stage {
        Some(stage) => BaseName::Stage(stage),
        None if base_name == "scratch" => BaseName::Scratch,
        None => BaseName::Other(base_name.clone()),
    };
    let name = name.map(|name| name.text.clone());
    Ok(Definition { index, name, from, image, base, base_name, platform, own: Vec::new(), onbuild: Vec::new() })
}
