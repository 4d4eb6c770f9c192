//! Texts in columns, sizes and ages, as lists of things show them.

use std::fmt::{Display, Write as _};

use indicatif::DecimalBytes;

/// Rows in columns below their titles; nothing where there is no row.
pub(super) fn table(titles: &[&str], mut rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    if !titles.is_empty() {
        rows.insert(0, titles.iter().map(|&title| title.to_owned()).collect());
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(printable(&cells.collect::<Vec<_>>().join("   ")).trim_end());
        text.push('\n');
    }
    text
}

/// One line each.
pub(super) fn lines(lines: impl IntoIterator<Item = impl Display>) -> String {
    lines.into_iter().fold(String::new(), |mut text, line| {
        let _infallible = writeln!(text, "{line}");
        text
    })
}

/// Without characters that steer a terminal: the texts may be anybody's.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

/// Bytes, for people.
pub(super) fn size(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// How long before `now` something was, both in seconds since 1970.
pub(super) fn age(then: i64, now: i64) -> String {
    let seconds = now.saturating_sub(then);
    let units = [
        (365 * 86400, "year"),
        (30 * 86400, "month"),
        (7 * 86400, "week"),
        (86400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ];
    // One hour or minute is told as such; a day or more only in the plural, since `1 week` may be nearly two.
    let fits = |length: i64| seconds >= 2 * length || (seconds >= length && length <= 3600);
    match units.iter().find(|(length, _)| fits(*length)) {
        Some((length, unit)) => {
            let count = seconds / length;
            format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
        }
        None => "just now".to_owned(),
    }
}

/// The first twelve digits of a digest.
pub(super) fn short(digest: &crate::image::Digest) -> String {
    digest.hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_unit_that_fits() {
        for (seconds, want) in [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7200, "2 hours ago"),
            (86400, "24 hours ago"),
            (2 * 86400, "2 days ago"),
            (15 * 86400, "2 weeks ago"),
            (70 * 86400, "2 months ago"),
            (1000 * 86400, "2 years ago"),
        ] {
            assert_eq!(age(0, seconds), want, "{seconds}");
        }
    }
}
