//! EXPOSE arguments and STOPSIGNAL names (EXPOSE-2 to EXPOSE-4, STOP-1).

/// The `port/proto` entries of one EXPOSE argument: one for each port of a range.
pub(super) fn ports(text: &str) -> Result<Vec<String>, String> {
    let (numbers, proto) = match text.split_once('/') {
        Some((numbers, proto)) => (numbers, proto),
        None => (text, ""),
    };
    let proto = if proto.is_empty() { "tcp".to_owned() } else { proto.to_lowercase() };
    // The last part is the container's, before it the host's, before that an address that may hold colons itself.
    let (host, container) = match numbers.rsplit_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, numbers),
    };
    if container.is_empty() {
        return Err(format!("invalid port: {text:?}: no port specified"));
    }
    if !matches!(proto.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!(
            "invalid port: {text:?}: invalid proto: {}",
            text.split_once('/').map_or("", |(_, proto)| proto)
        ));
    }
    let range = range(container).map_err(|_| format!("invalid containerPort: {container}"))?;
    if let Some(host) = host {
        let (address, port) = match host.rsplit_once(':') {
            Some((address, port)) => (address, port),
            None => ("", host),
        };
        let address = address.trim_start_matches('[').trim_end_matches(']');
        if !address.is_empty() && address.parse::<std::net::IpAddr>().is_err() {
            return Err(format!("invalid IP address: {address}"));
        }
        if !port.is_empty() {
            let host = self::range(port).map_err(|_| format!("invalid hostPort: {port}"))?;
            let (wide, narrow) = (host.1 - host.0, range.1 - range.0);
            if wide != narrow && narrow != 0 {
                return Err(format!("invalid ranges specified for container and host Ports: {container} and {port}"));
            }
        }
    }
    Ok((range.0..=range.1).map(|port| format!("{port}/{proto}")).collect())
}

fn range(text: &str) -> Result<(u16, u16), ()> {
    let number = |text: &str| {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        text.parse::<u16>().map_err(drop)
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    if first > last { Err(()) } else { Ok((first, last)) }
}

/// Linux signals by name.
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];

/// Whether a text names a signal: by number, or by name with or without `SIG`.
pub(super) fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<i32>() {
        return number != 0;
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let offset = |rest: &str| rest.parse::<u32>().is_ok_and(|offset| (1..=15).contains(&offset));
    SIGNALS.contains(&name)
        || name.strip_prefix("RTMIN+").is_some_and(offset)
        || name.strip_prefix("RTMAX-").is_some_and(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expose_2_to_4() {
        for (text, want) in [
            ("80", Ok(vec!["80/tcp"])),
            ("80/", Ok(vec!["80/tcp"])),
            ("80/UDP", Ok(vec!["80/udp"])),
            ("0", Ok(vec!["0/tcp"])),
            ("8000-8002", Ok(vec!["8000/tcp", "8001/tcp", "8002/tcp"])),
            ("127.0.0.1:80:81", Ok(vec!["81/tcp"])),
            ("[::1]:80:81", Ok(vec!["81/tcp"])),
            ("1-3:80", Ok(vec!["80/tcp"])),
            ("9-8", Err("invalid containerPort: 9-8")),
            ("99999", Err("invalid containerPort: 99999")),
            ("80/foo", Err("invalid port: \"80/foo\": invalid proto: foo")),
            ("/tcp", Err("invalid port: \"/tcp\": no port specified")),
            ("x:80:81", Err("invalid IP address: x")),
            ("y:81", Err("invalid hostPort: y")),
            ("1-2:80-90", Err("invalid ranges specified for container and host Ports: 80-90 and 1-2")),
        ] {
            let got = ports(text);
            let want = want.map(|list| list.into_iter().map(str::to_owned).collect()).map_err(str::to_owned);
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn stop_1_signals() {
        for (text, good) in [
            ("SIGTERM", true),
            ("term", true),
            ("9", true),
            ("99", true),
            ("RTMIN+3", true),
            ("0", false),
            ("NOPE", false),
            ("", false),
        ] {
            assert_eq!(is_signal(text), good, "{text}");
        }
    }
}
