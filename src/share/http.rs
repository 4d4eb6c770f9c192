//! `type=http`: any server that keeps what is put there, as nginx with its dav module or a proxy of caches.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use reqwest::Url;
use reqwest::blocking::{Body, Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue, IF_NONE_MATCH};

use crate::image::Descriptor;
use crate::registry::{Content, Counted, Told};
use crate::remote::decoded_bytes;

use super::web::{Web, body_of, patience, refusal, succeeded};
use super::{MAX_OBJECT, ObjectName, Place, SettingError, Settings, ShareError};

const KIND: &str = "http";
/// Blobs up to this size are sent out of memory: then an early answer can be read.
const SMALL: u64 = 4 << 20;

/// A directory of a server.
struct Http {
    web: Web,
    /// With a slash at its end, without credentials.
    base: Url,
}

/// Opens a server's directory; nothing is sent yet. Options: `url`, which may hold user and password, and `token`, which is
/// sent as a bearer token.
pub fn http(settings: &mut Settings) -> Result<Arc<dyn Place>, SettingError> {
    let text = settings.take("url").ok_or(SettingError::Missing { kind: KIND, option: "url", variable: None })?;
    let wrong = |reason: &str| SettingError::Value {
        kind: KIND,
        option: "url",
        value: crate::remote::redacted(&text),
        reason: reason.to_owned(),
    };
    let mut base = Url::parse(&text).map_err(|_| wrong("it is no URL"))?;
    if !matches!(base.scheme(), "http" | "https") || base.query().is_some() || base.fragment().is_some() {
        return Err(wrong("it is not the http or https URL of a directory"));
    }
    let mut headers = HeaderMap::new();
    let authorization = match settings.take_or("token", "KILN_CACHE_TOKEN") {
        Some(token) => Some(format!("Bearer {token}")),
        None => basic(&base),
    };
    if let Some(value) = authorization {
        let mut value = HeaderValue::try_from(value).map_err(|_| wrong("its credentials cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    // Of an http URL both can be taken away.
    let _always = (base.set_username(""), base.set_password(None));
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    Ok(Arc::new(Http { web: Web::new(KIND, headers)?, base }))
}

/// User and password of a URL, as they are sent.
fn basic(url: &Url) -> Option<String> {
    use base64::Engine as _;
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let password = decoded_bytes(url.password().unwrap_or_default());
    let both = [decoded_bytes(url.username()), b":".to_vec(), password].concat();
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both)))
}

impl Http {
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    fn blob(&self, blob: &Descriptor) -> Url {
        self.url(&format!("blobs/sha256/{}", blob.digest.hex()))
    }

    /// The answer, or nothing where the server has no such thing.
    fn get(&self, url: &Url) -> Result<Option<Response>, ShareError> {
        let response = self.web.send(|client| client.get(url.clone()))?;
        if matches!(response.status().as_u16(), 404 | 410) { Ok(None) } else { succeeded(response).map(Some) }
    }

    fn put(&self, name: &ObjectName, bytes: &[u8], headers: &HeaderMap) -> Result<Response, ShareError> {
        let url = self.url(&name.to_string());
        self.web.send(|client| client.put(url.clone()).headers(headers.clone()).body(bytes.to_vec()))
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Http").field(&self.base.as_str()).finish()
    }
}

impl Place for Http {
    fn name(&self) -> String {
        self.base.to_string()
    }

    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        let Some(response) = self.get(&self.url(&name.to_string()))? else { return Ok(None) };
        if response.content_length().is_some_and(|length| length > MAX_OBJECT) {
            return Err(ShareError::TooLarge { name: name.clone() });
        }
        let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off, or has no end");
        body_of(response, MAX_OBJECT).map(Some).ok_or_else(|| ShareError::Failed(broken().into()))
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], _keeps: &[Descriptor]) -> Result<(), ShareError> {
        self.put(name, bytes, &HeaderMap::new()).and_then(succeeded).map(drop)
    }

    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, ShareError> {
        // A server that knows no conditions would write over what is there.
        if self.read(name)?.is_some() {
            return Ok(false);
        }
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("*"))]);
        let response = self.put(name, bytes, &headers)?;
        if matches!(response.status().as_u16(), 409 | 412) {
            return Ok(false);
        }
        succeeded(response)?;
        Ok(self.read(name)?.as_deref() == Some(bytes))
    }

    fn remove(&self, name: &ObjectName) -> Result<(), ShareError> {
        let url = self.url(&name.to_string());
        let response = self.web.send(|client| client.delete(url.clone()))?;
        if matches!(response.status().as_u16(), 404 | 410) { Ok(()) } else { succeeded(response).map(drop) }
    }

    fn has_blob(&self, blob: &Descriptor) -> Result<bool, ShareError> {
        let url = self.blob(blob);
        let response = self.web.send(|client| client.head(url.clone()))?;
        match response.status().as_u16() {
            404 | 410 => Ok(false),
            status if (200..300).contains(&status) => {
                let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
                Ok(length.is_none_or(|length: u64| length == blob.size))
            }
            _ => Err(refusal(response)),
        }
    }

    fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, ShareError> {
        let absent = || ShareError::Damaged { what: blob.digest.to_string(), reason: "it is not there".to_owned() };
        Ok(Box::new(self.get(&self.blob(blob))?.ok_or_else(absent)?))
    }

    fn push_blob(&self, blob: &Descriptor, content: &dyn Content, told: &Told) -> Result<(), ShareError> {
        let (url, size) = (self.blob(blob), blob.size);
        let reader = content.open(0).map_err(|error| ShareError::Failed(error.into()))?;
        let put = |client: &Client| client.put(url.clone()).timeout(patience(size)).header(CONTENT_LENGTH, size);
        let response = if size <= SMALL {
            let mut bytes = Vec::new();
            reader.take(size).read_to_end(&mut bytes).map_err(|error| ShareError::Failed(error.into()))?;
            self.web.send(|client| put(client).body(bytes.clone()))?
        } else {
            let body = Counted::new(reader, told);
            self.web.send_once(|client| put(client).body(Body::sized(body, size)))?
        };
        succeeded(response)?;
        told(size);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn open(url: &str) -> Result<Arc<dyn Place>, SettingError> {
        let options = [("url".to_owned(), url.to_owned())].into();
        http(&mut Settings { options, environment: BTreeMap::new() })
    }

    #[test]
    fn credentials_are_never_shown() {
        let place = open("https://me:hush@example.com/cache").unwrap();
        assert_eq!(place.name(), "https://example.com/cache/");
        assert!(!format!("{place:?}").contains("hush"));
        for bad in ["https://me:hush@example.com/?sig=1", "ftp://me:hush@example.com"] {
            let error = open(bad).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn user_and_password_are_sent_as_they_were_meant() {
        let url = Url::parse("http://me:a%40b@h/").unwrap();
        assert_eq!(basic(&url).as_deref(), Some("Basic bWU6YUBi"));
        assert_eq!(basic(&Url::parse("http://h/").unwrap()), None);
        assert_eq!(decoded_bytes("a%2"), b"a%2");
    }
}
