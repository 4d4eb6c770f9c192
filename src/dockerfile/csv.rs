use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while};
use nom::character::complete::char;
use nom::combinator::{all_consuming, map};
use nom::multi::{fold_many0, separated_list1};
use nom::sequence::delimited;

use super::fault::Read;

/// `csv-record`: one record of comma-separated fields (RUN-30); fails on a stray quote.
pub(super) fn csv_record(input: &str) -> Read<'_, Vec<String>> {
    all_consuming(separated_list1(char(','), csv_field)).parse(input)
}

/// `csv-field`
fn csv_field(input: &str) -> Read<'_, String> {
    alt((csv_quoted, map(take_while(|c| c != ',' && c != '"'), str::to_owned))).parse(input)
}

/// `csv-quoted`: two quotes inside stand for one.
fn csv_quoted(input: &str) -> Read<'_, String> {
    let piece = alt((is_not("\""), tag("\"\"").map(|_| "\"")));
    let pieces = fold_many0(piece, String::new, |mut all, piece| {
        all.push_str(piece);
        all
    });
    delimited(char('"'), pieces, char('"')).parse(input)
}

/// The fields of one record of comma-separated values (RFC 4180, RUN-30); `None` when a quote is out of place.
pub fn csv_fields(text: &str) -> Option<Vec<String>> {
    csv_record(text).ok().map(|(_, fields)| fields)
}
