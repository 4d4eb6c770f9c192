use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where other tools look for the certificates that a registry's own is signed with: `HOST[:PORT]/*.crt` below each.
const CERTIFICATES: [&str; 2] = ["/etc/docker/certs.d", "/etc/containers/certs.d"];

/// How registries are reached: what the user has said about them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Access {
    /// Registries that stand in for Docker Hub, in order: `host[:port]`.
    pub mirrors: Vec<String>,
    /// Settings of single registries, by `host[:port]`.
    pub hosts: BTreeMap<String, HostAccess>,
    /// Nobody is asked for anything: every request is refused here.
    pub offline: bool,
}

/// What is special about one registry.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct HostAccess {
    /// Certificates are not checked, and where there is no TLS, plain HTTP will do.
    pub insecure: bool,
    /// A file of certificates in PEM that count beside the machine's own.
    pub ca: Option<PathBuf>,
    /// Registries that stand in for this one, in order: `host[:port]`.
    pub mirrors: Vec<String>,
}

/// How one registry is spoken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Transport {
    /// HTTP, past every proxy: for registries on this machine.
    Plain,
    /// TLS. Files of certificates beside the machine's own.
    Secure(Vec<PathBuf>),
    /// TLS with anybody, else HTTP.
    Insecure,
}

impl Access {
    /// Who is asked before `registry` itself.
    pub(super) fn mirrors_of(&self, registry: &str) -> Vec<String> {
        let own = self.hosts.get(registry).map(|host| host.mirrors.clone()).unwrap_or_default();
        let general = if registry == "docker.io" { self.mirrors.clone() } else { Vec::new() };
        general.into_iter().chain(own).collect()
    }

    /// How `registry`, `host[:port]`, is spoken to (AUTH-7).
    pub(super) fn transport(&self, registry: &str) -> Transport {
        let host = self.hosts.get(registry);
        if host.is_some_and(|host| host.insecure) {
            return Transport::Insecure;
        }
        let mut certificates: Vec<PathBuf> = host.and_then(|host| host.ca.clone()).into_iter().collect();
        for dir in CERTIFICATES {
            certificates.extend(certificates_in(&Path::new(dir).join(registry)));
        }
        if certificates.is_empty() && is_local(registry) { Transport::Plain } else { Transport::Secure(certificates) }
    }
}

fn certificates_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "crt"));
    found.sort();
    found
}

/// Whether a registry is on this machine (AUTH-7).
fn is_local(registry: &str) -> bool {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_7_only_this_machine_is_spoken_to_in_the_clear() {
        for (registry, local) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:80", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("docker.io", false),
            ("localhost.example", false),
            ("127.0.0.1.example:80", false),
            ("10.0.0.1", false),
        ] {
            let plain = Access::default().transport(registry) == Transport::Plain;
            assert_eq!(plain, local, "{registry}");
        }
    }

    #[test]
    fn auth_7_settings_of_a_registry_count_over_where_it_is() {
        let ca = PathBuf::from("/ca.pem");
        let with = |host: HostAccess| Access { hosts: [("localhost:1".to_owned(), host)].into(), ..Access::default() };
        let secure = with(HostAccess { ca: Some(ca.clone()), ..HostAccess::default() });
        assert_eq!(secure.transport("localhost:1"), Transport::Secure(vec![ca]));
        let insecure = with(HostAccess { insecure: true, ..HostAccess::default() });
        assert_eq!(insecure.transport("localhost:1"), Transport::Insecure);
        assert_eq!(insecure.transport("example.com"), Transport::Secure(vec![]));
    }
}
