//! `--flag=true` and `--flag=false` for flags that stand alone, as other builders take them.

use std::ffi::{OsStr, OsString};

use clap::{ArgAction, Command};

/// Brings every `--flag=BOOLEAN` of `command`'s verbs into the form that clap knows. The last one of a flag counts.
///
/// Values that are no booleans stay as they are: clap has the message for them.
pub(super) fn normalise(args: impl IntoIterator<Item = OsString>, command: &Command) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let mut rest = args.into_iter();
    for arg in rest.by_ref() {
        if arg == "--" {
            out.push(arg);
            break;
        }
        match flag_and_value(&arg, command) {
            Some((flag, true)) => out.push(flag),
            Some((flag, false)) => out.retain(|earlier| *earlier != flag),
            None => out.push(arg),
        }
    }
    out.extend(rest);
    out
}

/// The boolean that a text spells.
pub(super) fn value(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn flag_and_value(arg: &OsStr, command: &Command) -> Option<(OsString, bool)> {
    let (flag, value) = arg.to_str()?.split_once('=')?;
    let name = flag.strip_prefix("--")?;
    let value = self::value(value)?;
    let mut known = command.get_subcommands().flat_map(Command::get_arguments);
    known
        .any(|arg| arg.get_long() == Some(name) && matches!(arg.get_action(), ArgAction::SetTrue))
        .then(|| (OsString::from(flag), value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args::Args;
    use super::*;

    #[test]
    fn cli_booleans_may_have_a_value() {
        for (given, want) in [
            ("build --no-cache=true .", "build --no-cache ."),
            ("build --no-cache=0 .", "build ."),
            ("build --check --check=false .", "build ."),
            ("build --check=maybe .", "build --check=maybe ."),
            ("build --label=true .", "build --label=true ."),
            ("build -- --check=true", "build -- --check=true"),
        ] {
            let got = normalise(given.split(' ').map(OsString::from), &Args::command());
            assert_eq!(got.join(OsStr::new(" ")), OsStr::new(want), "{given}");
        }
    }
}
