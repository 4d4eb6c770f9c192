use std::collections::BTreeMap;

use super::source::usage;
use super::{BuildError, Secret, SecretSource};

/// Most bytes of a secret (SEC-3).
const MAX_SECRET: u64 = 500 << 10;

/// The secrets of a build, read once: one may come through a pipe.
pub(super) struct Secrets(BTreeMap<String, Vec<u8>>);

impl Secrets {
    /// Reads all: a file that is missing is found before anything runs (SEC-3).
    pub(super) fn read(secrets: &[Secret]) -> Result<Self, BuildError> {
        let read = secrets.iter().map(|secret| Ok((secret.id.clone(), read_secret(secret)?)));
        read.collect::<Result<_, _>>().map(Self)
    }

    /// A secret's bytes.
    pub(super) fn get(&self, id: &str) -> Option<Vec<u8>> {
        self.0.get(id).cloned()
    }
}

fn read_secret(secret: &Secret) -> Result<Vec<u8>, BuildError> {
    match &secret.source {
        SecretSource::Env(name) => {
            Ok(std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec).unwrap_or_default())
        }
        SecretSource::File(path) => {
            let failed = |source| BuildError::Machine { doing: format!("read the secret `{}`", secret.id), source };
            let bytes = std::fs::read(path).map_err(failed)?;
            if bytes.len() as u64 > MAX_SECRET {
                return Err(usage(
                    format!("the secret `{}` is larger than 500 KiB", secret.id),
                    Some("secrets are keys and tokens; copy larger files in from a context".to_owned()),
                ));
            }
            Ok(bytes)
        }
    }
}
