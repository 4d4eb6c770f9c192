//! The exec form: a JSON array of strings (LEX-46 to LEX-49, RFC 8259).

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{anychar, char};
use nom::combinator::{map_opt, value, verify};
use nom::error::context;
use nom::multi::{fold_many0, separated_list0};
use nom::sequence::{delimited, preceded, terminated};
use nom::Parser;

use super::{Failure, Res, wrong};

/// A JSON array of strings with nothing after it. A valid array that holds something else is the user's mistake (LEX-47);
/// anything else is no array (LEX-48).
pub(in crate::dockerfile) fn json_array(input: &str) -> Res<'_, Vec<String>> {
    let items = separated_list0(char(','), delimited(json_space, json_string, json_space));
    let empty = value(Vec::new(), delimited(char('['), json_space, char(']')));
    let mut array = context(
        "json-array",
        terminated(alt((empty, delimited(char('['), items, char(']')))), (json_space, nom::combinator::eof)),
    );
    match array.parse(input) {
        Ok(found) => Ok(found),
        Err(_) if input.starts_with('[') && is_array_of_other_things(input) => {
            wrong(input, "D-9", "when using JSON array syntax, arrays must be comprised of strings only")
        }
        Err(error) => Err(error),
    }
}

fn is_array_of_other_things(input: &str) -> bool {
    matches!(serde_json::from_str(input), Ok(serde_json::Value::Array(_)))
}

/// White space of JSON.
pub(in crate::dockerfile) fn json_space(input: &str) -> Res<'_, &str> {
    context("json-space", take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'))).parse(input)
}

/// One string.
pub(in crate::dockerfile) fn json_string(input: &str) -> Res<'_, String> {
    let pieces = fold_many0(alt((json_plain.map(str::to_owned), json_escape)), String::new, |mut text, piece| {
        text.push_str(&piece);
        text
    });
    context("json-string", delimited(char('"'), pieces, char('"'))).parse(input)
}

/// Characters that stand for themselves.
pub(in crate::dockerfile) fn json_plain(input: &str) -> Res<'_, &str> {
    context("json-plain", take_while1(|c| c != '"' && c != '\\' && c >= ' ')).parse(input)
}

/// An escape. A surrogate without its partner becomes U+FFFD (LEX-49).
pub(in crate::dockerfile) fn json_escape(input: &str) -> Res<'_, String> {
    let short = map_opt(anychar, |c| {
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            _ => return None,
        })
    });
    let unit = |input| json_unit(input);
    let pair = map_opt((unit, preceded(char('\\'), unit)), |(high, low)| {
        char::decode_utf16([high, low]).next()?.ok().filter(|c| u32::from(*c) > 0xffff)
    });
    let single = verify(unit, |_: &u16| true).map(|unit| char::from_u32(u32::from(unit)).unwrap_or('\u{fffd}'));
    context("json-escape", preceded(char('\\'), alt((pair, single, short)))).map(String::from).parse(input)
}

/// `u` and four hex digits.
pub(in crate::dockerfile) fn json_unit(input: &str) -> Res<'_, u16> {
    let digits = take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit());
    context("json-unit", map_opt(preceded(tag::<_, _, Failure<'_>>("u"), digits), |hex| u16::from_str_radix(hex, 16).ok()))
        .parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lex_46_to_49_arrays() {
        for (input, want) in [
            (r#"["a", "b"]"#, Some(vec!["a", "b"])),
            ("[]", Some(vec![])),
            ("[ ] ", Some(vec![])),
            (r#"["a\n\u0041\ud83d\ude00\ud83d"]"#, Some(vec!["a\nA\u{1f600}\u{fffd}"])),
            (r#"["a",]"#, None),
            ("['a']", None),
            (r#"["a"] x"#, None),
            (r#"["\x"]"#, None),
            (r#"["a""#, None),
        ] {
            let got = json_array(input).ok().map(|(_, items)| items);
            assert_eq!(got, want.map(|items| items.into_iter().map(str::to_owned).collect()), "{input}");
        }
        for input in [r#"["a", 5]"#, "[[]]", "[null]", r#"[{"a": 1}]"#] {
            assert!(matches!(json_array(input), Err(nom::Err::Failure(_))), "{input}");
        }
    }
}
