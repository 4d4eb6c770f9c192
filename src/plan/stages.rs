//! The stages of the file and how they hang together (FROM-1 to FROM-23), before any instruction is evaluated.

use std::borrow::Cow;

use crate::dockerfile::{Command, Diagnostic, Dockerfile, Instruction, Span, Word, suggest};
use crate::image::Platform;

use super::PlanOptions;
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
}

/// All stages, the global scope, and which stage is wanted.
#[derive(Debug)]
pub(super) struct Stages<'a> {
    pub(super) all: Vec<Definition<'a>>,
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
        for instruction in file.instructions() {
            match (&instruction.command, all.last_mut()) {
                (Command::From { platform, image, name }, _) => {
                    match define(&all, instruction, (platform.as_ref(), image, name.as_ref()), &globals, remarks) {
                        Ok(found) => all.push(found),
                        Err(found) => errors.push(*found),
                    }
                }
                (Command::Arg(args), None) => {
                    globals.declare(instruction, args, options, &mut errors, remarks);
                }
                (_, Some(stage)) => stage.own.push(instruction),
                (_, None) => {}
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let stages = Self { target: 0, all, globals };
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
        let lower = name.to_lowercase();
        self.all.iter().rposition(|stage| stage.name.as_ref() == Some(&lower))
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
        let mut errors = Vec::new();
        for index in 0..self.all.len() {
            for (to, span, instruction) in forward(index) {
                if self.reaches(*to, index, &links) {
                    let label = self.all[*to].label();
                    let message = format!("circular dependency detected on stage: {label}");
                    errors.push(error("D-29", instruction, *span, message));
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn reaches(&self, start: usize, goal: usize, links: &[Vec<(usize, Span, &Instruction)>]) -> bool {
        let mut seen = vec![false; self.all.len()];
        let mut todo = vec![start];
        while let Some(at) = todo.pop() {
            if at == goal {
                return true;
            }
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            if let BaseName::Stage(below) = self.all[at].base {
                todo.push(below);
            }
            todo.extend(links[at].iter().map(|(to, _, _)| *to));
        }
        false
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
    earlier: &[Definition<'a>],
    from: &'a Instruction,
    (platform, image, name): (Option<&'a Word>, &'a Word, Option<&'a Word>),
    globals: &Globals,
    remarks: &Remarks,
) -> Result<Definition<'a>, Box<Diagnostic>> {
    let expanded = |word: &Word| {
        let result = globals.expand(from, word, remarks);
        result.map_err(|found| Box::new(expansion_error(from, word.span, &found)))
    };
    globals.check_default(from, image, earlier.iter().filter_map(|stage| stage.name.as_deref()), remarks);
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
    let stage = earlier.iter().rposition(|stage| stage.name.as_deref() == Some(base_name.as_str()));
    let base = match stage {
        Some(stage) => BaseName::Stage(stage),
        None if base_name == "scratch" => BaseName::Scratch,
        None => BaseName::Other(base_name.clone()),
    };
    let name = name.map(|name| name.text.clone());
    Ok(Definition { index: earlier.len(), name, from, image, base, base_name, platform, own: Vec::new() })
}
