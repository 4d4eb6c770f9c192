use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::fault::Fault;
use super::helper;

/// Names under which Docker Hub's credentials are kept (AUTH-2).
const HUB: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io"];

/// The server that helpers know Docker Hub's credentials under.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// Padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the user shows a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// Nothing.
    Anonymous,
    /// User name and password.
    Password(String, String),
    /// A token to get tokens with (AUTH-3).
    IdentityToken(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password(..) => "Password",
            Self::IdentityToken(_) => "IdentityToken",
        })
    }
}

/// The user's credentials by registry (AUTH-1 to AUTH-4).
pub(super) struct Credentials {
    /// What is to be shown to every registry, whatever is kept for it.
    given: Option<Credential>,
    files: Vec<PathBuf>,
    read: OnceLock<Vec<ConfigFile>>,
    /// What helpers have said.
    asked: Mutex<BTreeMap<String, Option<Credential>>>,
}

/// What counts in a file as `docker login` and `podman login` write it.
#[derive(Deserialize, Default)]
struct ConfigFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    /// Helper for each registry that has its own.
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    /// Helper for all others.
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize, Default)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

impl Credentials {
    /// Those of the files that exist, read when a registry wants some (AUTH-1).
    pub(super) fn of_user() -> Self {
        Self::in_files(files_of_user())
    }

    pub(super) fn in_files(files: Vec<PathBuf>) -> Self {
        Self { given: None, files, read: OnceLock::new(), asked: Mutex::default() }
    }

    /// One that is to be tried, and none of those that are kept.
    pub(super) fn given(credential: Credential) -> Self {
        Self { given: Some(credential), ..Self::in_files(Vec::new()) }
    }

    /// What is kept for a registry, `host[:port]`, or for the repository alone.
    pub(super) fn of(&self, registry: &str, repository: &str) -> Result<Credential, Fault> {
        if let Some(given) = &self.given {
            return Ok(given.clone());
        }
        for file in self.files()? {
            if let Some(helper) = file.helper_for(registry) {
                let server = server_of(registry);
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                let kept = asked.entry(format!("{helper} {server}")).or_insert_with(|| helper::ask(helper, server));
                if let Some(kept) = kept.clone() {
                    return Ok(kept);
                }
            }
            if let Some(entry) = file.entry_for(registry, repository) {
                return Ok(entry);
            }
        }
        Ok(Credential::Anonymous)
    }

