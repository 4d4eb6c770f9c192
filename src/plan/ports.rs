use std::net::IpAddr;

/// The ports that one argument of EXPOSE names, as `80/tcp` (EXPOSE-2 to EXPOSE-4); the error is D-69's message.
pub(super) fn ports(text: &str) -> Result<Vec<String>, String> {
    let none = || format!("invalid port: \"{text}\": no port specified");
    let (address, protocol) = text.split_once('/').unwrap_or((text, ""));
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("invalid port: \"{text}\": invalid proto: {protocol}"));
    }
    let (outside, container) = match address.rsplit_once(':') {
        Some((outside, container)) => (Some(outside), container),
        None => (None, address),
    };
    if container.is_empty() {
        return Err(none());
    }
    let inside = range(container).ok_or_else(|| format!("invalid containerPort: {container}"))?;
    if let Some(outside) = outside {
        let (ip, host) = outside.rsplit_once(':').unwrap_or(("", outside));
        check_ip(ip)?;
        if !host.is_empty() {
            let published = range(host).ok_or_else(|| format!("invalid hostPort: {host}"))?;
            let single = inside.0 == inside.1;
            if !single && published.1 - published.0 != inside.1 - inside.0 {
                return Err(format!("invalid ranges specified for container and host Ports: {container} and {host}"));
            }
        }
    }
    Ok((inside.0..=inside.1).map(|port| format!("{port}/{protocol}")).collect())
}

fn check_ip(text: &str) -> Result<(), String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if text.is_empty() || bare.parse::<IpAddr>().is_ok() { Ok(()) } else { Err(format!("invalid IP address: {text}")) }
}

/// `N` or `N-M`.
fn range(text: &str) -> Option<(u16, u16)> {
    let port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expose_2_ports_and_ranges() {
        for (text, want) in [
            ("80", vec!["80/tcp"]),
            ("80/", vec!["80/tcp"]),
            ("0/UDP", vec!["0/udp"]),
            ("8000-8002/sctp", vec!["8000/sctp", "8001/sctp", "8002/sctp"]),
            ("8080:80", vec!["80/tcp"]),
            ("127.0.0.1:8080-8090:80", vec!["80/tcp"]),
            ("[::1]::80/udp", vec!["80/udp"]),
        ] {
            assert_eq!(ports(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn d_69_wrong_ports() {
        for (text, want) in [
            ("99999", "invalid containerPort: 99999"),
            ("http", "invalid containerPort: http"),
            ("+80", "invalid containerPort: +80"),
            ("8010-8000", "invalid containerPort: 8010-8000"),
            ("80/foo", "invalid port: \"80/foo\": invalid proto: foo"),
            ("/tcp", "invalid port: \"/tcp\": no port specified"),
            ("x:1:2", "invalid IP address: x"),
            ("x:80", "invalid hostPort: x"),
            ("8000-8002:9000-9001", "invalid ranges specified for container and host Ports: 9000-9001 and 8000-8002"),
        ] {
            assert_eq!(ports(text).unwrap_err(), want, "{text}");
        }
    }
}
