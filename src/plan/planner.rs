//! Which stages the target needs, what they start from, and their evaluation in file order.

use std::borrow::Cow;

use crate::dockerfile::{Diagnostic, Dockerfile, Instruction, parse_trigger};
use crate::image::{ImageConfig, Platform, Reference};

use super::budget::{Budget, PER_TEXT};
use super::epoch::EPOCH;
use super::evaluate::{Scope, Source, evaluate};
use super::remarks::{RemarkKind, Remarks};
use super::scope::proxies;
use super::stages::{BaseName, Definition, Stages, error};
use super::{BaseError, BaseRef, Bases, CopyFrom, Found, MountFrom, Plan, PlanOptions, Stage, Step, Unplanned};

/// Makes the plan of one build.
///
/// # Errors
/// What is wrong with the Dockerfile or the options, all of one phase.
pub fn plan(file: &Dockerfile, options: &PlanOptions, bases: &dyn Bases) -> Result<Plan, Unplanned> {
    let remarks = Remarks::default();
    match stages(file, options, bases, &remarks) {
        Ok((stages, epoch)) => {
            let target = stages.len().saturating_sub(1);
            Ok(Plan { stages, target, remarks: remarks.take(), epoch })
        }
        Err(errors) => Err(Unplanned { errors, remarks: remarks.take() }),
    }
}

/// The stages of a plan, and the epoch.
fn stages(
    file: &Dockerfile,
    options: &PlanOptions,
    bases: &dyn Bases,
    remarks: &Remarks,
) -> Result<(Vec<Stage>, Option<i64>), Vec<Diagnostic>> {
    let stages = Stages::read(file, options, remarks)?;
    let (stages, escape) = (&stages, file.escape);
    let budget = Budget::default();
    let planner = Planner { stages, options, bases, escape, proxies: proxies(options), epoch: None, remarks, budget };
    let epoch = planner.find_epoch()?;
    Ok((Planner { epoch, ..planner }.plan()?, epoch))
}

/// What a trigger costs besides its text: it becomes a syntax tree in every stage that runs it.
const PER_TRIGGER: usize = 10 * PER_TEXT;

/// What the evaluation of every stage needs.
pub(super) struct Planner<'a> {
    pub(super) stages: &'a Stages<'a>,
    pub(super) options: &'a PlanOptions,
    pub(super) bases: &'a dyn Bases,
    pub(super) escape: char,
    pub(super) proxies: Vec<String>,
    epoch: Option<i64>,
    pub(super) remarks: &'a Remarks,
    pub(super) budget: Budget,
}

/// What a needed stage starts from.
struct Resolved {
    base: Base,
    platform: Platform,
    /// Triggers of ONBUILD, run before the stage's own instructions.
    triggers: Vec<Instruction>,
    /// A named context stands in for the whole stage (FROM-8).
    replaced: bool,
}

enum Base {
    Stage(usize),
    Found(Found),
}

