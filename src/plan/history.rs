//! The texts of history entries, in the spelling of the reference.

use super::expand::Variables;
use super::scope::Environment;
use crate::image::Healthcheck;

/// `["a" "b"]` (CMD-4).
pub(super) fn quoted_list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(" "))
}

/// `[a b]` (SHELL-3).
pub(super) fn plain_list(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// In double quotes, with the escapes that Go writes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            char if char < ' ' || char == '\x7f' => out.push_str(&format!("\\x{:02x}", u32::from(char))),
            char if char.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// `RUN |1 V=2 /bin/sh -c make # buildkit` (RUN-51).
pub(super) fn run(argv: &[String], args: &[String], env: &Environment) -> String {
    let mut words = vec!["RUN".to_owned()];
    if !args.is_empty() {
        words.push(format!("|{}", args.len()));
        words.extend(args.iter().map(|name| format!("{name}={}", env.get(name).unwrap_or_default())));
    }
    words.extend_from_slice(argv);
    words.push("# buildkit".to_owned());
    words.join(" ")
}

/// `HEALTHCHECK {Test:[CMD-SHELL x] Interval:30s …}` (HC-5).
pub(super) fn healthcheck(check: &Healthcheck) -> String {
    format!(
        "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        plain_list(&check.test),
        duration(check.interval),
        duration(check.timeout),
        duration(check.start_period),
        duration(check.start_interval),
        check.retries
    )
}

/// Nanoseconds as Go prints a duration: `1m30s`, `1.5s`, `250ms`, `0s`.
fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let (unit, size) = match total {
        0 => return "0s".to_owned(),
        1..1_000 => ("ns", 1),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    };
    let (whole, part) = (total / size, total % size);
    let mut fraction = String::new();
    if part > 0 {
        let digits = size.ilog10() as usize;
        fraction = format!(".{part:0digits$}");
        fraction.truncate(fraction.trim_end_matches('0').len());
    }
    if unit != "s" {
        return format!("{sign}{whole}{fraction}{unit}");
    }
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}{fraction}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}{fraction}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn cmd_4_elements_are_quoted() {
        assert_eq!(quoted_list(&words(&["a b", "c\"\\\n\u{1}é"])), r#"["a b" "c\"\\\n\x01é"]"#);
        assert_eq!(quoted_list(&[]), "[]");
    }

    #[test]
    fn hc_5_durations_are_written_as_go_does() {
        for (nanoseconds, want) in [
            (0, "0s"),
            (90_000_000_000, "1m30s"),
            (1_500_000_000, "1.5s"),
            (250_000_000, "250ms"),
            (1_000_001, "1.000001ms"),
            (3_600_000_000_000, "1h0m0s"),
            (500, "500ns"),
        ] {
            assert_eq!(duration(nanoseconds), want);
        }
    }

    #[test]
    fn run_51_arguments_in_scope_come_first() {
        let mut env = Environment::default();
        env.set("V", "2".to_owned());
        let argv = words(&["/bin/sh", "-c", "make"]);
        assert_eq!(run(&argv, &words(&["V", "W"]), &env), "RUN |2 V=2 W= /bin/sh -c make # buildkit");
        assert_eq!(run(&argv, &[], &env), "RUN /bin/sh -c make # buildkit");
    }
}
