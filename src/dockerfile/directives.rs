use nom::Parser;
use nom::bytes::complete::{tag, take_while};
use nom::character::complete::{char, one_of, satisfy};
use nom::combinator::{all_consuming, recognize, rest, verify};
use nom::sequence::{delimited, preceded};

use super::fault::{Fault, Read};
use super::lines::line;
use super::words::white_space;

/// The names that are known (LEX-10).
const KNOWN: [&str; 3] = ["syntax", "escape", "check"];

/// A parser directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Directive<'a> {
    /// As written.
    pub(super) name: &'a str,
    /// Trimmed.
    pub(super) value: &'a str,
    /// The line with its end.
    pub(super) whole: &'a str,
}

/// `byte-order-mark` (LEX-2)
pub(super) fn byte_order_mark(input: &str) -> Read<'_, &str> {
    tag("\u{feff}").parse(input)
}

/// `directive-line`: fails when it is any other line, which ends the directives (LEX-11).
pub(super) fn directive_line(input: &str) -> Read<'_, Directive<'_>> {
    let (after, line) = line(input)?;
    let name = delimited(white_space, directive_name, white_space);
    let start = (white_space, char('#'));
    let (_, (name, _, value)) = preceded(start, (name, char('='), directive_value)).parse(line.content)?;
    Ok((after, Directive { name, value, whole: line.whole }))
}

/// `directive-name`
fn directive_name(input: &str) -> Read<'_, &str> {
    let name = recognize((satisfy(|c| c.is_ascii_alphabetic()), take_while(|c: char| c.is_ascii_alphanumeric())));
    verify(name, |name: &str| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))).parse(input)
}

/// `directive-value`
fn directive_value(input: &str) -> Read<'_, &str> {
    verify(rest.map(str::trim), |value: &str| !value.is_empty()).parse(input)
}

/// The escape character that the directives of a file ask for, and what is wrong with them (D-4, D-5).
pub(super) fn escape_of<'a>(directives: &[Directive<'a>]) -> (char, Vec<Fault<'a>>) {
    let mut escape = '\\';
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for directive in directives {
        let name = directive.name.to_lowercase();
        if seen.contains(&name) {
            let message = format!("only one {name} parser directive can be used");
            faults.push(Fault::new(directive.name, "D-4", message).label("given before"));
            continue;
        }
        if name == "escape" {
            if let Ok((_, character)) = escape_value(directive.value) {
                escape = character;
            } else {
                let message = format!("invalid escape token '{}' does not match ` or \\", directive.value);
                faults.push(Fault::new(directive.value, "D-5", message));
            }
        }
        seen.push(name);
    }
    (escape, faults)
}

/// `escape-value` (LEX-13)
fn escape_value(input: &str) -> Read<'_, char> {
    all_consuming(one_of("\\`")).parse(input)
}
