use nom::Parser;
use nom::bytes::complete::{tag_no_case, take_while};
use nom::character::complete::satisfy;
use nom::combinator::{all_consuming, opt, recognize};
use nom::error::context as production;
use nom::sequence::preceded;

use super::{Arguments, Command, Context, Fault, Read, Word};
use crate::dockerfile::flags::Kind;
use crate::dockerfile::words::{plain_word, separator};

/// `from` (FROM-1)
pub(super) fn from<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (arguments, flags) = context.flags(&[("platform", Kind::Text)], input)?;
    let count = |at, code| context.count(at, code, "either one or three arguments", "FROM IMAGE [AS NAME]");
    let Ok((rest, image)) = plain_word(arguments) else { return count("", "D-20") };
    let (rest, name) = match production("from-as", opt(from_as)).parse(rest) {
        Ok((rest, name)) if rest.is_empty() => (rest, name),
        Err(nom::Err::Failure(fault)) => return Err(nom::Err::Failure(fault)),
        _ => {
            let extra = rest.trim_start();
            let three = extra.split(super::is_separator).filter(|word| !word.is_empty()).count() == 2;
            return count(extra, if three { "D-22" } else { "D-20" });
        }
    };
    let name = name.map(|name| Word { text: name.to_lowercase(), span: context.span(name) });
    let command = Command::From { platform: flags.word(context, "platform"), image: context.word(image), name };
    Ok((rest, (flags, command)))
}

/// `from-as`: fails for good on a name that no stage can have (FROM-2).
fn from_as(input: &str) -> Read<'_, &str> {
    let (rest, (_, _, name)) = (separator, tag_no_case("as"), preceded(separator, plain_word)).parse(input)?;
    if rest.is_empty() && stage_name(&name.to_lowercase()).is_err() {
        let lower = name.to_lowercase();
        let message =
            format!("invalid name for build stage: {lower:?}, name can't start with a number or contain symbols");
        let help = "a name is a letter, then letters, digits, `-`, `_` and `.`".to_owned();
        return Fault::new(name, "D-21", message).help(Some(help)).fail();
    }
    Ok((rest, name))
}

/// `stage-name`
fn stage_name(input: &str) -> Read<'_, &str> {
    let letter = satisfy(|c| c.is_ascii_lowercase());
    let more = take_while(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    all_consuming(recognize((letter, more)))
        .parse(input)
        .map_err(|_: nom::Err<Fault<'_>>| nom::Err::Error(nom::error::make_error(input, nom::error::ErrorKind::Verify)))
}
