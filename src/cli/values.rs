//! Single values of flags, each with its own mistakes.

use std::net::IpAddr;
use std::time::Duration;

use crate::build::NamedContext;
use crate::dockerfile::suggest;
use crate::image::{Platform, PlatformError, Reference, ReferenceError};
use crate::plan::Network;
use crate::sandbox::{HostEntry, Isolation};

use super::failure::Failure;
use super::options::Checked;

/// What `--allow` grants.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Allowed {
    pub(super) network_host: bool,
    pub(super) insecure: bool,
}

/// A failure that names the word that may have been meant.
fn unknown<'a>(message: String, word: &str, among: impl IntoIterator<Item = &'a str>) -> Failure {
    let near = suggest(word, among).map(|near| format!("did you mean `{near}`?"));
    Failure::usage(message, near.as_deref())
}

/// The name of an image.
pub(super) fn image_name(text: &str) -> Checked<Reference> {
    text.parse().map_err(|error: ReferenceError| {
        let lower = text.to_lowercase();
        let hint = if lower != text && lower.parse::<Reference>().is_ok() {
            format!("names are in lower case: `{lower}`")
        } else {
            "an image is named `NAME[:TAG]`".to_owned()
        };
        Failure::usage(error.to_string(), Some(&hint))
    })
}

/// `-t`
pub(super) fn tag(text: &str) -> Checked<Reference> {
    let name = image_name(text).map_err(|failure| failure.about("--tag"))?;
    match name.digest() {
        Some(_) => Err(Failure::usage(format!("--tag `{text}`: a tag cannot have a digest"), Some("leave out `@…`"))),
        None => Ok(name),
    }
}

/// `--build-context NAME=VALUE` (NCTX-1).
pub(super) fn named_context(text: &str) -> Checked<NamedContext> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(NamedContext { name: name.to_owned(), value: value.to_owned() }),
        _ => Err(Failure::usage(
            format!("invalid context value: {text}, expected key=value"),
            Some("write `--build-context NAME=DIR`"),
        )),
    }
}

/// `--label NAME[=VALUE]`
pub(super) fn label(text: &str) -> Checked<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(Failure::usage(format!("--label `{text}` has no name"), Some("write `--label NAME=VALUE`")));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// One platform.
pub(super) fn platform(text: &str) -> Checked<Platform> {
    if text == "local" {
        return Ok(Platform::host());
    }
    text.parse()
        .map_err(|error: PlatformError| Failure::usage(error.to_string(), Some("write for example `linux/arm64`")))
}

/// `--platform`: none or one, so far.
pub(super) fn platforms(given: &[String]) -> Checked<Option<Platform>> {
    let all: Vec<&str> = given.iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty()).collect();
    match all[..] {
        [] => Ok(None),
        [one] => platform(one).map(Some),
        _ => Err(Failure::usage("several platforms at once are not supported yet", Some("build one after the other"))),
    }
}

/// `--network`
pub(super) fn network(text: &str) -> Checked<Network> {
    match text {
        "default" | "" => Ok(Network::Default),
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        other => Err(unknown(format!("invalid network mode \"{other}\""), other, ["default", "none", "host"])),
    }
}

/// `--allow`
pub(super) fn entitlements(given: &[String]) -> Checked<Allowed> {
    let mut allowed = Allowed::default();
    for name in given {
        match name.as_str() {
            "network.host" => allowed.network_host = true,
            "security.insecure" => allowed.insecure = true,
            // kiln never deletes anything in the directory of a local output.
            "buildx.local.delete" => {}
            name if name == "device" || name.starts_with("device=") => {
                return Err(Failure::usage("`--allow device` is not supported yet", Some("leave it out")));
            }
            name => {
                let message = format!("unknown entitlement `{name}`");
                return Err(unknown(message, name, ["network.host", "security.insecure"]));
            }
        }
    }
    Ok(allowed)
}

/// `--isolation`
pub(super) fn isolation(text: &str) -> Checked<Option<Isolation>> {
    // `default` is the word of other builders.
    if matches!(text, "auto" | "default" | "") {
        return Ok(None);
    }
    let Some(isolation) = Isolation::ALL.into_iter().find(|isolation| isolation.as_str() == text) else {
        let known = Isolation::ALL.map(Isolation::as_str).into_iter().chain(["auto"]);
        return Err(unknown(format!("unknown isolation `{text}`"), text, known));
    };
    Ok(Some(isolation))
}

