//! Credentials are tried before they are kept, and kept where other tools look for them (AUTH-1 to AUTH-4).

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::blocking::Client;
use serde_json::{Map, Value, json};

use super::access::Access;
use super::connection::{Connection, Scopes};
use super::credentials::{Credential, Credentials, file_of_user, host_of, names_of, server_of};
use super::fault::Meaning;
use super::patience::patiently;
use super::{Doing, Error, helper};

/// Where credentials have been put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept {
    /// In this file, readable for who can read it.
    File(PathBuf),
    /// With the helper `docker-credential-NAME`.
    Helper(String),
}

/// Sees that `registry`, `host[:port]`, takes the user's password, then keeps both in the file of the user, or with the helper
/// that the file names.
///
/// # Errors
/// A registry that refuses them or cannot be asked: then nothing is kept.
pub fn log_in(access: &Access, registry: &str, user: &str, password: &str) -> Result<Kept, Error> {
    let given = Credentials::given(Credential::Password(user.to_owned(), password.to_owned()));
    let connection = Connection::new(registry, access.transport(registry), Arc::new(given))?;
    let asked = patiently(|| connection.send(&Scopes(Vec::new()), "/v2/", Client::get));
    asked.map_err(|fault| match fault.meaning() {
        Meaning::Denied => Error::Refused { registry: registry.to_owned(), source: Box::new(fault) },
        _ => Error::of(registry, registry, Doing::Pull, fault),
    })?;
    let path = file_of_user().ok_or(Error::NoHome)?;
    let mut file = ConfigText::read(&path)?;
    let server = server_of(registry);
    if let Some(name) = file.helper_for(registry) {
        helper::keep(&name, server, user, password).map_err(|source| Error::Helper { name: name.clone(), source })?;
        file.forget(registry);
        file.set(server, json!({}));
        file.write()?;
        return Ok(Kept::Helper(name));
    }
    file.forget(registry);
    file.set(server, json!({ "auth": BASE64_STANDARD.encode(format!("{user}:{password}")) }));
    file.write()?;
    Ok(Kept::File(path))
}

/// Removes what is kept for `registry`. Whether there was anything.
pub fn log_out(registry: &str) -> Result<bool, Error> {
    let path = file_of_user().ok_or(Error::NoHome)?;
    let mut file = ConfigText::read(&path)?;
    let known = file.forget(registry);
    if known && let Some(name) = file.helper_for(registry) {
        helper::forget(&name, server_of(registry)).map_err(|source| Error::Helper { name: name.clone(), source })?;
    }
    if known {
        file.write()?;
    }
    Ok(known)
}

/// A file as `docker login` writes it, of which what kiln does not know stays as it is.
struct ConfigText {
    path: PathBuf,
    members: Map<String, Value>,
}

impl ConfigText {
    fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Credentials { path: path.to_owned(), source };
        let members = match fs::read(path) {
            Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Map::new(),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { path: path.to_owned(), members })
    }

    /// The helper that keeps a registry's credentials.
    fn helper_for(&self, registry: &str) -> Option<String> {
        let names = names_of(registry);
        let own = self.members.get("credHelpers").and_then(Value::as_object);
        let own = own.and_then(|helpers| helpers.iter().find(|(key, _)| names.contains(&host_of(key))));
        let name = own.map(|(_, name)| name).or_else(|| self.members.get("credsStore")).and_then(Value::as_str);
        name.filter(|name| !name.is_empty()).map(str::to_owned)
    }

    /// Drops the entries of a registry, however they are spelt. Whether there was one.
    fn forget(&mut self, registry: &str) -> bool {
        let Some(Value::Object(auths)) = self.members.get_mut("auths") else { return false };
        let (names, before) = (names_of(registry), auths.len());
        // Entries of single repositories are not this registry's as a whole.
        auths.retain(|key, _| !(names.contains(&host_of(key)) && (key.contains("://") || !key.contains('/'))));
        auths.len() < before
    }

    fn set(&mut self, server: &str, entry: Value) {
        let auths = self.members.entry("auths").or_insert_with(|| json!({}));
        if !auths.is_object() {
            *auths = json!({});
        }
        auths[server] = entry;
    }

    /// Writes the file aside and renames it: mode 0600, whatever it had. A link to the file stays a link.
    fn write(&self) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let place = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
            let dir = place.parent().unwrap_or(Path::new("/"));
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            let mut file = tempfile::Builder::new()
                .prefix(".config-")
                .permissions(Permissions::from_mode(0o600))
                .tempfile_in(dir)?;
            let mut text = serde_json::to_vec_pretty(&self.members)?;
            text.push(b'\n');
            file.write_all(&text)?;
            // Passwords that are lost cannot be made again.
            file.as_file().sync_all()?;
            file.persist(&place).map(drop).map_err(|error| error.error)
        };
        write().map_err(|source| Error::Keep { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(members: &str) -> ConfigText {
        ConfigText { path: PathBuf::new(), members: serde_json::from_str(members).unwrap() }
    }

    #[test]
    fn auth_2_all_spellings_of_a_registry_are_forgotten_and_others_stay() {
        let auths = r#"{"https://index.docker.io/v1/":{},"docker.io":{},"docker.io/team":{},"quay.io":{},"http://quay.io/v2":{}}"#;
        for (registry, left) in [
            ("docker.io", r#"{"docker.io/team":{},"quay.io":{},"http://quay.io/v2":{}}"#),
            ("quay.io", r#"{"https://index.docker.io/v1/":{},"docker.io":{},"docker.io/team":{}}"#),
            ("other", auths),
        ] {
            let mut file = text(&format!(r#"{{"auths":{auths},"x":1}}"#));
            assert_eq!(file.forget(registry), registry != "other");
            assert_eq!(file.members["auths"].to_string(), left, "{registry}");
            assert_eq!(file.members["x"], 1);
        }
    }

    #[test]
    fn auth_2_the_helper_of_a_registry_goes_before_that_of_all() {
        let file = text(r#"{"credHelpers":{"https://quay.io":"one"},"credsStore":"two"}"#);
        assert_eq!(file.helper_for("quay.io").as_deref(), Some("one"));
        assert_eq!(file.helper_for("docker.io").as_deref(), Some("two"));
        assert_eq!(text("{}").helper_for("quay.io"), None);
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_a_link_to_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (place, link) = (dir.path().join("real.json"), dir.path().join("config.json"));
        fs::write(&place, r#"{"psFormat":"x"}"#).unwrap();
        fs::set_permissions(&place, Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink(&place, &link).unwrap();
        let mut file = ConfigText::read(&link).unwrap();
        file.set("quay.io", json!({}));
        file.write().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        let read = ConfigText::read(&link).unwrap();
        assert_eq!(read.members["psFormat"], "x");
        assert!(ConfigText::read(dir.path()).is_err());
    }
}
