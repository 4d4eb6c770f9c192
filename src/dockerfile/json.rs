use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{anychar, char, digit1, one_of};
use nom::combinator::{all_consuming, consumed, map, map_opt, opt, recognize, value};
use nom::error::context;
use nom::multi::{fold_many0, separated_list0};
use nom::sequence::{delimited, preceded, separated_pair};

use super::fault::{Fault, Read};

/// Arrays and objects nested deeper than this are taken for text that is not JSON: nothing valid has any nesting, and
/// a file must not be able to exhaust the stack.
const DEEPEST: usize = 64;

/// One element of an array.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Json {
    /// A string, decoded.
    Text(String),
    /// Anything else: only its place matters (LEX-47).
    Other,
}

/// `json-strings`: the exec form (LEX-46, LEX-47).
///
/// Fails for good (D-9) when the text is an array that holds something else than strings; any other text is merely not
/// JSON, and a string or list form is tried (LEX-48).
pub(super) fn json_strings(input: &str) -> Read<'_, Vec<String>> {
    let elements = |input| json_array(0, input);
    let (rest, elements) =
        context("json-strings", all_consuming(delimited(json_space, elements, json_space))).parse(input)?;
    let mut strings = Vec::with_capacity(elements.len());
    for (at, element) in elements {
        match element {
            Json::Text(text) => strings.push(text),
            Json::Other => {
                return Fault::new(at, "D-9", "when using JSON array syntax, arrays must be comprised of strings only")
                    .label("not a string")
                    .help((!at.starts_with(['[', '{'])).then(|| format!("put it in double quotes: `\"{at}\"`")))
                    .fail();
            }
        }
    }
    Ok((rest, strings))
}

/// The elements of an array of strings, as they are written; `None` where `text` is no such array.
pub(super) fn json_elements(text: &str) -> Option<Vec<&str>> {
    let (rest, elements) = delimited(json_space, |text| json_array(0, text), json_space).parse(text).ok()?;
    let is_all = rest.is_empty() && elements.iter().all(|(_, element)| matches!(element, Json::Text(_)));
    is_all.then(|| elements.into_iter().map(|(written, _)| written).collect())
}

/// `json-array`: each element with its text.
fn json_array(depth: usize, input: &str) -> Read<'_, Vec<(&str, Json)>> {
    let element = delimited(json_space, consumed(move |input| json_value(depth, input)), json_space);
    delimited((char('['), json_space), separated_list0(char(','), element), (json_space, char(']'))).parse(input)
}

/// `json-object`
fn json_object(depth: usize, input: &str) -> Read<'_, ()> {
    let key = delimited(json_space, json_string, json_space);
    let member = delimited(json_space, move |input| json_value(depth, input), json_space);
    let members = separated_list0(char(','), separated_pair(key, char(':'), member));
    value((), delimited(char('{'), preceded(json_space, members), preceded(json_space, char('}')))).parse(input)
}

/// `json-value`
fn json_value(depth: usize, input: &str) -> Read<'_, Json> {
    if depth > DEEPEST {
        return Err(nom::Err::Error(nom::error::make_error(input, nom::error::ErrorKind::TooLarge)));
    }
    alt((
        map(json_string, Json::Text),
        value(Json::Other, json_number),
        value(Json::Other, alt((tag("true"), tag("false"), tag("null")))),
        map(|input| json_array(depth + 1, input), |_| Json::Other),
        map(|input| json_object(depth + 1, input), |()| Json::Other),
    ))
    .parse(input)
}

/// `json-string`
fn json_string(input: &str) -> Read<'_, String> {
    let plain = take_while1(|c: char| c != '"' && c != '\\' && c >= ' ');
    let piece = alt((map(plain, str::to_owned), map(json_escape, String::from)));
    let pieces = fold_many0(piece, String::new, |mut all, piece| {
        all.push_str(&piece);
        all
    });
    delimited(char('"'), pieces, char('"')).parse(input)
}

/// `json-escape`
fn json_escape(input: &str) -> Read<'_, char> {
    let (rest, kind) = preceded(char('\\'), anychar).parse(input)?;
    match kind {
        '"' | '\\' | '/' => Ok((rest, kind)),
        'b' => Ok((rest, '\x08')),
        'f' => Ok((rest, '\x0c')),
        'n' => Ok((rest, '\n')),
        'r' => Ok((rest, '\r')),
        't' => Ok((rest, '\t')),
        'u' => json_unicode(rest),
        _ => Err(nom::Err::Error(nom::error::make_error(input, nom::error::ErrorKind::Escaped))),
    }
}

/// `json-unicode`: what follows `\u`; half a surrogate pair becomes U+FFFD (LEX-49).
fn json_unicode(input: &str) -> Read<'_, char> {
    let (rest, first) = four_digits(input)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((rest, character));
    }
    let (after, second) = opt(preceded(tag("\\u"), four_digits)).parse(rest)?;
    let pair = second.filter(|low| first < 0xdc00 && (0xdc00..0xe000).contains(low));
    match pair.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00))) {
        Some(character) => Ok((after, character)),
        None => Ok((rest, char::REPLACEMENT_CHARACTER)),
    }
}

/// `four-digits`
fn four_digits(input: &str) -> Read<'_, u32> {
    let digits = take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit());
    map_opt(digits, |digits| u32::from_str_radix(digits, 16).ok()).parse(input)
}

/// `json-number`
fn json_number(input: &str) -> Read<'_, &str> {
    let whole = alt((tag("0"), digit1));
    let fraction = opt((char('.'), digit1));
    let exponent = opt((one_of("eE"), opt(one_of("+-")), digit1));
    recognize((opt(char('-')), whole, fraction, exponent)).parse(input)
}

/// `json-space`
fn json_space(input: &str) -> Read<'_, &str> {
    take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).parse(input)
}
