use crate::dockerfile::{Command, Diagnostic, Instruction};
use crate::image::{Healthcheck, ImageConfig};

use super::place::Place;
use super::reach::{Base, Reached};
use super::run::Run;
use super::state::{Shared, Site, State};
use super::{BaseRef, MetaOp, Op, Stage, Step, WorkdirOp, config, copying, run};

/// A stage whose instructions are evaluated (DIAG-2, phase 7).
pub(super) struct Evaluated {
    pub(super) stage: Stage,
    /// For stages that start from this one.
    pub(super) state: State,
    pub(super) warnings: Vec<Diagnostic>,
}

/// Evaluates stage `index` of the file; `below` is the state of the stage it starts from, if it does from one.
///
/// The errors of instructions that do not build on each other come together: after a failed ENV or ARG what follows
/// would only fail for the same reason.
pub(super) fn evaluate(
    shared: &Shared<'_>,
    index: usize,
    reached: &Reached,
    below: Option<&State>,
) -> Result<Evaluated, Vec<Diagnostic>> {
    let header = &shared.outline.stages[index];
    let (base, mut state) = start(shared, reached, below);
    let mut work: Vec<(Place<'_>, &Instruction)> = Vec::new();
    for trigger in &reached.triggers {
        work.push((Place::trigger(header.from, &trigger.text), &trigger.instruction));
    }
    if !reached.replaced {
        work.extend(header.body.iter().map(|instruction| (Place::of(instruction), *instruction)));
    }
    let mut steps = Vec::new();
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    for (place, instruction) in work {
        let mut site = Site { shared, place, stage: index, warnings: Vec::new() };
        match instruct(&mut site, &mut state, &instruction.command) {
            Ok((op, created_by)) => {
                let text = instruction.original.replace(['\n', '\r'], " ");
                steps.push(Step { lines: place.lines, span: place.span, text, created_by, op });
            }
            Err(error) => {
                errors.push(error);
                if let Command::Env(_) | Command::Arg(_) = instruction.command {
                    break;
                }
            }
        }
        warnings.append(&mut site.warnings);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let stage = Stage {
        name: shared.outline.display(index),
        index,
        base,
        platform: state.platform.clone(),
        steps,
        config: state.config.clone(),
        author: state.author.clone(),
        lines: header.from.lines,
        span: header.from.span,
        base_name: header.image.clone(),
    };
    Ok(Evaluated { stage, state, warnings })
}

/// What the stage starts from, and with which state.
fn start(shared: &Shared<'_>, reached: &Reached, below: Option<&State>) -> (BaseRef, State) {
    match &reached.base {
        Base::Scratch(platform) => {
            (BaseRef::Scratch, State::on_image(&ImageConfig::scratch(platform), platform.clone()))
        }
        Base::Directory(name, platform) => {
            let state = State::on_image(&ImageConfig::scratch(platform), platform.clone());
            (BaseRef::Directory(name.clone()), state)
        }
        Base::Image(id, image, platform) => {
            let mut state = State::on_image(image, platform.clone());
            if reached.replaced {
                // Whoever starts from the stage gets the image's triggers as if it were named there.
                state.config.on_build.clone_from(&image.config.on_build);
            }
            (BaseRef::Image(id.clone()), state)
        }
        Base::Stage(index) => {
            let scratch = &shared.options.platform;
            let state =
                below.map_or_else(|| State::on_image(&ImageConfig::scratch(scratch), scratch.clone()), State::child);
            (shared.numbers[*index].map_or(BaseRef::Scratch, BaseRef::Stage), state)
        }
    }
}

/// One instruction: what to do, and the text of its history entry.
fn instruct(site: &mut Site<'_>, state: &mut State, command: &Command) -> Result<(Op, Option<String>), Diagnostic> {
    let created_by = match command {
        Command::From { .. } => return Ok((Op::Meta(MetaOp), None)),
        Command::Onbuild(onbuild) => {
            state.config.on_build.push(onbuild.text.clone());
            return Ok((Op::Meta(MetaOp), None));
        }
        Command::Run { command, heredocs, mounts, network, security, devices } => {
            let parts =
                Run { command, heredocs, mounts, network: network.as_deref(), security: security.as_deref(), devices };
            return run::run(site, state, &parts).map(|(op, text)| (op, Some(text)));
        }
        Command::Copy(copying, flags) => {
            return copying::copy(site, state, copying, flags).map(|(op, text)| (op, Some(text)));
        }
        Command::Add(copying, flags) => {
            return copying::add(site, state, copying, flags).map(|(op, text)| (op, Some(text)));
        }
        Command::Workdir(word) => {
            let text = config::workdir(site, state, word)?;
            if state.config.working_dir != "/" {
                let op = WorkdirOp { path: state.directory(), user: state.config.user.clone() };
                return Ok((Op::Workdir(op), Some(text)));
            }
            text
        }
        Command::Arg(pairs) => config::arg(site, state, pairs)?,
        Command::Env(pairs) => config::env(site, state, pairs)?,
        Command::Label(pairs) => config::label(site, state, pairs)?,
        Command::User(word) => config::user(site, state, word)?,
        Command::StopSignal(word) => config::stop_signal(site, state, word)?,
        Command::Maintainer(text) => {
            state.author = Some(text.clone());
            format!("MAINTAINER {text}")
        }
        Command::Cmd(line) => config::cmd(state, line),
        Command::Entrypoint(line) => config::entrypoint(state, line),
        Command::Shell(words) => config::shell(state, words),
        Command::Expose(words) => config::expose(site, state, words)?,
        Command::Volume(words) => config::volume(site, state, words)?,
        Command::Healthcheck { test, interval, timeout, start_period, start_interval, retries } => {
            let check = Healthcheck {
                test: Vec::new(),
                interval: *interval,
                timeout: *timeout,
                start_period: *start_period,
                start_interval: *start_interval,
                retries: i64::from(*retries),
            };
            config::health(state, test.as_ref(), check)
        }
    };
    Ok((Op::Meta(MetaOp), Some(created_by)))
}
