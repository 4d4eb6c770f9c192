use std::collections::BTreeMap;

use crate::dockerfile::{Command, Diagnostic, Instruction};
use crate::image::{ImageConfig, Platform, Reference};

use super::graph::links;
use super::outline::Outline;
use super::place::{Place, Problem, suggest};
use super::{BaseError, Bases, Found, ImageId, PlanOptions};

/// A stage that the target needs, with its base resolved (DIAG-2, phase 6).
pub(super) struct Reached {
    pub(super) base: Base,
    /// Whether a named context stands in for the stage: its instructions are not run (FROM-8).
    pub(super) replaced: bool,
    /// ONBUILD triggers to run first, in order (ONB-3).
    pub(super) triggers: Vec<Trigger>,
}

/// What a stage starts from, and the platform it gets from that; a stage hands on its own (FROM-11).
pub(super) enum Base {
    Scratch(Platform),
    Image(ImageId, Box<ImageConfig>, Platform),
    Directory(String, Platform),
    Stage(usize),
}

/// An instruction that a base asks its children to run.
pub(super) struct Trigger {
    pub(super) text: String,
    pub(super) instruction: Instruction,
}

/// What stands in for each stage, by its name (NCTX-2); errors count only for stages that are reached.
pub(super) type Replacements = Vec<Option<Result<Found, BaseError>>>;

/// Looks the names of all stages up among the named contexts.
pub(super) fn replacements(outline: &Outline<'_>, options: &PlanOptions, bases: &dyn Bases) -> Replacements {
    let look_up = |name| bases.context(name, &options.platform).transpose();
    outline.stages.iter().map(|stage| stage.name.filter(|name| !is_reserved(name)).and_then(look_up)).collect()
}

/// Names that are never looked up among the named contexts (NCTX-2).
fn is_reserved(name: &str) -> bool {
    name == "scratch" || name == "context"
}

/// What `name` is, where it is no stage: a named context, `scratch` or an image. The flag tells a context (NCTX-5).
pub(super) fn find(bases: &dyn Bases, name: &str, platform: &Platform) -> Result<(Found, bool), Problem> {
    let failed = |error: BaseError| Problem { code: "D-27", message: error.message, help: error.help };
    if !is_reserved(name)
        && let Some(found) = bases.context(name, platform).map_err(failed)?
    {
        return Ok((found, true));
    }
    if name == "scratch" {
        return Ok((Found::Scratch, false));
    }
    let reference: Reference = name.parse().map_err(|_| {
        Problem::new("D-26", format!("failed to parse stage name \"{name}\": invalid reference format"))
    })?;
    bases.image(&reference, platform).map(|found| (found, false)).map_err(failed)
}

/// Everything that `target` needs, by number in the file (FROM-19).
pub(super) fn reach(
    outline: &Outline<'_>,
    replacements: &Replacements,
    target: usize,
    options: &PlanOptions,
    bases: &dyn Bases,
) -> Result<BTreeMap<usize, Reached>, Vec<Diagnostic>> {
    let mut reached = BTreeMap::new();
    let mut failed = BTreeMap::new();
    let mut wanted = vec![target];
    while let Some(index) = wanted.pop() {
        if reached.contains_key(&index) || failed.contains_key(&index) {
            continue;
        }
        let resolved = resolve(outline, replacements, index, options, bases).and_then(|stage| {
            let linked = linked(outline, index, &stage)?;
            Ok((stage, linked))
        });
        match resolved {
            Ok((stage, linked)) => {
                wanted.extend(linked);
                reached.insert(index, stage);
            }
            Err(error) => {
                failed.insert(index, error);
            }
        }
    }
    if failed.is_empty() { Ok(reached) } else { Err(failed.into_values().collect()) }
}

/// The stages that a reached stage needs.
fn linked(outline: &Outline<'_>, index: usize, stage: &Reached) -> Result<Vec<usize>, Diagnostic> {
    let mut linked = Vec::new();
    if let Base::Stage(base) = stage.base {
        linked.push(base);
    }
    if stage.replaced {
        return Ok(linked);
    }
    let header = &outline.stages[index];
    for instruction in &header.body {
        linked.extend(links(outline, instruction, Place::of(instruction))?.iter().map(|link| link.stage));
    }
    for trigger in &stage.triggers {
        let place = Place::trigger(header.from, &trigger.text);
        linked.extend(links(outline, &trigger.instruction, place)?.iter().map(|link| link.stage));
    }
    Ok(linked)
}

