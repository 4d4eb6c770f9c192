use crate::dockerfile::{Command, Diagnostic, Instruction};

use super::mount_options::{self, fields};
use super::outline::Outline;
use super::place::{Place, Problem};

/// A reference to a stage of the file: which one, and who says so.
pub(super) struct Link<'a> {
    pub(super) stage: usize,
    pub(super) place: Place<'a>,
}

/// The stage that COPY `--from` names, by name or number (COPY-11); `None` for a context or an image.
pub(super) fn copied_stage(outline: &Outline<'_>, from: &str) -> Result<Option<usize>, Problem> {
    if outline.would_expand(from) {
        let message = "variable expansion is not supported for --from, define a new stage with FROM using ARG from \
                       global scope as a workaround";
        return Err(Problem::new("D-82", message));
    }
    match from.parse::<i64>() {
        Ok(number) => match usize::try_from(number) {
            Ok(index) if index < outline.stages.len() => Ok(Some(index)),
            _ => Err(Problem::new("D-83", format!("invalid stage index {number}"))),
        },
        Err(_) => Ok(outline.named(from)),
    }
}

/// The stages that an instruction takes files from.
pub(super) fn links<'a>(
    outline: &Outline<'_>,
    instruction: &Instruction,
    place: Place<'a>,
) -> Result<Vec<Link<'a>>, Diagnostic> {
    let mut links = Vec::new();
    match &instruction.command {
        Command::Copy(_, flags) => {
            if let Some(from) = &flags.from {
                let stage = copied_stage(outline, &from.text);
                let stage = stage.map_err(|problem| place.error_at(place.of_word(from), problem))?;
                links.extend(stage.map(|stage| Link { stage, place }));
            }
        }
        Command::Run { mounts, .. } => {
            for mount in mounts {
                let at = |problem| place.error_at(place.of_word(mount), problem);
                let from = mount_options::from(&fields(&mount.text).map_err(at)?).map_err(at)?;
                links.extend(from.and_then(|from| outline.named(&from)).map(|stage| Link { stage, place }));
            }
        }
        _ => {}
    }
    Ok(links)
}

/// Checks the references of all stages, reachable or not (DIAG-2, phase 5; FROM-21). A stage that a named context
/// replaces has none (FROM-8).
pub(super) fn check(outline: &Outline<'_>, replaced: &[bool]) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut edges: Vec<Vec<Link<'_>>> = Vec::new();
    for (index, stage) in outline.stages.iter().enumerate() {
        let mut own = Vec::new();
        if !replaced[index] {
            own.extend(outline.base(index).map(|base| Link { stage: base, place: Place::of(stage.from) }));
            for instruction in &stage.body {
                match links(outline, instruction, Place::of(instruction)) {
                    Ok(links) => own.extend(links),
                    Err(error) => errors.push(error),
                }
            }
        }
        edges.push(own);
    }
    if errors.is_empty() {
        errors = cycles(outline, &edges);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// One error for each reference that closes a circle.
fn cycles(outline: &Outline<'_>, edges: &[Vec<Link<'_>>]) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    let mut marks = vec![Mark::New; edges.len()];
    for root in 0..edges.len() {
        let mut stack = Vec::new();
        if marks[root] == Mark::New {
            marks[root] = Mark::Open;
            stack.push((root, 0));
        }
        while let Some((stage, next)) = stack.last_mut() {
            let Some(link) = edges[*stage].get(*next) else {
                marks[*stage] = Mark::Done;
                stack.pop();
                continue;
            };
            *next += 1;
            match marks[link.stage] {
                Mark::Done => {}
                Mark::New => {
                    marks[link.stage] = Mark::Open;
                    stack.push((link.stage, 0));
                }
                Mark::Open => {
                    let name = outline.display(link.stage);
                    let message = format!("circular dependency detected on stage: {name}");
                    errors.push(link.place.error(Problem::new("D-29", message)));
                }
            }
        }
    }
    errors
}
