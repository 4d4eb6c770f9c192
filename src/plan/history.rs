//! The texts of history entries and other forms that Go's formatting gives (dockerfile.md, History of each instruction).

use std::fmt::Write as _;

use crate::image::Healthcheck;

/// A string in double quotes with Go's escapes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => {
                let _infallible = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `["a" "b"]` (CMD-4).
pub(super) fn quoted_list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(" "))
}

/// `[a b]` (SHELL-3).
pub(super) fn plain_list(items: &[String]) -> String {
    format!("[{}]", items.join(" "))
}

/// `{Test:[CMD-SHELL x] Interval:30s …}` (HC-5).
pub(super) fn healthcheck(check: &Healthcheck) -> String {
    format!(
        "{{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        plain_list(&check.test),
        duration(check.interval),
        duration(check.timeout),
        duration(check.start_period),
        duration(check.start_interval),
        check.retries
    )
}

/// Nanoseconds as Go prints a duration: `1m30s`, `1.5s`, `300ms`.
fn duration(nanoseconds: i64) -> String {
    let decimal = |count: i64, unit: i64| {
        let (whole, part) = (count / unit, count % unit);
        if part == 0 {
            return whole.to_string();
        }
        let digits = unit.to_string().len() - 1;
        format!("{whole}.{}", format!("{part:0digits$}").trim_end_matches('0'))
    };
    match nanoseconds {
        0 => "0s".to_owned(),
        n if n < 1_000 => format!("{n}ns"),
        n if n < 1_000_000 => format!("{}µs", decimal(n, 1_000)),
        n if n < 1_000_000_000 => format!("{}ms", decimal(n, 1_000_000)),
        n => {
            let (minutes, rest) = (n / 60_000_000_000, n % 60_000_000_000);
            let seconds = decimal(rest, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hc_5_durations_read_as_go_writes_them() {
        for (nanoseconds, want) in [
            (0, "0s"),
            (30_000_000_000, "30s"),
            (90_500_000_000, "1m30.5s"),
            (3_600_000_000_000, "1h0m0s"),
            (1_500_000, "1.5ms"),
            (2_000, "2µs"),
        ] {
            assert_eq!(duration(nanoseconds), want);
        }
    }

    #[test]
    fn cmd_4_quotes() {
        assert_eq!(quoted_list(&["a\"b".into(), "é\n".into()]), "[\"a\\\"b\" \"é\\n\"]");
    }
}
