//! What a step reads in `/etc/hosts` and `/etc/resolv.conf` (RUN-13).

use std::fmt::Write as _;

use super::HostEntry;

/// Used where the machine names none.
const PUBLIC_NAME_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// The text of `/etc/hosts`: loopback under both families, then what `--add-host` gave.
pub(super) fn hosts(hostname: &str, entries: &[HostEntry]) -> String {
    let mut text = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for HostEntry { name, address } in entries {
        // Writing to a string cannot fail.
        let _ok = writeln!(text, "{address}\t{name}");
    }
    text
}

/// The text of `/etc/resolv.conf`, made from the machine's.
///
/// A step uses the machine's own network, so name servers on loopback stay: they can be reached.
pub(super) fn resolv_conf(host: &str) -> String {
    const KEPT: [&str; 5] = ["nameserver", "search", "domain", "options", "sortlist"];
    let mut text = String::new();
    let mut served = false;
    for line in host.lines().map(str::trim) {
        let word = line.split_whitespace().next().unwrap_or_default();
        if KEPT.contains(&word) {
            served |= word == "nameserver";
            text.push_str(line);
            text.push('\n');
        }
    }
    if !served {
        for server in PUBLIC_NAME_SERVERS {
            let _ok = writeln!(text, "nameserver {server}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_13_hosts_names_loopback_then_the_added() {
        let added = [HostEntry { name: "example.test".into(), address: "192.0.2.7".into() }];
        let text = hosts("buildkitsandbox", &added);
        let want = "127.0.0.1\tlocalhost buildkitsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                    192.0.2.7\texample.test\n";
        assert_eq!(text, want);
    }

    #[test]
    fn run_13_resolv_conf_is_derived_from_the_machines() {
        for (row, host, want) in [
            ("nothing", "", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
            ("only search", "search a b\n", "search a b\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
            ("kept", "# c\nnameserver 127.0.0.53\noptions edns0\n", "nameserver 127.0.0.53\noptions edns0\n"),
        ] {
            assert_eq!(resolv_conf(host), want, "{row}");
        }
    }
}
