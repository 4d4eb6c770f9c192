//! The table of system calls, `calls.txt`.

const TEXT: &str = include_str!("calls.txt");

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It is made.
    Allow,
    /// It is not permitted.
    Refuse,
    /// As its first argument says.
    Depends(Kind),
}

/// Calls that depend on an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Clone,
    Personality,
    Socket,
}

/// A row, for one architecture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    #[cfg_attr(not(test), expect(dead_code, reason = "by its name a test finds a call"))]
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) verdict: Verdict,
}

/// The architectures of the table, in the order of its columns.
pub(super) const COLUMNS: [&str; 4] = ["x86_64", "x86", "aarch64", "arm"];

/// The calls of an architecture, sorted by number.
pub(super) fn calls(architecture: &str) -> Vec<Call> {
    let Some(column) = COLUMNS.iter().position(|name| *name == architecture) else { return Vec::new() };
    let mut calls: Vec<Call> = TEXT.lines().filter_map(|line| call(line, column)).collect();
    calls.sort_unstable_by_key(|call| call.number);
    calls
}

/// `None` for a comment, and for a call that the architecture does not have.
fn call(line: &'static str, column: usize) -> Option<Call> {
    let mut words = line.split(' ');
    let (name, verdict) = (words.next()?, words.next()?);
    let verdict = match verdict {
        "allow" => Verdict::Allow,
        "refuse" => Verdict::Refuse,
        "clone" => Verdict::Depends(Kind::Clone),
        "personality" => Verdict::Depends(Kind::Personality),
        "socket" => Verdict::Depends(Kind::Socket),
        _ => return None,
    };
    let number = words.nth(column)?.parse().ok()?;
    Some(Call { name, number, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let mut last = "";
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words.len(), 2 + COLUMNS.len(), "{line}");
            assert!(["allow", "refuse", "clone", "personality", "socket"].contains(&words[1]), "{line}");
            assert!(words[2..].iter().all(|word| *word == "-" || word.parse::<u32>().is_ok()), "{line}");
            assert!(words[2..].iter().any(|word| *word != "-"), "{line}");
            assert!(last < words[0], "{line} is not in order");
            last = words[0];
        }
        for architecture in COLUMNS {
            let calls = calls(architecture);
            assert!(calls.len() > 300, "{architecture}");
            for pair in calls.windows(2) {
                assert!(pair[0].number < pair[1].number, "{architecture}: {pair:?}");
            }
        }
    }

    #[test]
    fn numbers_are_those_of_this_machine() {
        let calls = calls(std::env::consts::ARCH);
        for (name, number) in [
            ("read", libc::SYS_read),
            ("openat", libc::SYS_openat),
            ("clone", libc::SYS_clone),
            ("personality", libc::SYS_personality),
            ("socket", libc::SYS_socket),
            ("mount", libc::SYS_mount),
            ("bpf", libc::SYS_bpf),
            ("keyctl", libc::SYS_keyctl),
            ("unshare", libc::SYS_unshare),
            ("setns", libc::SYS_setns),
            ("io_uring_setup", libc::SYS_io_uring_setup),
            ("close_range", libc::SYS_close_range),
            ("faccessat2", libc::SYS_faccessat2),
        ] {
            let found = calls.iter().find(|call| call.name == name).map(|call| i64::from(call.number));
            assert_eq!(found, Some(number), "{name}");
        }
    }
}
