use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{take_while, take_while1};
use nom::character::complete::{char, digit0, one_of};
use nom::combinator::{all_consuming, opt, recognize, value, verify};
use nom::multi::many1;
use nom::sequence::preceded;

use super::fault::{Fault, Read};

/// A number with its unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part<'a> {
    whole: &'a str,
    fraction: &'a str,
    unit: &'a str,
}

/// `duration`: such as `1m30s`, in nanoseconds (HC-3); fails for good with the cause (D-75).
pub(super) fn duration(input: &str) -> Read<'_, i64> {
    let invalid = || Fault::new(input, "D-75", format!("time: invalid duration {input:?}"));
    let zero = value(Vec::new(), char('0'));
    let parts = alt((all_consuming(zero), all_consuming(many1(duration_part))));
    let Ok((rest, (sign, parts))) = (opt(one_of("+-")), parts).parse(input) else {
        return invalid().fail();
    };
    let mut total: i128 = 0;
    for part in parts {
        let unit = match nanoseconds(part.unit) {
            Some(unit) => unit,
            None if part.unit.is_empty() => {
                let help = format!("add a unit: `{input}s`");
                let message = format!("time: missing unit in duration {input:?}");
                return Fault::new(input, "D-75", message).help(Some(help)).fail();
            }
            None => {
                let message = format!("time: unknown unit {:?} in duration {input:?}", part.unit);
                let help = "the units are `ns`, `us`, `ms`, `s`, `m` and `h`".to_owned();
                return Fault::new(input, "D-75", message).help(Some(help)).fail();
            }
        };
        let whole = if part.whole.is_empty() { Ok(0) } else { part.whole.parse::<u64>() };
        let Ok(whole) = whole else { return invalid().fail() };
        total += i128::from(whole) * i128::from(unit) + i128::from(portion(part.fraction, unit));
        if total > i128::from(i64::MAX) {
            return invalid().fail();
        }
    }
    let total = i64::try_from(total).unwrap_or(i64::MAX);
    Ok((rest, if sign == Some('-') { -total } else { total }))
}

/// `duration-part`
fn duration_part(input: &str) -> Read<'_, Part<'_>> {
    let number = (digit0, opt(preceded(char('.'), digit0)));
    let number = verify(number, |(whole, fraction): &(&str, Option<&str>)| {
        !whole.is_empty() || fraction.is_some_and(|digits| !digits.is_empty())
    });
    let unit = take_while(|c: char| c != '.' && !c.is_ascii_digit());
    let (rest, ((whole, fraction), unit)) = (number, unit).parse(input)?;
    Ok((rest, Part { whole, fraction: fraction.unwrap_or_default(), unit }))
}

/// How much of `unit` the digits after the point are.
fn portion(digits: &str, unit: i64) -> i64 {
    let mut portion = 0;
    let mut step = unit;
    for digit in digits.bytes() {
        step /= 10;
        portion += step * i64::from(digit - b'0');
    }
    portion
}

fn nanoseconds(unit: &str) -> Option<i64> {
    match unit {
        "ns" => Some(1),
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}

/// `count`: a decimal number with a sign, as `--retries` takes it (HC-3, D-76).
pub(super) fn count(input: &str) -> Read<'_, u32> {
    let digits = recognize((opt(one_of("+-")), take_while1(|c: char| c.is_ascii_digit())));
    let read: Read<'_, &str> = all_consuming(digits).parse(input);
    let Ok((rest, digits)) = read else {
        let message = format!("strconv.ParseInt: parsing {input:?}: invalid syntax");
        return Fault::new(input, "D-76", message).label("not a number").fail();
    };
    let number = digits.parse::<i32>();
    match number.map(|number| (number, u32::try_from(number))) {
        Ok((_, Ok(number))) => Ok((rest, number)),
        Ok((number, Err(_))) => Fault::new(input, "D-76", format!("--retries cannot be negative ({number})")).fail(),
        Err(_) => Fault::new(input, "D-76", format!("strconv.ParseInt: parsing {input:?}: value out of range")).fail(),
    }
}
