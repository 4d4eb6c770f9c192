use crate::dockerfile::{Command, Diagnostic};

use super::outline::Outline;
use super::place::{Place, Problem};

const NAME: &str = "SOURCE_DATE_EPOCH";

/// `SOURCE_DATE_EPOCH` in seconds, from a build argument or a global ARG (ARG-13, TIME-1).
///
/// `context` leaves it unset, as for every context that is a directory, and warns.
pub(super) fn resolve(outline: &Outline<'_>, warnings: &mut Vec<Diagnostic>) -> Result<Option<i64>, Diagnostic> {
    let Some(value) = outline.globals.inherited(NAME).filter(|value| !value.is_empty()) else { return Ok(None) };
    if let Ok(seconds) = value.parse() {
        return Ok(Some(seconds));
    }
    if value == "context" {
        let message = format!("{NAME}=context has no effect: a local context has no time of its own");
        let warning = Diagnostic::nowhere("D-96", message);
        warnings.push(Diagnostic { severity: crate::dockerfile::Severity::Warning, ..warning });
        return Ok(None);
    }
    let message = if outline.named(value).is_some() {
        format!("{NAME} taken from the stage \"{value}\" is not supported by kiln")
    } else {
        format!("invalid {NAME}: {value}")
    };
    let help = "give it as seconds since 1970";
    Err(match declaration(outline) {
        Some(place) if outline.globals.build_arg(NAME).is_none() => place.error(Problem::new("D-96", message)),
        _ => Diagnostic::nowhere("D-96", message),
    }
    .help(help))
}

/// The last global ARG of that name.
fn declaration<'a>(outline: &Outline<'a>) -> Option<Place<'a>> {
    let declares = |command: &Command| match command {
        Command::Arg(pairs) => pairs.iter().any(|pair| pair.name.text == NAME),
        _ => false,
    };
    outline.global_args.iter().rev().find(|arg| declares(&arg.command)).map(|arg| Place::of(arg))
}
