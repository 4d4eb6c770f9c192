//! The cache service of GitHub Actions, in both versions of its interface. Entries never change: a key is reserved, which
//! only one can do, its bytes are uploaded, and then it is there. A look-up may be for the newest key of a beginning.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::blocking::Response;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_RANGE, HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::registry::{Content, Told};
use crate::share::web::{Web, body_of, patience, refusal, succeeded};
use crate::share::{SettingError, ShareError};

use super::KIND;

/// Bytes sent at a time.
const PIECE: u64 = 8 << 20;
/// Bytes of an answer.
const MAX_ANSWER: u64 = 64 << 10;

/// Which interface is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Api {
    /// `_apis/artifactcache`
    One,
    /// `twirp/…CacheService`: bytes go to and come from Azure by signed URLs.
    Two,
}

/// The service, for one repository.
pub(super) struct Service {
    api: Api,
    base: Url,
    /// With the token.
    web: Web,
    /// For signed URLs: another host gets no token.
    stranger: Web,
    /// Keeps kiln's entries apart from those of others.
    version: String,
}

/// An entry that was found.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Opens the door to its bytes: never shown.
    url: String,
}

/// A key that nobody else can take any more.
struct Reserved {
    key: String,
    /// The id of the upload, or a signed URL.
    place: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    // Version 2.
    signed_upload_url: String,
    signed_download_url: String,
    matched_key: String,
    // Version 1.
    #[serde(rename = "cacheId", alias = "cacheID")]
    cache_id: i64,
    #[serde(rename = "cacheKey")]
    cache_key: String,
    #[serde(rename = "archiveLocation")]
    archive_location: String,
}

