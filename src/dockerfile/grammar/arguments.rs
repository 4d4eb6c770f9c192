//! Arguments that several instructions share: pairs, run lines, durations.

use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, multispace0};
use nom::combinator::{all_consuming, opt, recognize, rest};
use nom::error::context;
use nom::multi::many1;
use nom::sequence::preceded;

use super::json::json_array;
use super::lexical::{list, words};
use super::{Failure, Res, wrong};

/// `name` and `value` of ENV, LABEL or ARG, as slices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::dockerfile) struct RawPair<'a> {
    pub(in crate::dockerfile) name: &'a str,
    pub(in crate::dockerfile) value: Option<&'a str>,
}

/// What a process is to be: an exec form, or one string for a shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::dockerfile) enum RawCommand<'a> {
    Exec(Vec<String>),
    Shell(&'a str),
}

/// Words of a JSON array, or of a plain list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::dockerfile) enum RawList<'a> {
    Json(Vec<String>, &'a str),
    Plain(Vec<&'a str>),
}

/// `name=value`, split at the first `=`; without one there is no value.
pub(in crate::dockerfile) fn pair(input: &str) -> Res<'_, RawPair<'_>> {
    let value = opt(preceded(char('='), rest));
    context("pair", (take_while(|c| c != '='), value)).map(|(name, value)| RawPair { name, value }).parse(input)
}

/// `name value`, the old form: the rest of the line is the value (ENV-1).
pub(in crate::dockerfile) fn legacy_pair(input: &str) -> Res<'_, RawPair<'_>> {
    let name = take_while1(|c: char| !c.is_whitespace());
    let value = preceded(nom::character::complete::multispace1, rest);
    context("legacy-pair", (name, value)).map(|(name, value)| RawPair { name, value: Some(value) }).parse(input)
}

/// The arguments of ENV and LABEL, and whether they are in the old form (ENV-1, ENV-2).
pub(in crate::dockerfile) fn pairs<'a>(
    keyword: &'static str,
    escape: char,
    input: &'a str,
) -> Res<'a, (Vec<RawPair<'a>>, bool)> {
    let (left, found) = words(escape, input)?;
    let Some(first) = found.first() else {
        return wrong(input, "D-62", format!("{keyword} requires at least one argument"));
    };
    if !first.contains('=') {
        return match legacy_pair(input) {
            Ok((left, pair)) => Ok((left, (vec![pair], true))),
            Err(_) => wrong(input, "D-63", format!("{keyword} must have two arguments")),
        };
    }
    let mut pairs = Vec::new();
    for word in found {
        let (_, pair) = pair(word)?;
        if pair.value.is_none() {
            let message = format!("Syntax error - can't find = in \"{word}\". Must be of the form: name=value");
            return wrong(word, "D-64", message);
        }
        if pair.name.is_empty() {
            return wrong(word, "D-65", format!("{keyword} names can not be blank"));
        }
        pairs.push(pair);
    }
    Ok((left, (pairs, false)))
}

/// Exec form or shell form (LEX-46 to LEX-48).
pub(in crate::dockerfile) fn command(input: &str) -> Res<'_, RawCommand<'_>> {
    context("command", alt((json_array.map(RawCommand::Exec), rest.map(RawCommand::Shell)))).parse(input)
}

/// A JSON array or a plain list of words.
pub(in crate::dockerfile) fn json_or_list(input: &str) -> Res<'_, RawList<'_>> {
    let json = json_array.map(|items| RawList::Json(items, input));
    context("json-or-list", alt((json, list.map(RawList::Plain)))).parse(input)
}

/// The whole rest of the line as one argument.
pub(in crate::dockerfile) fn single<'a>(keyword: &'static str, input: &'a str) -> Res<'a, &'a str> {
    if input.is_empty() {
        return wrong(input, "D-67", format!("{keyword} requires exactly one argument"));
    }
    context("single", rest).parse(input)
}

/// A length of time in nanoseconds, as Go writes it: `1m30s`, `1.5h`, `-2ms`, `0` (HC-3).
pub(in crate::dockerfile) fn duration(input: &str) -> Res<'_, i64> {
    let invalid = || format!("time: invalid duration {}", go_quoted(input));
    let (unsigned, sign) = opt(alt((char('+'), char('-')))).parse(input)?;
    if unsigned == "0" {
        return Ok(("", 0));
    }
    let mut number = recognize((take_while(|c: char| c.is_ascii_digit()), opt((char('.'), take_while(|c: char| c.is_ascii_digit())))));
    let (left, number_text): (&str, &str) = number.parse(unsigned)?;
    if left.is_empty() && number_text.bytes().any(|byte| byte.is_ascii_digit()) {
        return wrong(input, "D-75", format!("time: missing unit in duration {}", go_quoted(input)));
    }
    let Ok((_, parts)) = all_consuming(many1(duration_part)).parse(unsigned) else {
        return wrong(input, "D-75", invalid());
    };
    let total: f64 = parts.iter().sum();
    // 2^63 nanoseconds: what an i64 holds.
    if total >= 9.2e18 {
        return wrong(input, "D-75", invalid());
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked just above; fractions of nanoseconds are dropped")]
    let nanoseconds = total as i64;
    Ok(("", if sign == Some('-') { -nanoseconds } else { nanoseconds }))
}

/// One number with its unit, in nanoseconds.
pub(in crate::dockerfile) fn duration_part(input: &str) -> Res<'_, f64> {
    let number = recognize((take_while(|c: char| c.is_ascii_digit()), opt((char('.'), take_while(|c: char| c.is_ascii_digit())))));
    let unit = alt((
        tag("ns").map(|_| 1.0),
        tag("us").map(|_| 1e3),
        tag("µs").map(|_| 1e3),
        tag("μs").map(|_| 1e3),
        tag("ms").map(|_| 1e6),
        tag("s").map(|_| 1e9),
        tag("m").map(|_| 60e9),
        tag("h").map(|_| 3600e9),
    ));
    let (left, (number, unit)): (&str, (&str, f64)) = context("duration-part", (number, unit)).parse(input)?;
    match number.parse::<f64>() {
        Ok(count) => Ok((left, count * unit)),
        Err(_) => Err(nom::Err::Error(Failure { at: input, reading: "duration-part", fault: None })),
    }
}

/// Blanks before arguments.
pub(in crate::dockerfile) fn leading_space(input: &str) -> Res<'_, &str> {
    context("leading-space", multispace0).parse(input)
}

fn go_quoted(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hc_3_durations() {
        for (input, want) in [
            ("1m30s", Some(90_000_000_000)),
            ("1.5s", Some(1_500_000_000)),
            ("0", Some(0)),
            ("-1ms", Some(-1_000_000)),
            ("5us", Some(5_000)),
            ("5", None),
            ("x", None),
            ("", None),
            ("1x", None),
            (".s", None),
            ("9999999999h", None),
        ] {
            assert_eq!(duration(input).ok().map(|(_, found)| found), want, "{input}");
        }
    }

    #[test]
    fn env_1_forms() {
        let (_, (found, legacy)) = pairs("ENV", '\\', "a b c=d").unwrap();
        assert!(legacy);
        assert_eq!(found, [RawPair { name: "a", value: Some("b c=d") }]);
        let (_, (found, legacy)) = pairs("ENV", '\\', "a=b c=").unwrap();
        assert!(!legacy);
        assert_eq!(found[1], RawPair { name: "c", value: Some("") });
        for bad in ["", "a", "a=b c", "=x"] {
            assert!(pairs("ENV", '\\', bad).is_err(), "{bad}");
        }
    }
}