    fn files(&self) -> Result<&[ConfigFile], Fault> {
        if let Some(known) = self.read.get() {
            return Ok(known);
        }
        let mut read = Vec::new();
        for path in &self.files {
            let failed = |source| Fault::Credentials { path: path.clone(), source };
            match fs::read(path) {
                Ok(bytes) => read.push(ConfigFile::parse(&bytes).map_err(failed)?),
                // A home directory that is not ours to read holds nothing for us.
                Err(error) if is_absence(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(self.read.get_or_init(|| read))
    }
}

/// The files that may hold credentials, most specific first (AUTH-1).
fn files_of_user() -> Vec<PathBuf> {
    let files = [
        set("REGISTRY_AUTH_FILE"),
        docker_config(),
        set("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        set("XDG_CONFIG_HOME").or_else(|| home(".config")).map(|dir| dir.join("containers/auth.json")),
    ];
    files.into_iter().flatten().collect()
}

/// The file that new credentials are kept in; `None` where there is no home directory.
pub(super) fn file_of_user() -> Option<PathBuf> {
    set("REGISTRY_AUTH_FILE").or_else(docker_config)
}

fn docker_config() -> Option<PathBuf> {
    set("DOCKER_CONFIG").or_else(|| home(".docker")).map(|dir| dir.join("config.json"))
}

fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn home(below: &str) -> Option<PathBuf> {
    set("HOME").map(|home| home.join(below))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied)
}

impl ConfigFile {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let file: Self = serde_json::from_slice(bytes)?;
        for (key, entry) in &file.auths {
            entry.credential().map_err(|what| {
                io::Error::new(io::ErrorKind::InvalidData, format!("`auth` of {key} is no base64 of {what}"))
            })?;
        }
        Ok(file)
    }

    /// The helper that keeps a registry's credentials.
    fn helper_for(&self, registry: &str) -> Option<&str> {
        let own = self.helpers.iter().find(|(key, _)| names_of(registry).contains(&host_of(key)));
        own.map(|(_, helper)| helper).or(self.store.as_ref()).filter(|helper| !helper.is_empty()).map(String::as_str)
    }

    /// The longest path that leads to the repository counts, then the host (AUTH-2).
    fn entry_for(&self, registry: &str, repository: &str) -> Option<Credential> {
        let mut best: Option<(usize, Credential)> = None;
        for (key, entry) in &self.auths {
            let Ok(Some(credential)) = entry.credential() else { continue };
            let path = path_of(key);
            let leads = path.is_empty() || repository == path || repository.starts_with(&format!("{path}/"));
            if names_of(registry).contains(&host_of(key))
                && leads
                && best.as_ref().is_none_or(|(length, _)| path.len() > *length)
            {
                best = Some((path.len(), credential));
            }
        }
        best.map(|(_, credential)| credential)
    }
}

impl Entry {
    /// `None`: a helper keeps the secret, and the entry only says that there is one.
    fn credential(&self) -> Result<Option<Credential>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Credential::IdentityToken(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            let pair = (!self.username.is_empty()).then(|| (self.username.clone(), self.password.clone()));
            return Ok(pair.map(|(user, password)| Credential::Password(user, password)));
        }
        let text = BASE64.decode(self.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = text.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        let (user, password) = pair.ok_or("user:password")?;
        Ok(Some(Credential::Password(user.to_owned(), password.to_owned())))
    }
}

/// The name under which a registry's credentials are kept.
pub(super) fn server_of(registry: &str) -> &str {
    if HUB.contains(&registry) { HUB_SERVER } else { registry }
}

pub(super) fn names_of(registry: &str) -> Vec<&str> {
    if HUB.contains(&registry) { HUB.to_vec() } else { vec![registry] }
}

/// A key without scheme and path.
pub(super) fn host_of(key: &str) -> &str {
    without_scheme(key).split('/').next().unwrap_or_default()
}

/// The path of a key. With a scheme it is that of an old protocol, and says nothing.
fn path_of(key: &str) -> &str {
    if key.contains("://") {
        return "";
    }
    key.split_once('/').map_or("", |(_, path)| path.trim_end_matches('/'))
}

fn without_scheme(key: &str) -> &str {
    key.split_once("://").map_or(key, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(user: &str, password: &str) -> Credential {
        Credential::Password(user.to_owned(), password.to_owned())
    }

    fn with(text: &str) -> Credentials {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        fs::write(&file, text).unwrap();
        let credentials = Credentials::in_files(vec![PathBuf::from("/no/such/file"), file]);
        // Reads the file before it goes.
        let _read = credentials.files();
        credentials
    }

    #[test]
    fn auth_2_and_3_entries_are_found_by_host_and_the_longest_path() {
        let known = with(
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6c2VjOnJldA=="},
                "localhost:5000":{"username":"u","password":"p"},
                "http://quay.io/v2":{"auth":"YTpi"},"quay.io/team":{"auth":"YzpkCg"},"quay.io/team/app":{"identitytoken":"t"},
                "helped.example":{}},"credsStore":"no-such-helper"}"#,
        );
        for (registry, repository, want) in [
            ("docker.io", "library/x", basic("me", "sec:ret")),
            ("index.docker.io", "library/x", basic("me", "sec:ret")),
            ("localhost:5000", "a", basic("u", "p")),
            ("quay.io", "a", basic("a", "b")),
            ("quay.io", "team/other", basic("c", "d\n")),
            ("quay.io", "teams", basic("a", "b")),
            ("quay.io", "team/app", Credential::IdentityToken("t".to_owned())),
            ("localhost", "a", Credential::Anonymous),
            ("evil-quay.io", "a", Credential::Anonymous),
            ("helped.example", "a", Credential::Anonymous),
        ] {
            assert_eq!(known.of(registry, repository).unwrap(), want, "{registry}/{repository}");
        }
    }

    #[test]
    fn auth_3_what_is_no_base64_is_an_error_that_names_the_entry() {
        for bad in ["!!!", "YQ=="] {
            let text = format!(r#"{{"auths":{{"h":{{"auth":"{bad}"}}}}}}"#);
            let error = ConfigFile::parse(text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains("`auth` of h"), "{error}");
        }
        assert!(ConfigFile::parse(b"text").is_err());
        let none = Credentials::in_files(vec![PathBuf::from("/no/such/file")]);
        assert_eq!(none.of("docker.io", "a").unwrap(), Credential::Anonymous);
    }
}