impl Service {
    /// Prepares to speak to the service at `base`.
    pub(super) fn new(api: Api, base: &str, token: &str, version: String) -> Result<Self, SettingError> {
        let option = if api == Api::One { "url" } else { "url_v2" };
        let wrong = |reason: &str| SettingError::Value {
            kind: KIND,
            option,
            value: crate::remote::redacted(base),
            reason: reason.to_owned(),
        };
        let base = Url::parse(&format!("{}/", base.trim_end_matches('/'))).map_err(|_| wrong("it is no URL"))?;
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| wrong("its token cannot be sent"))?;
        authorization.set_sensitive(true);
        let accept = HeaderValue::from_static("application/json;api-version=6.0-preview.1");
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization), (ACCEPT, accept)]);
        let (web, stranger) = (Web::new(KIND, headers)?, Web::new(KIND, HeaderMap::new())?);
        Ok(Self { api, base, web, stranger, version })
    }

    /// Without anything that is secret.
    pub(super) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    fn url(&self, path: &str) -> Result<Url, ShareError> {
        self.base.join(path).map_err(|error| ShareError::Failed(error.into()))
    }

    fn call(&self, method: &str, body: &Value) -> Result<Response, ShareError> {
        let url = self.url(&format!("twirp/github.actions.results.api.v1.CacheService/{method}"))?;
        self.post(&url, body)
    }

    fn post(&self, url: &Url, body: &Value) -> Result<Response, ShareError> {
        let body = body.to_string();
        self.web.send(|client| client.post(url.clone()).header("Content-Type", "application/json").body(body.clone()))
    }

    /// The entry `key`, or the newest whose key begins with it.
    pub(super) fn find(&self, key: &str) -> Result<Option<Entry>, ShareError> {
        let response = match self.api {
            Api::One => {
                let mut url = self.url("_apis/artifactcache/cache")?;
                url.query_pairs_mut().append_pair("keys", key).append_pair("version", &self.version);
                self.web.send(|client| client.get(url.clone()))?
            }
            Api::Two => {
                let body = json!({ "key": key, "restore_keys": [key], "version": self.version });
                self.call("GetCacheEntryDownloadURL", &body)?
            }
        };
        if matches!(response.status().as_u16(), 204 | 404) {
            return Ok(None);
        }
        let found = answer(succeeded(response)?)?;
        let (key, url) = match self.api {
            Api::One => (found.cache_key, found.archive_location),
            Api::Two if !found.ok => return Ok(None),
            Api::Two => (found.matched_key, found.signed_download_url),
        };
        Ok((!key.is_empty()).then_some(Entry { key, url }))
    }

    /// Opens the bytes of an entry.
    pub(super) fn open(&self, entry: &Entry) -> Result<Response, ShareError> {
        self.stranger.send(|client| client.get(&entry.url)).and_then(succeeded)
    }

    /// Makes an entry; `false` where there is one, or somebody is just making it.
    pub(super) fn save(&self, key: &str, size: u64, content: &dyn Content, told: &Told) -> Result<bool, ShareError> {
        let Some(reserved) = self.reserve(key, size)? else { return Ok(false) };
        self.upload(&reserved, size, content, told)?;
        let (key, version) = (&reserved.key, &self.version);
        let response = match self.api {
            Api::One => {
                let url = self.url(&format!("_apis/artifactcache/caches/{}", reserved.place))?;
                self.post(&url, &json!({ "size": size }))?
            }
            // A number of 64 bits is a string in this JSON.
            Api::Two => {
                let body = json!({ "key": key, "size_bytes": size.to_string(), "version": version });
                self.call("FinalizeCacheEntryUpload", &body)?
            }
        };
        let response = succeeded(response)?;
        if self.api == Api::Two && !answer(response)?.ok {
            return Err(nonsense("it does not take what was uploaded"));
        }
        Ok(true)
    }

    fn reserve(&self, key: &str, size: u64) -> Result<Option<Reserved>, ShareError> {
        let response = match self.api {
            Api::One => {
                let body = json!({ "key": key, "version": self.version, "cacheSize": size });
                self.post(&self.url("_apis/artifactcache/caches")?, &body)?
            }
            Api::Two => self.call("CreateCacheEntry", &json!({ "key": key, "version": self.version }))?,
        };
        if response.status().as_u16() == 409 {
            return Ok(None);
        }
        if !response.status().is_success() {
            let error = refusal(response);
            return if says_that_it_exists(&error) { Ok(None) } else { Err(error) };
        }
        let made = answer(response)?;
        let place = match self.api {
            Api::One if made.cache_id > 0 => made.cache_id.to_string(),
            Api::One => return Err(nonsense("it reserves nothing")),
            Api::Two if !made.ok => return Ok(None),
            Api::Two => made.signed_upload_url,
        };
        Ok(Some(Reserved { key: key.to_owned(), place }))
    }

    fn upload(&self, reserved: &Reserved, size: u64, content: &dyn Content, told: &Told) -> Result<(), ShareError> {
        let mut reader = content.open(0).map_err(|error| ShareError::Failed(error.into()))?;
        let is_whole = size <= PIECE;
        let (mut done, mut blocks) = (0, String::new());
        while done < size || (size == 0 && blocks.is_empty()) {
            let mut bytes = Vec::new();
            let read = reader.by_ref().take(PIECE.min(size - done)).read_to_end(&mut bytes);
            read.map_err(|error| ShareError::Failed(error.into()))?;
            if bytes.is_empty() && size > 0 {
                return Err(nonsense("what is to be sent is shorter than it should be"));
            }
            let id = STANDARD.encode(format!("{done:020}"));
            match self.api {
                Api::One if size == 0 => {}
                Api::One => self.patch(reserved, done, &bytes)?,
                Api::Two if is_whole => self.put_signed(&reserved.place, "", &bytes)?,
                Api::Two => {
                    self.put_signed(&reserved.place, &format!("comp=block&blockid={}", escaped(&id)), &bytes)?;
                }
            }
            blocks.extend(["<Latest>", &id, "</Latest>"]);
            done += bytes.len() as u64;
            told(done);
        }
        if self.api == Api::Two && !is_whole {
            let list = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{blocks}</BlockList>");
            self.put_signed(&reserved.place, "comp=blocklist", list.as_bytes())?;
        }
        Ok(())
    }

    fn patch(&self, reserved: &Reserved, start: u64, bytes: &[u8]) -> Result<(), ShareError> {
        let url = self.url(&format!("_apis/artifactcache/caches/{}", reserved.place))?;
        let size = bytes.len() as u64;
        let range = format!("bytes {start}-{}/*", start + size.saturating_sub(1));
        let sent = self.web.send(|client| {
            client
                .patch(url.clone())
                .header("Content-Type", "application/octet-stream")
                .header(CONTENT_RANGE, &range)
                .timeout(patience(size))
                .body(bytes.to_vec())
        });
        sent.and_then(succeeded).map(drop)
    }

    /// To Azure, as its interface for blobs wants it.
    fn put_signed(&self, signed: &str, query: &str, bytes: &[u8]) -> Result<(), ShareError> {
        let separator = if signed.contains('?') { '&' } else { '?' };
        let url = if query.is_empty() { signed.to_owned() } else { format!("{signed}{separator}{query}") };
        let sent = self.stranger.send(|client| {
            let request = client.put(&url).timeout(patience(bytes.len() as u64)).body(bytes.to_vec());
            // Blocks are not blobs: the kind is said of the whole alone.
            if query.is_empty() { request.header("x-ms-blob-type", "BlockBlob") } else { request }
        });
        sent.and_then(succeeded).map(drop)
    }
}

/// What base64 has that means something in a query.
fn escaped(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Some servers have another status for it than 409.
fn says_that_it_exists(error: &ShareError) -> bool {
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default().to_lowercase();
    ["already_exists", "already exists", "alreadyexists"].iter().any(|words| text.contains(words))
}

fn answer(response: Response) -> Result<Answer, ShareError> {
    let body = body_of(response, MAX_ANSWER).ok_or_else(|| nonsense("its answer broke off"))?;
    serde_json::from_slice(&body).map_err(|error| ShareError::Failed(error.into()))
}

fn nonsense(what: &'static str) -> ShareError {
    ShareError::Failed(what.into())
}
