use super::{Arguments, Command, CommandLine, Context, Fault, Flags, Read, command_line, flags};
use crate::dockerfile::duration::{count, duration};
use crate::dockerfile::flags::{Kind, Known};
use crate::dockerfile::suggest::suggest;
use crate::dockerfile::words::{plain_word, white_space};

/// The options (HC-3).
const FLAGS: [Known; 5] = [
    ("interval", Kind::Text),
    ("timeout", Kind::Text),
    ("start-period", Kind::Text),
    ("start-interval", Kind::Text),
    ("retries", Kind::Text),
];

/// Nanoseconds of the shortest duration that may be given (HC-3).
const SHORTEST: i64 = 1_000_000;

/// `healthcheck` (HC-1)
pub(super) fn healthcheck<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (input, raw) = flags(context.escape, input)?;
    let Ok((rest, kind)) = plain_word(input) else {
        return context.count("", "D-68", "at least one argument", "HEALTHCHECK CMD COMMAND");
    };
    let (rest, _) = white_space(rest)?;
    if kind.eq_ignore_ascii_case("none") {
        if !rest.is_empty() {
            return Fault::new(rest, "D-73", "HEALTHCHECK NONE takes no arguments").fail();
        }
        // Flag words before NONE are dropped unseen (LEX-45).
        return Ok((rest, (Flags::default(), check(None, &Flags::default())?)));
    }
    let flags = Flags::check(context, raw, &FLAGS)?;
    if !kind.eq_ignore_ascii_case("cmd") {
        let message = format!("Unknown type {:?} in HEALTHCHECK (try CMD)", kind.to_uppercase());
        let help = match suggest(kind, ["CMD", "NONE"]) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `HEALTHCHECK CMD {input}`"),
        };
        return Fault::new(kind, "D-72", message).help(Some(help)).fail();
    }
    let (end, command) = command_line(context, rest)?;
    if rest.is_empty() || command == CommandLine::Exec(Vec::new()) {
        return Fault::new(kind, "D-74", "Missing command after HEALTHCHECK CMD").fail();
    }
    let command = check(Some(command), &flags)?;
    Ok((end, (flags, command)))
}

/// The command with its options.
fn check<'a>(test: Option<CommandLine>, flags: &Flags<'a>) -> Result<Command, nom::Err<Fault<'a>>> {
    Ok(Command::Healthcheck {
        test,
        interval: time(flags, "interval")?,
        timeout: time(flags, "timeout")?,
        start_period: time(flags, "start-period")?,
        start_interval: time(flags, "start-interval")?,
        retries: match flags.values("retries").next() {
            Some((value, written)) if !value.is_empty() => {
                count(value).map_err(|error| error.map(|fault| fault.moved(written)))?.1
            }
            _ => 0,
        },
    })
}

/// A duration option, 0 when it is not given (D-75).
fn time<'a>(flags: &Flags<'a>, name: &str) -> Result<i64, nom::Err<Fault<'a>>> {
    let Some((value, written)) = flags.values(name).next().filter(|(value, _)| !value.is_empty()) else {
        return Ok(0);
    };
    let (_, time) = duration(value).map_err(|error| error.map(|fault| fault.moved(written)))?;
    if time != 0 && time < SHORTEST {
        let message = format!("Interval {name:?} cannot be less than 1ms");
        return Err(nom::Err::Failure(Fault::new(written, "D-75", message)));
    }
    Ok(time)
}
