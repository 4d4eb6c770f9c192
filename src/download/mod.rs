//! Files by URL, for ADD and for contexts (dockerfile.md, ADD-10 to ADD-12; context.md, HTTP).
//!
//! What was downloaded is a blob of the store, and how the server marked it is remembered: it is then asked whether
//! that still holds, and what has not changed does not come again (HTTP-2). What fails in passing is tried again.

mod error;
mod name;
mod remembered;
mod transfer;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::image::Digest;
use crate::progress::Cancel;
use crate::remote::redacted;
use crate::rootfs::{ContentDigest, File};
use crate::store::{BlobFiles, Store};

pub use error::DownloadError;
pub use remembered::read_record;

use name::file_name;
use remembered::Remembered;
use transfer::{Answer, Fault, Head, Request};

/// How often something is tried in all.
const TRIES: u32 = 4;
/// The wait before the second try; each further one is three times as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Bytes between two reports.
const REPORT_EVERY: u64 = 1 << 20;
/// A server that wants to be left alone for longer is told of instead.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A file that has been downloaded, now or before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Downloaded {
    /// Its name: the last part of the URL's path, `%` escapes decoded (M-29).
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// `Last-Modified`, seconds since 1970.
    pub modified: Option<i64>,
    /// Sha256 of its bytes, which are a blob of the store.
    pub digest: Digest,
    content: ContentDigest,
}

impl Downloaded {
    /// The file, as `store` has it.
    pub fn file(&self, store: &Arc<Store>) -> File {
        let file = BlobFiles::file(store, &self.digest, self.size);
        File { digest: self.content.into(), ..file }
    }
}

/// How files are downloaded.
pub struct Downloads<'a> {
    /// Where they are kept.
    pub store: &'a Store,
    /// Ends everything.
    pub cancel: &'a Cancel,
    /// Is told now and then how many bytes have come, of how many where that is known.
    pub moved: &'a dyn Fn(u64, Option<u64>),
}

impl Downloads<'_> {
    /// The file that `url` names now. Redirects are followed, ten at most. `authorization` is the value of that header,
    /// which no other host gets to see.
    pub fn get(&self, url: &str, authorization: Option<&str>) -> Result<Downloaded, DownloadError> {
        let id = remembered::id(url);
        let _one_at_a_time = self.store.lock(&format!("download-{id}"))?;
        let known = Remembered::find(self.store, &id);
        let authorization = authorization.map(str::to_owned);
        let request = Request { url: url.to_owned(), authorization, known };
        let mut tried = 0;
        let found = loop {
            let Failed { error, retry } = match self.attempt(&request) {
                Ok(found) => break found,
                Err(failed) => failed,
            };
            let wait = match retry {
                Retry::Never => return Err(error),
                Retry::Soon => FIRST_WAIT * 3_u32.saturating_pow(tried),
                Retry::After(wait) => wait,
            };
            tried += 1;
            if tried == TRIES || wait > LONGEST_WAIT {
                return Err(error);
            }
            self.sleep(wait)?;
        };
        found.keep(self.store, &id)?;
        let digest = found.digest().ok_or_else(|| DownloadError::Write(std::io::ErrorKind::InvalidData.into()))?;
        let modified = found.last_modified.as_deref().and_then(seconds);
        Ok(Downloaded { name: file_name(url), size: found.size, modified, digest, content: found.content })
    }

    fn attempt(&self, request: &Request) -> Result<Remembered, Failed> {
        let failed = |fault| Failed::of(fault, &request.url);
        let (head, answer) = Answer::to(request.clone(), self.cancel).map_err(failed)?;
        match (head.status, &request.known) {
            (304, Some(known)) => {
                // The time may be told anew.
                let last_modified = head.last_modified.or_else(|| known.last_modified.clone());
                return Ok(Remembered { last_modified, ..known.clone() });
            }
            (200..300, _) => {}
            _ => return Err(Failed::status(&head, &request.url)),
        }
        let mut blob = self.store.new_blob()?;
        let mut hasher = blake3::Hasher::new();
        while let Some(bytes) = answer.chunk().map_err(failed)? {
            blob.write_all(&bytes)?;
            let before = hasher.count();
            hasher.update(&bytes);
            if before / REPORT_EVERY != hasher.count() / REPORT_EVERY {
                (self.moved)(hasher.count(), head.length);
            }
        }
        let (digest, size) = blob.commit(None)?;
        let content = ContentDigest(*hasher.finalize().as_bytes());
        let url = remembered::kept_url(&request.url);
        Ok(Remembered {
            url,
            etag: head.etag,
            last_modified: head.last_modified,
            digest: digest.to_string(),
            size,
            content,
        })
    }

    fn sleep(&self, time: Duration) -> Result<(), DownloadError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if self.cancel.is_set() {
                return Err(DownloadError::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
        Ok(())
    }
}

/// The value of `Authorization` for a URL: a whole header, or a bearer's token (ADD-11). `secret` looks one up by its
/// id.
pub fn authorization(
    url: &str,
    secret: &dyn Fn(&str) -> std::io::Result<Option<Vec<u8>>>,
) -> std::io::Result<Option<String>> {
    let host = host(url);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    if let Some(header) = secret(&format!("HTTP_AUTH_HEADER_{host}"))? {
        return Ok(Some(text(header)));
    }
    let token = secret(&format!("HTTP_AUTH_TOKEN_{host}"))?;
    Ok(token.map(|token| format!("Bearer {}", text(token))))
}

/// `host[:port]` of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// One try that failed.
struct Failed {
    error: DownloadError,
    retry: Retry,
}

/// Whether something may work later.
enum Retry {
    Never,
    /// In a moment.
    Soon,
    /// When the server says.
    After(Duration),
}

impl Failed {
    fn of(fault: Fault, url: &str) -> Self {
        let url = redacted(url);
        match fault {
            Fault::Url => Self { error: DownloadError::Url(url), retry: Retry::Never },
            Fault::Cancelled => Self { error: DownloadError::Cancelled, retry: Retry::Never },
            Fault::Passing(reason) => Self { error: DownloadError::Transport { url, reason }, retry: Retry::Soon },
            Fault::Lasting(reason) => Self { error: DownloadError::Transport { url, reason }, retry: Retry::Never },
        }
    }

    fn status(head: &Head, url: &str) -> Self {
        let retry = match (head.status, head.retry_after) {
            (408 | 429 | 500.., Some(wait)) => Retry::After(wait),
            (408 | 429 | 500.., None) => Retry::Soon,
            _ => Retry::Never,
        };
        let error = DownloadError::Status { url: redacted(url), status: head.status };
        Self { error, retry }
    }
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self { error: error.into(), retry: Retry::Never }
    }
}

/// An HTTP date (RFC 9110, section 5.6.7).
fn seconds(text: &str) -> Option<i64> {
    let parser = DateTimeParser::new();
    let time: Timestamp = parser.parse_timestamp(text.replace("GMT", "+0000")).ok()?;
    Some(time.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_10_times() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn add_11_secrets_by_host() {
        let secret = |name: &str| {
            let found = [("HTTP_AUTH_TOKEN_a:1", "t\n"), ("HTTP_AUTH_TOKEN_b", "t"), ("HTTP_AUTH_HEADER_b", "Basic x")];
            Ok(found.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes().to_vec()))
        };
        for (url, want) in [
            ("http://a:1/x", Some("Bearer t")),
            ("https://b/x", Some("Basic x")),
            ("https://u:p@b?x", Some("Basic x")),
            ("https://c/x", None),
        ] {
            assert_eq!(authorization(url, &secret).unwrap().as_deref(), want, "{url}");
        }
    }
}
