use super::{Arguments, Command, Context, Fault, Flags, Read, command_line, json_strings};
use crate::dockerfile::csv::csv_record;
use crate::dockerfile::flags::{Kind, Known};
use crate::dockerfile::suggest::suggest;

/// The flags of RUN (RUN-23).
const FLAGS: [Known; 4] =
    [("mount", Kind::List), ("network", Kind::Text), ("security", Kind::Text), ("device", Kind::List)];

/// `run` (RUN-1, RUN-2)
pub(super) fn run<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (arguments, flags) = context.flags(&FLAGS, input)?;
    let network = choice(&flags, "network", &["default", "none", "host"], "D-31", |value| {
        format!("invalid network mode {value:?}")
    })?;
    let security = choice(&flags, "security", &["sandbox", "insecure"], "D-32", |value| {
        format!("security {value:?} is not valid")
    })?;
    for (value, written) in flags.values("mount") {
        check_mount(value, written)?;
    }
    for (value, written) in flags.values("device") {
        check_device(value, written)?;
    }
    let (rest, command) = command_line(context, arguments)?;
    let command = Command::Run {
        command,
        heredocs: context.heredocs().to_vec(),
        mounts: flags.words(context, "mount").collect(),
        network,
        security,
        devices: flags.words(context, "device").collect(),
    };
    Ok((rest, (flags, command)))
}

/// The value of a flag that takes one of a few words.
fn choice<'a>(
    flags: &Flags<'a>,
    name: &str,
    words: &[&'static str],
    code: &'static str,
    message: impl Fn(&str) -> String,
) -> Result<Option<String>, nom::Err<Fault<'a>>> {
    let Some((value, written)) = flags.values(name).next() else { return Ok(None) };
    if words.contains(&value) {
        return Ok(Some(value.to_owned()));
    }
    let help = match suggest(value, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the values are `{}`", words.join("`, `")),
    };
    Err(nom::Err::Failure(Fault::new(written, code, message(value)).help(Some(help))))
}

/// A mount's CSV must be whole (D-33), and its `from` must not hold a variable (D-34); `plan` judges the rest.
fn check_mount<'a>(value: &str, written: &'a str) -> Result<(), nom::Err<Fault<'a>>> {
    let fields = fields(value, written, "failed to parse csv mounts")?;
    for field in fields {
        let Some((key, from)) = field.split_once('=') else { continue };
        // A `$` at the very end is text (EXP-5).
        if key.eq_ignore_ascii_case("from") && from.char_indices().any(|(at, c)| c == '$' && at + 1 < from.len()) {
            let message = "'from' doesn't support variable expansion, define alias stage instead";
            let help = format!("add `FROM {from} AS NAME` and write `from=NAME`");
            return Err(nom::Err::Failure(Fault::new(written, "D-34", message).help(Some(help))));
        }
    }
    Ok(())
}

/// A device is one name, and whether it is required (RUN-22, D-48).
fn check_device<'a>(value: &str, written: &'a str) -> Result<(), nom::Err<Fault<'a>>> {
    let failure = |message: String| Err(nom::Err::Failure(Fault::new(written, "D-48", message)));
    let mut name: Option<String> = None;
    for field in fields(value, written, "failed to parse csv devices")? {
        let (key, given) = field.split_once('=').unwrap_or((&field, ""));
        let given = match key.to_lowercase().as_str() {
            "name" if field.contains('=') => given,
            "required" => continue,
            // The name of a device has the form `vendor/class=device`.
            _ if key.contains('/') || !field.contains('=') => &field,
            key => return failure(format!("unexpected key '{key}' in '{field}'")),
        };
        if let Some(name) = name {
            return failure(format!("device name already set to {name}"));
        }
        name = Some(given.to_owned());
    }
    Ok(())
}

/// The fields of a flag's value.
fn fields<'a>(value: &str, written: &'a str, message: &str) -> Result<Vec<String>, nom::Err<Fault<'a>>> {
    match csv_record(value) {
        Ok((_, fields)) if !value.is_empty() => Ok(fields),
        _ => Err(nom::Err::Failure(Fault::new(written, "D-33", message))),
    }
}

/// `cmd` (CMD-1)
pub(super) fn cmd<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (rest, command) = command_line(context, rest)?;
    Ok((rest, (flags, Command::Cmd(command))))
}

/// `entrypoint` (ENT-1)
pub(super) fn entrypoint<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (rest, command) = command_line(context, rest)?;
    Ok((rest, (flags, Command::Entrypoint(command))))
}

/// `shell` (SHELL-1)
pub(super) fn shell<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (arguments, flags) = context.flags(&[], input)?;
    match json_strings(arguments) {
        Ok((rest, words)) if !words.is_empty() => Ok((rest, (flags, Command::Shell(words)))),
        Err(nom::Err::Failure(fault)) => Err(nom::Err::Failure(fault)),
        Err(_) if !arguments.is_empty() => {
            let words: Vec<&str> = arguments.split_whitespace().collect();
            Fault::new(arguments, "D-60", "SHELL requires the arguments to be in JSON form")
                .help(words.iter().all(|word| plain(word)).then(|| format!("write `SHELL {words:?}`")))
                .fail()
        }
        _ => context.count(arguments, "D-61", "at least one argument", r#"SHELL ["/bin/sh", "-c"]"#),
    }
}

/// Whether a word would mean the same in a JSON string.
fn plain(word: &str) -> bool {
    !word.contains(['"', '\'', '[', ']', '\\', ','])
}
