//! `type=gha`: the cache service of GitHub Actions, and of others that speak as it does.
//!
//! Its entries never change, so an object that does (an index, a claim) is a row of entries `NAME#1`, `NAME#2`, …, of which the
//! newest counts. To reserve the next one is what only one runner can do: so claims hold. Nothing can be removed; what should be
//! is followed by an entry that says so, and the service drops what nobody reads.

mod service;

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use crate::image::{Descriptor, Digest};
use crate::registry::{Content, Told};

use super::place::Kind;
use super::web::body_of;
use super::{MAX_OBJECT, ObjectName, Place, SettingError, Settings, ShareError};
use service::{Api, Entry, Service};

const KIND: &str = "gha";
/// The bytes of an entry that says that there is nothing.
const REMOVED: &[u8] = b"-";
/// Others that write the same object at the same time.
const TRIES: u32 = 5;

/// The cache of one repository.
struct Actions {
    service: Service,
    scope: String,
}

/// Opens the cache; nothing is sent yet. Options: `scope`, `url_v2` (`ACTIONS_RESULTS_URL`), `url` (`ACTIONS_CACHE_URL`) and
/// `token` (`ACTIONS_RUNTIME_TOKEN`). `timeout`, `ghtoken` and `repository` are allowed and mean nothing: kiln has bounds of its
/// own, and asks for no list of all entries.
pub fn gha(settings: &mut Settings) -> Result<Arc<dyn Place>, SettingError> {
    for other in ["timeout", "ghtoken", "repository", "version"] {
        settings.options.remove(other);
    }
    let scope = settings.take("scope").unwrap_or_else(|| "buildkit".to_owned());
    let (asked, second) = (settings.options.contains_key("url_v2"), settings.take_or("url_v2", "ACTIONS_RESULTS_URL"));
    let first = settings.take_or("url", "ACTIONS_CACHE_URL");
    // A server that keeps results need not keep caches there.
    let says_second =
        settings.variable("ACTIONS_CACHE_SERVICE_V2").is_some_and(|value| value != "false" && value != "0");
    let (api, url) = match (second, first) {
        (Some(url), _) if asked || says_second => (Api::Two, url),
        (_, Some(url)) => (Api::One, url),
        (Some(url), None) => (Api::Two, url),
        (None, None) => return Err(missing("url_v2", "ACTIONS_RESULTS_URL")),
    };
    let token = settings.take_or("token", "ACTIONS_RUNTIME_TOKEN").ok_or(missing("token", "ACTIONS_RUNTIME_TOKEN"))?;
    let service = Service::new(api, &url, &token, Digest::of(b"kiln 1").hex())?;
    Ok(Arc::new(Actions { service, scope }))
}

fn missing(option: &'static str, variable: &str) -> SettingError {
    SettingError::Missing { kind: KIND, option, variable: Some(variable.to_owned()) }
}

/// Whether an object of that kind is always the same under its name.
fn is_fixed(name: &ObjectName) -> bool {
    name.kind() == Kind::Step
}

impl Actions {
    /// Objects are told apart by scope; blobs are blobs.
    fn key(&self, name: &ObjectName) -> String {
        format!("kiln-1-{}-{}-{}", self.scope, name.kind().directory(), name.id())
    }

    fn blob(blob: &Descriptor) -> String {
        format!("kiln-1-blob-{}", blob.digest)
    }

    /// The entry of exactly that key.
    fn exact(&self, key: &str) -> Result<Option<Entry>, ShareError> {
        Ok(self.service.find(key)?.filter(|entry| entry.key == key))
    }

    /// The newest of a row, and its number.
    fn newest(&self, key: &str) -> Result<(u64, Option<Entry>), ShareError> {
        let beginning = format!("{key}#");
        let Some(entry) = self.service.find(&beginning)? else { return Ok((0, None)) };
        let number = entry.key.strip_prefix(&beginning).and_then(|number| number.parse().ok());
        let damaged = || ShareError::Damaged { what: key.to_owned(), reason: format!("there is a `{}`", entry.key) };
        Ok((number.ok_or_else(damaged)?, Some(entry)))
    }

    fn bytes(&self, name: &ObjectName, entry: &Entry) -> Result<Vec<u8>, ShareError> {
        let response = self.service.open(entry)?;
        body_of(response, MAX_OBJECT).ok_or_else(|| ShareError::TooLarge { name: name.clone() })
    }

