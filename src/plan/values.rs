//! Forms of values that several instructions check.

/// Signals that have a name, without `SIG`.
const SIGNALS: &[&str] = &[
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Whether STOPSIGNAL takes `text` (STOP-1).
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i64>() {
        return number != 0;
    }
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |text: &str, last: u32| text.parse::<u32>().is_ok_and(|number| (1..=last).contains(&number));
    match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        (Some(number), _) => offset(number, 15),
        (_, Some(number)) => offset(number, 14),
        _ => SIGNALS.contains(&name),
    }
}

/// The boolean that the reference's option parsers read.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A number of bytes: `64`, `64k`, `1.5GiB` (RUN-43).
pub(super) fn size(text: &str) -> Option<u64> {
    let split = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim_start().to_lowercase();
    let shift = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift);
    }
    let (whole, fraction) = number.split_once('.')?;
    let digits: String = fraction.chars().take(12).collect();
    if whole.is_empty() || digits.is_empty() || fraction.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let part = (digits.parse::<u128>().ok()? << shift) / scale;
    whole.parse::<u64>().ok()?.checked_mul(1 << shift)?.checked_add(u64::try_from(part).ok()?)
}

/// Whether `--chmod` takes `text`: octal up to 07777, or symbolic as chmod(1) (COPY-41).
pub(super) fn is_mode(text: &str) -> bool {
    if text.starts_with(|char: char| char.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).is_ok_and(|mode| mode <= 0o7777);
    }
    text.split(',').all(is_mode_clause)
}

fn is_mode_clause(text: &str) -> bool {
    let mut actions = text.trim_start_matches(['u', 'g', 'o', 'a']);
    if actions.is_empty() {
        return false;
    }
    while !actions.is_empty() {
        let Some(permissions) = actions.strip_prefix(['+', '-', '=']) else { return false };
        actions = match permissions.strip_prefix(['u', 'g', 'o']) {
            Some(after) => after,
            None => permissions.trim_start_matches(['r', 'w', 'x', 'X', 's', 't']),
        };
    }
    true
}

/// Whether a source of COPY or ADD is fetched over HTTP (ADD-2).
pub(super) fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Whether a source of COPY or ADD is a git reference (ADD-20): no bare `github.com/…`.
pub(super) fn is_git(text: &str) -> bool {
    if text.starts_with("git://") || text.starts_with("ssh://") {
        return true;
    }
    if is_url(text) {
        let path = text.split(['#', '?']).next().unwrap_or_default();
        let path = path.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        return path.trim_end_matches('/').ends_with(".git");
    }
    let word =
        |text: &str| !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || "._-".contains(char));
    let Some((user, rest)) = text.split_once('@') else { return false };
    let Some((host, path)) = rest.split_once(':') else { return false };
    word(user) && word(host) && !path.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_1_signals() {
        for good in ["9", "99", "TERM", "sigterm", "SIGRTMIN+3", "RTMAX-14", "SigUsr1", "RTMIN"] {
            assert!(is_signal(good), "{good}");
        }
        for bad in ["0", "", "NOPE", "SIG", "SIGRTMIN+16", "RTMAX-15", "RTMIN+", "9x"] {
            assert!(!is_signal(bad), "{bad}");
        }
    }

    #[test]
    fn run_43_sizes() {
        for (text, want) in [
            ("64", 64),
            ("64k", 65_536),
            ("1m", 1 << 20),
            ("1.5g", 3 << 29),
            ("2GiB", 2 << 30),
            ("1 kb", 1024),
            ("3T", 3 << 40),
        ] {
            assert_eq!(size(text), Some(want), "{text}");
        }
        for bad in ["", "large", "-1", "1x", ".", "1.2.3m", "99999999999t", "k"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn copy_41_modes() {
        for good in ["0", "755", "07777", "u+x", "go-w", "a=rX", "u=rwx,go=r", "+x", "g=u", "u+r-w", "o="] {
            assert!(is_mode(good), "{good}");
        }
        for bad in ["", "99x", "0799", "17777", "rw-rw-rw-", "wide", "u", "u+x,", "8"] {
            assert!(!is_mode(bad), "{bad}");
        }
    }

    #[test]
    fn add_20_git_references() {
        for git in [
            "git://h/x",
            "ssh://h/x",
            "git@h.org:a/b.git",
            "https://h/a.git",
            "https://h/a.git#v1:sub",
            "http://h/a.git?ref=x",
        ] {
            assert!(is_git(git), "{git}");
        }
        for not in ["https://h/a.tar", "github.com/a/b", "a@b", "./git@h:x", "https://h.git", "https://h/x?y=a.git"] {
            assert!(!is_git(not), "{not}");
        }
    }
}