fn resolve(
    outline: &Outline<'_>,
    replacements: &Replacements,
    index: usize,
    options: &PlanOptions,
    bases: &dyn Bases,
) -> Result<Reached, Diagnostic> {
    let header = &outline.stages[index];
    let place = Place::of(header.from);
    if let Some(found) = &replacements[index] {
        let found = found
            .clone()
            .map_err(|error| place.error(Problem { code: "D-27", message: error.message, help: error.help }))?;
        let base = based(found, true, &options.platform);
        return Ok(Reached { base, replaced: true, triggers: Vec::new() });
    }
    let base = match outline.base(index) {
        Some(base) => Base::Stage(base),
        None if header.image == "scratch" => Base::Scratch(options.platform.clone()),
        None => {
            let wanted = header.platform.as_ref().unwrap_or(&options.platform);
            let (found, context) = find(bases, &header.image, wanted).map_err(|problem| {
                let help = stage_hint(outline, index).or(problem.help);
                place.error_at(place.of_word(header.image_word), Problem { help, ..problem })
            })?;
            based(found, context, wanted)
        }
    };
    let texts = match &base {
        Base::Image(_, config, _) => config.config.on_build.clone(),
        Base::Stage(parent) => match &replacements[*parent] {
            Some(Ok(Found::Image(_, config))) => config.config.on_build.clone(),
            Some(_) => Vec::new(),
            None => onbuild_texts(&outline.stages[*parent].body),
        },
        _ => Vec::new(),
    };
    let triggers = texts.into_iter().map(|text| trigger(text, header.from)).collect::<Result<_, _>>()?;
    Ok(Reached { base, replaced: false, triggers })
}

fn based(found: Found, context: bool, wanted: &Platform) -> Base {
    match found {
        Found::Image(id, config) => {
            let named = context && !config.os.is_empty() && !config.architecture.is_empty();
            let platform = if named { config.platform() } else { wanted.clone() };
            Base::Image(id, config, platform)
        }
        Found::Directory(name) => Base::Directory(name, wanted.clone()),
        Found::Scratch => Base::Scratch(wanted.clone()),
    }
}

/// An image that is not there may be a stage written in other letters (FROM-4), or with a slip.
fn stage_hint(outline: &Outline<'_>, index: usize) -> Option<String> {
    let image = &outline.stages[index].image;
    let earlier = || outline.stages[..index].iter().filter_map(|stage| stage.name);
    earlier()
        .find(|name| name.eq_ignore_ascii_case(image))
        .map(|name| format!("names of stages are in lower case here: `FROM {name}`"))
        .or_else(|| suggest(image, earlier()))
}

fn onbuild_texts(body: &[&Instruction]) -> Vec<String> {
    body.iter()
        .filter_map(|instruction| match &instruction.command {
            Command::Onbuild(onbuild) => Some(onbuild.text.clone()),
            _ => None,
        })
        .collect()
}

/// ONB-3, D-78, D-79: a trigger's mistakes are shown at the FROM that runs it.
fn trigger(text: String, from: &Instruction) -> Result<Trigger, Diagnostic> {
    let place = Place::trigger(from, &text);
    let wrong = |code, message: String| place.error(Problem::new(code, message));
    let instruction = parse_trigger(&text).map_err(|inner| {
        let error = wrong(inner.code, inner.message);
        match inner.help {
            Some(help) => error.help(help),
            None => error,
        }
    })?;
    if let Command::From { .. } | Command::Maintainer(_) = instruction.command {
        return Err(wrong("D-77", format!("{} isn't allowed as an ONBUILD trigger", instruction.keyword)));
    }
    Ok(Trigger { text, instruction })
}

/// Reads the text of a trigger.
fn parse_trigger(text: &str) -> Result<Instruction, Diagnostic> {
    Err(Diagnostic::nowhere("D-78", format!("the trigger `{text}` cannot be read")))
}