    fn save(&self, key: &str, bytes: &[u8]) -> Result<bool, ShareError> {
        self.service.save(key, bytes.len() as u64, &bytes.to_vec(), &(Arc::new(|_| ()) as Told))
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Actions").field(&self.name()).finish()
    }
}

impl Place for Actions {
    fn name(&self) -> String {
        format!("the Actions cache at {}, scope {}", self.service.host(), self.scope)
    }

    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        let key = self.key(name);
        let entry = if is_fixed(name) { self.exact(&key)? } else { self.newest(&key)?.1 };
        let Some(entry) = entry else { return Ok(None) };
        Ok(Some(self.bytes(name, &entry)?).filter(|bytes| bytes != REMOVED))
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], _keeps: &[Descriptor]) -> Result<(), ShareError> {
        let key = self.key(name);
        if is_fixed(name) {
            return self.save(&key, bytes).map(drop);
        }
        for ahead in 1..=TRIES {
            let number = self.newest(&key)?.0 + u64::from(ahead);
            if self.save(&format!("{key}#{number}"), bytes)? {
                return Ok(());
            }
        }
        Err(ShareError::Failed("too many runners write at the same time".into()))
    }

    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, ShareError> {
        let key = self.key(name);
        if is_fixed(name) {
            return self.save(&key, bytes);
        }
        let (number, newest) = self.newest(&key)?;
        if let Some(entry) = newest
            && self.bytes(name, &entry)? != REMOVED
        {
            return Ok(false);
        }
        self.save(&format!("{key}#{}", number + 1), bytes)
    }

    fn remove(&self, name: &ObjectName) -> Result<(), ShareError> {
        let key = self.key(name);
        let (number, newest) = self.newest(&key)?;
        if is_fixed(name) || newest.is_none() {
            return Ok(());
        }
        // Where somebody else has just written, it is no longer what was to be removed.
        self.save(&format!("{key}#{}", number + 1), REMOVED).map(drop)
    }

    fn has_blob(&self, blob: &Descriptor) -> Result<bool, ShareError> {
        Ok(self.exact(&Self::blob(blob))?.is_some())
    }

    fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, ShareError> {
        let absent = || ShareError::Damaged { what: blob.digest.to_string(), reason: "it is not there".to_owned() };
        let entry = self.exact(&Self::blob(blob))?.ok_or_else(absent)?;
        Ok(Box::new(self.service.open(&entry)?))
    }

    fn push_blob(&self, blob: &Descriptor, content: &dyn Content, told: &Told) -> Result<(), ShareError> {
        // Where somebody else is just uploading it, it will be there soon; until then its record is of no use.
        if self.service.save(&Self::blob(blob), blob.size, content, told)? || self.has_blob(blob)? {
            return Ok(());
        }
        Err(ShareError::Failed("somebody else has begun to upload the same blob, and is not done".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(options: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Arc<dyn Place>, SettingError> {
        let pairs = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        gha(&mut Settings { options: pairs(options), environment: pairs(environment) })
    }

    #[test]
    fn options_go_before_the_environment_and_tokens_are_not_shown() {
        let environment = [("ACTIONS_RESULTS_URL", "https://two.example.com/"), ("ACTIONS_RUNTIME_TOKEN", "hush")];
        let place = opened(&[("scope", "main")], &environment).unwrap();
        assert_eq!(place.name(), "the Actions cache at two.example.com, scope main");
        assert!(!format!("{place:?}").contains("hush"));
        let place = opened(&[("url_v2", "https://other.example.com")], &environment).unwrap();
        assert!(place.name().contains("other.example.com"));
    }

    #[test]
    fn a_server_of_version_1_is_spoken_to_unless_the_second_is_said_to_be_there() {
        let mut both = vec![
            ("ACTIONS_RESULTS_URL", "https://two.example.com/"),
            ("ACTIONS_CACHE_URL", "https://one.example.com/x/"),
            ("ACTIONS_RUNTIME_TOKEN", "t"),
        ];
        assert!(opened(&[], &both).unwrap().name().contains("one.example.com"));
        both.push(("ACTIONS_CACHE_SERVICE_V2", "True"));
        assert!(opened(&[], &both).unwrap().name().contains("two.example.com"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = opened(&[], &[]).unwrap_err().to_string();
        assert_eq!(error, "type=gha needs `url_v2=…`, or ACTIONS_RESULTS_URL in the environment");
        let error = opened(&[("url", "http://h")], &[]).unwrap_err().to_string();
        assert_eq!(error, "type=gha needs `token=…`, or ACTIONS_RUNTIME_TOKEN in the environment");
    }
}
