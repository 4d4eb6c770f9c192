use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

use super::{Error, helper};

/// Names under which Docker Hub's credentials are kept (AUTH-2).
const HUB: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The server that helpers know Docker Hub's credentials under.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// User name and password.
type Pair = (String, String);

/// User names and passwords by registry, as `docker login` keeps them (AUTH-1 to AUTH-4).
#[derive(Default)]
pub(super) struct Credentials {
    known: BTreeMap<String, Pair>,
    /// Helper for each registry that has its own.
    helpers: BTreeMap<String, String>,
    /// Helper for all others.
    store: Option<String>,
    /// What helpers have said.
    asked: Mutex<BTreeMap<String, Option<Pair>>>,
}

#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

impl Credentials {
    /// Reads `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. No file means no credentials.
    pub(super) fn of_user() -> Result<Self, Error> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        match set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker"))) {
            Some(dir) => Self::read(&dir.join("config.json")),
            None => Ok(Self::default()),
        }
    }

    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Credentials { path: path.to_owned(), source };
        match fs::read(path) {
            Ok(bytes) => Self::parse(&bytes).map_err(failed),
            // A home directory that is not ours to read holds nothing for us.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
                ) =>
            {
                Ok(Self::default())
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let file: ConfigFile = serde_json::from_slice(bytes)?;
        let mut known = BTreeMap::new();
        for (key, entry) in file.auths {
            let host = host_of(&key);
            if entry.auth.is_empty() {
                // A helper keeps the secret: the entry is there but empty.
                if !entry.username.is_empty() {
                    known.insert(host, (entry.username, entry.password));
                }
                continue;
            }
            let pair = base64(&entry.auth).and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = pair.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
            let (user, password) =
                pair.ok_or_else(|| invalid(format!("`auth` of {key} is no base64 of user:password")))?;
            known.insert(host, (user.to_owned(), password.to_owned()));
        }
        let helpers = file.helpers.into_iter().map(|(key, helper)| (host_of(&key), helper)).collect();
        let store = file.store.filter(|helper| !helper.is_empty());
        Ok(Self { known, helpers, store, asked: Mutex::default() })
    }

    /// What is kept for a registry, `host[:port]`.
    pub(super) fn of(&self, registry: &str) -> RegistryAuth {
        let names = if HUB.contains(&registry) { HUB } else { &[registry] };
        let helper = names.iter().find_map(|name| self.helpers.get(*name)).or(self.store.as_ref());
        let kept = helper.and_then(|helper| {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let server = if HUB.contains(&registry) { HUB_SERVER } else { registry };
            asked.entry(server.to_owned()).or_insert_with(|| helper::ask(helper, server)).clone()
        });
        let found = kept.or_else(|| names.iter().find_map(|name| self.known.get(*name).cloned()));
        found.map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password))
    }
}

/// A key without scheme and path (AUTH-2).
fn host_of(key: &str) -> String {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// Decodes RFC 4648, section 4; padding may be missing.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.trim().trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user: &str, password: &str) -> RegistryAuth {
        RegistryAuth::Basic(user.to_owned(), password.to_owned())
    }

    #[test]
    fn auth_2_entries_are_found_by_host() {
        let known = Credentials::parse(
            br#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6c2VjOnJldA=="},
                "localhost:5000":{"username":"u","password":"p"},
                "http://quay.io/v2":{"auth":"YTpi"},"helped.example":{}},"credsStore":"no-such-helper"}"#,
        )
        .unwrap();
        for (registry, want) in [
            ("docker.io", basic("me", "sec:ret")),
            ("index.docker.io", basic("me", "sec:ret")),
            ("localhost:5000", basic("u", "p")),
            ("quay.io", basic("a", "b")),
            ("localhost", RegistryAuth::Anonymous),
            ("evil-quay.io", RegistryAuth::Anonymous),
            ("helped.example", RegistryAuth::Anonymous),
        ] {
            assert_eq!(known.of(registry), want, "{registry}");
        }
    }

    #[test]
    fn auth_3_what_is_no_base64_is_an_error_that_names_the_entry() {
        for bad in ["!!!", "YQ=="] {
            let text = format!(r#"{{"auths":{{"h":{{"auth":"{bad}"}}}}}}"#);
            let error = Credentials::parse(text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains("`auth` of h"), "{error}");
        }
        assert!(Credentials::parse(b"text").is_err());
        let none = Credentials::read(Path::new("/no/such/file")).unwrap();
        assert_eq!(none.of("docker.io"), RegistryAuth::Anonymous);
    }
}