impl<'a> Planner<'a> {
    fn plan(&self) -> Result<Vec<Stage>, Vec<Diagnostic>> {
        let count = self.stages.all.len();
        let mut needed = vec![self.options.every_stage; count];
        let mut resolved: Vec<Option<Resolved>> = (0..count).map(|_| None).collect();
        needed[self.stages.target] = true;
        let mut errors = Vec::new();
        // Whatever a stage may read comes before it in the file: one pass backwards finds all that is needed.
        for index in (0..=self.stages.target).rev().filter(|_| count > 0) {
            if !needed[index] {
                continue;
            }
            match self.resolve(&self.stages.all[index]) {
                Ok(found) => {
                    if let Base::Stage(below) = found.base {
                        needed[below] = true;
                    }
                    let own = self.stages.all[index].own.iter().copied().filter(|_| !found.replaced);
                    for instruction in found.triggers.iter().chain(own) {
                        for (other, _) in self.stages.links(instruction) {
                            if other < index {
                                needed[other] = true;
                            }
                        }
                    }
                    resolved[index] = Some(found);
                }
                Err(found) => errors.push(*found),
            }
            if self.budget.is_spent() {
                break;
            }
        }
        if !errors.is_empty() {
            errors.reverse();
            return Err(errors);
        }
        let mut numbers: Vec<Option<usize>> = vec![None; count];
        let mut scopes: Vec<Option<Scope>> = vec![None; count];
        let mut planned = Vec::new();
        for (index, found) in resolved.into_iter().enumerate() {
            let Some(found) = found else { continue };
            match self.stage(index, found, &numbers, &scopes) {
                Ok((stage, scope)) => {
                    numbers[index] = Some(planned.len());
                    scopes[index] = Some(scope);
                    planned.push(stage);
                }
                Err(found) => errors.extend(found),
            }
            if self.budget.is_spent() {
                break;
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if let Some(last) = planned.last_mut() {
            last.config.labels.extend(self.options.labels.iter().cloned());
        }
        Ok(planned)
    }

    /// The steps of a stage that starts from nothing and reads no other.
    pub(super) fn alone(&self, index: usize) -> Result<Vec<Step>, Vec<Diagnostic>> {
        let (base, platform) = (Base::Found(Found::Scratch), self.options.platform.clone());
        let resolved = Resolved { base, platform, triggers: Vec::new(), replaced: false };
        let numbers = vec![None; self.stages.all.len()];
        // What it says is remarked on when the stage is planned.
        let remarks = Remarks::default();
        let planner = Planner { remarks: &remarks, proxies: self.proxies.clone(), budget: Budget::default(), ..*self };
        Ok(planner.stage(index, resolved, &numbers, &[])?.0.steps)
    }

    /// What an ARG of this `name` gives instead of the text given, if it is the epoch: its number (ARG-13). A default
    /// in the stage counts only where no build argument is.
    pub(super) fn epoch_text(&self, name: &str, inherits: bool) -> Option<String> {
        let given = name == EPOCH && (inherits || self.options.build_args.contains_key(EPOCH));
        self.epoch.filter(|_| given).map(|epoch| epoch.to_string())
    }

    /// Phase 6: the base and its triggers.
    fn resolve(&self, stage: &Definition<'a>) -> Result<Resolved, Box<Diagnostic>> {
        let platform = stage.platform.clone().unwrap_or_else(|| self.options.platform.clone());
        let failed = |found: &BaseError| {
            let at = error("D-27", stage.from, stage.image.span, found.message.clone());
            Box::new(Diagnostic { help: found.help.clone(), ..at })
        };
        if let Some(name) = &stage.name
            && !matches!(name.as_str(), "scratch" | "context")
            && let Some(found) = self.bases.context(name, &platform).map_err(|found| failed(&found))?
        {
            let platform = platform_of(&found, platform);
            return Ok(Resolved { base: Base::Found(found), platform, triggers: Vec::new(), replaced: true });
        }
        let found = match &stage.base {
            BaseName::Stage(below) => {
                let below = &self.stages.all[*below];
                let triggers = self.triggers(stage, &below.onbuild)?;
                // The stage's own platform is its base's (FROM-11).
                return Ok(Resolved { base: Base::Stage(below.index), platform, triggers, replaced: false });
            }
            BaseName::Scratch => Found::Scratch,
            BaseName::Other(name) => {
                if let Some(found) = self.bases.context(name, &platform).map_err(|found| failed(&found))? {
                    found
                } else {
                    let reference = name.parse::<Reference>().map_err(|_| {
                        let message = format!("failed to parse stage name \"{name}\": invalid reference format");
                        let at = error("D-26", stage.from, stage.image.span, message);
                        let lower = name.to_lowercase();
                        let help = if lower.parse::<Reference>().is_ok() {
                            format!("image names are in lower case: `{lower}`")
                        } else {
                            "an image is named `NAME[:TAG]`".to_owned()
                        };
                        Box::new(at.help(help))
                    })?;
                    self.bases.image(&reference, &platform).map_err(|found| failed(&found))?
                }
            }
        };
        let triggers = match &found {
            Found::Image(_, config) => self.triggers(stage, &config.config.on_build)?,
            _ => Vec::new(),
        };
        // FROM-11: a platform means nothing to an empty base.
        let asked = if stage.base == BaseName::Scratch { self.options.platform.clone() } else { platform };
        let platform = platform_of(&found, asked.clone());
        if (&platform.os, &platform.architecture) != (&asked.os, &asked.architecture) {
            let image = stage.base_name.clone();
            let kind = RemarkKind::OtherPlatform { image, found: platform.clone(), wanted: asked };
            self.remarks.add(stage.from, stage.image.span, kind);
        }
        Ok(Resolved { base: Base::Found(found), platform, triggers, replaced: false })
    }

    /// Phase 7: one stage.
    fn stage(
        &self,
        index: usize,
        found: Resolved,
        numbers: &[Option<usize>],
        scopes: &[Option<Scope>],
    ) -> Result<(Stage, Scope), Vec<Diagnostic>> {
        let definition = &self.stages.all[index];
        let (base, scope) = match found.base {
            Base::Stage(below) => {
                let Some((number, scope)) = numbers[below].zip(scopes[below].as_ref()) else {
                    // The stage below has errors of its own, which are told.
                    return Err(Vec::new());
                };
                (BaseRef::Stage(number), scope.child())
            }
            Base::Found(Found::Scratch) => (BaseRef::Scratch, Scope::scratch(&found.platform)),
            Base::Found(Found::Directory(name)) => (BaseRef::Directory(name), Scope::scratch(&found.platform)),
            Base::Found(Found::Unknown(id)) => (BaseRef::Image(id), Scope::unknown(&found.platform)),
            Base::Found(Found::Image(id, config)) => (BaseRef::Image(id), Scope::of_image(*config, &found.platform)),
        };
        self.budget
            .take(scope.size())
            .map_err(|message| vec![error("D-16", definition.from, definition.from.span, message)])?;
        let own = definition.own.iter().copied().filter(|_| !found.replaced);
        let sources: Vec<Source<'_>> = found
            .triggers
            .iter()
            .map(|instruction| Source { instruction, at: definition.from, is_trigger: true })
            .chain(own.map(|instruction| Source { instruction, at: instruction, is_trigger: false }))
            .collect();
        let (scope, steps) = evaluate(self, index, scope, &sources, numbers)?;
        let stage = Stage {
            name: definition.label(),
            index,
            base,
            platform: scope.platform.clone(),
            steps,
            config: scope.final_config(),
            author: scope.author.clone(),
            lines: definition.from.lines,
            span: definition.from.span,
            base_name: definition.base_name.clone(),
        };
        Ok((stage, scope))
    }

    /// What a `--from` that names no stage means (COPY-11, RUN-38).
    pub(super) fn outside(&self, name: &str, platform: &Platform) -> Result<Found, BaseError> {
        if name == "scratch" {
            return Ok(Found::Scratch);
        }
        if let Some(found) = self.bases.context(name, platform)? {
            return Ok(found);
        }
        let reference = name.parse::<Reference>().map_err(|_| BaseError {
            message: format!("failed to parse stage name \"{name}\": invalid reference format"),
            help: Some("name a stage, a named context or an image".to_owned()),
        })?;
        self.bases.image(&reference, platform)
    }

    /// ONB-3: the texts as instructions.
    fn triggers(&self, stage: &Definition<'_>, texts: &[impl AsRef<str>]) -> Result<Vec<Instruction>, Box<Diagnostic>> {
        let at = |code: Cow<'static, str>, message| error(code, stage.from, stage.image.span, message);
        let parsed = texts.iter().map(AsRef::as_ref).map(|text: &str| {
            let cost = text.len() + PER_TRIGGER;
            self.budget.take(cost).map_err(|message| Box::new(at("D-16".into(), message)))?;
            parse_trigger(text).map_err(|found| {
                let shown = Diagnostic { help: found.help, ..at(found.code, found.message) };
                Box::new(shown.note(format!("in the base's trigger `ONBUILD {text}`")))
            })
        });
        parsed.collect()
    }
}

impl From<Found> for CopyFrom {
    fn from(found: Found) -> Self {
        match found {
            Found::Image(id, _) | Found::Unknown(id) => Self::Image(id),
            Found::Directory(name) => Self::Directory(name),
            Found::Scratch => Self::Empty,
        }
    }
}

impl From<Found> for MountFrom {
    fn from(found: Found) -> Self {
        match found {
            Found::Image(id, _) | Found::Unknown(id) => Self::Image(id),
            Found::Directory(name) => Self::Directory(name),
            Found::Scratch => Self::Empty,
        }
    }
}

/// NCTX-5: an image says itself what it is for.
fn platform_of(found: &Found, asked: Platform) -> Platform {
    match found {
        Found::Image(_, config) if !config.os.is_empty() && !config.architecture.is_empty() => {
            ImageConfig::platform(config)
        }
        _ => asked,
    }
}