/// `--add-host`: `NAME:IP`, `NAME=IP`, `NAME:[IP6]`, several separated by commas.
pub(super) fn hosts(text: &str) -> Checked<Vec<HostEntry>> {
    let one = |text: &str| {
        let wrong = || Failure::usage(format!("invalid host `{text}`"), Some("write `--add-host NAME:ADDRESS`"));
        let (name, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(wrong)?;
        let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        // A step shares the host's network, where the host is this address.
        let address = if address == "host-gateway" { "127.0.0.1" } else { address };
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#');
        if !is_name || address.parse::<IpAddr>().is_err() {
            return Err(wrong());
        }
        Ok(HostEntry { name: name.to_owned(), address: address.to_owned() })
    };
    text.split(',').map(one).collect()
}

/// A number of bytes with an optional binary unit.
pub(super) fn size(flag: &str, text: &str) -> Checked<u64> {
    let lower = text.to_lowercase();
    let plain = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let units = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
    let unit = units.iter().find_map(|(unit, shift)| plain.strip_suffix(*unit).map(|number| (number, *shift)));
    let (number, shift) = unit.unwrap_or((plain, 0));
    let bytes = number.trim_end().parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| Failure::usage(format!("{flag}: `{text}` is not a size"), Some("write for example `64m`")))
}

/// A length of time: numbers with the units s, m, h, d and w, such as `24h` or `1d12h`.
pub(super) fn duration(flag: &str, text: &str) -> Checked<Duration> {
    let wrong =
        || Failure::usage(format!("{flag}: `{text}` is no length of time"), Some("write for example `24h` or `7d`"));
    let (mut seconds, mut number) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            'w' => 7 * 86400,
            _ => return Err(wrong()),
        };
        let count = number.parse::<u64>().map_err(|_| wrong())?;
        seconds = count.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        number.clear();
    }
    if text.is_empty() || !number.is_empty() { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

/// `--registry-mirror`: `HOST[:PORT]`
pub(super) fn mirror(text: &str) -> Checked<String> {
    let image = Reference::at_registry;
    let is_registry = "docker.io/library/x:y"
        .parse::<Reference>()
        .is_ok_and(|name| !text.contains('/') && image(&name, text).is_ok_and(|moved| moved.registry() == text));
    if is_registry {
        return Ok(text.to_owned());
    }
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let hint = host.map_or_else(
        || "write `HOST:PORT`; the port may be left out where the host has a dot".to_owned(),
        |host| format!("leave out the scheme: `{}`", host.trim_end_matches('/')),
    );
    Err(Failure::usage(format!("`{text}` is no registry"), Some(&hint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_hosts() {
        for (text, want) in [
            ("a:1.2.3.4", Some("1.2.3.4 a")),
            ("a=1.2.3.4", Some("1.2.3.4 a")),
            ("a:[::1],b:::1,c=::1", Some("::1 a,::1 b,::1 c")),
            ("a:host-gateway", Some("127.0.0.1 a")),
            ("a", None),
            ("a:b", None),
            (":1.2.3.4", None),
            ("a b:1.2.3.4", None),
        ] {
            let got = hosts(text).ok().map(|hosts| {
                let lines: Vec<_> = hosts.iter().map(|host| format!("{} {}", host.address, host.name)).collect();
                lines.join(",")
            });
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }

    #[test]
    fn cli_sizes() {
        for (text, want) in [
            ("0", Some(0)),
            ("64m", Some(64 << 20)),
            ("1GB", Some(1 << 30)),
            ("2KiB", Some(2048)),
            ("10b", Some(10)),
            ("x", None),
            ("m", None),
            ("99999999999g", None),
        ] {
            assert_eq!(size("--shm-size", text).ok(), want, "{text}");
        }
    }

    #[test]
    fn cli_lengths_of_time() {
        for (text, want) in [
            ("0s", Some(0)),
            ("90s", Some(90)),
            ("1h30m", Some(5400)),
            ("7d", Some(604_800)),
            ("", None),
            ("5", None),
            ("h", None),
            ("1y", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(duration("--filter", text).ok().map(|time| time.as_secs()), want, "{text}");
        }
    }

    #[test]
    fn cli_rungs_by_name() {
        assert_eq!(isolation("auto").unwrap(), None);
        assert_eq!(isolation("chroot").unwrap(), Some(Isolation::Chroot));
        assert_eq!(isolation("single-id").unwrap(), Some(Isolation::SingleId));
        assert!(isolation("chrot").unwrap_err().to_string().contains("`chroot`?"));
    }

    #[test]
    fn cli_tags_labels_mirrors_and_entitlements() {
        assert!(tag("a/b:c").is_ok() && tag("a b").is_err());
        assert!(tag(&format!("a@sha256:{}", "0".repeat(64))).is_err());
        assert!(tag("Upper").unwrap_err().to_string().contains("`upper`"));
        assert_eq!(label("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert_eq!(label("a").unwrap(), ("a".into(), String::new()));
        assert!(label("=b").is_err());
        assert!(mirror("localhost:5000").is_ok() && mirror("mirror.example").is_ok());
        assert!(mirror("https://mirror.example/").unwrap_err().to_string().contains("`mirror.example`"));
        assert!(mirror("a/b").is_err() && mirror("").is_err());
        let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        assert!(entitlements(&words("network.host,security.insecure")).unwrap().insecure);
        assert!(entitlements(&words("network.hots")).unwrap_err().to_string().contains("`network.host`"));
        assert!(entitlements(&words("device=x")).is_err());
    }
}
