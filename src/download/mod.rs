//! Files by URL, for ADD (dockerfile.md, ADD-10 to ADD-12).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::blocking::Client;
use sha2::{Digest as _, Sha256};

use crate::image::Digest;

/// A server that does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// A server that has stopped sending.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The name of a file whose URL ends without one (ADD-10).
const UNNAMED: &str = "__unnamed__";

/// A file that has been downloaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Downloaded {
    /// Its name: the last part of the URL's path, `%` escapes decoded (M-29).
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// `Last-Modified`, seconds since 1970; 0 without one.
    pub modified: i64,
    /// Sha256 of its bytes.
    pub digest: Digest,
}

/// Why a file was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The text is no URL.
    #[error("invalid URL `{0}`")]
    Url(String),
    /// The server cannot be reached, or broke off.
    #[error("cannot download {url}: {reason}")]
    Transport {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server says no.
    #[error("invalid response status {status} for {url}")]
    Status {
        /// What was asked for.
        url: String,
        /// Its status code.
        status: u16,
    },
    /// The file cannot be written.
    #[error("cannot keep the download")]
    Write(#[source] io::Error),
}

/// Downloads `url` into the new file `path`, as a stream. Redirects are followed. `authorization` is the value of that
/// header, which no other host gets to see.
pub fn download(url: &str, authorization: Option<&str>, path: &Path) -> Result<Downloaded, DownloadError> {
    let transport = |reason: &dyn std::error::Error| DownloadError::Transport {
        // A URL may hold a password.
        url: without_secrets(url),
        reason: innermost(reason),
    };
    let mut request = client().map_err(|error| transport(&error))?.get(url);
    if let Some(value) = authorization {
        request = request.header(reqwest::header::AUTHORIZATION, value);
    }
    let mut response = request.send().map_err(|error| {
        if error.is_builder() { DownloadError::Url(without_secrets(url)) } else { transport(&error) }
    })?;
    let status = response.status();
    if !status.is_success() {
        return Err(DownloadError::Status { url: without_secrets(url), status: status.as_u16() });
    }
    let modified = response.headers().get(reqwest::header::LAST_MODIFIED).and_then(|value| value.to_str().ok());
    let modified = modified.and_then(seconds).unwrap_or(0);
    let mut out = File::create_new(path).map_err(DownloadError::Write)?;
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match response.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(transport(&error)),
        };
        hash.update(&buffer[..count]);
        out.write_all(&buffer[..count]).map_err(DownloadError::Write)?;
        size += count as u64;
    }
    Ok(Downloaded { name: file_name(url), size, modified, digest: Digest::from_bytes(hash.finalize().into()) })
}

fn client() -> reqwest::Result<Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    // Another part of the program may have chosen already: it is the same choice.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // Of this kind of client it is the time of each single read.
        .timeout(READ_TIMEOUT)
        .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
        .build()?;
    Ok(CLIENT.get_or_init(|| client).clone())
}

/// What a causal chain ends in: the outer errors only say that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}

fn without_secrets(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host_end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..host_end].rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", &rest[host_end..])
        }
        None => url.to_owned(),
    }
}

/// An HTTP date (RFC 9110, section 5.6.7).
fn seconds(text: &str) -> Option<i64> {
    let parser = DateTimeParser::new();
    let time: Timestamp = parser.parse_timestamp(text.replace("GMT", "+0000")).ok()?;
    Some(time.as_second())
}

/// The name that the file gets in a directory (ADD-10).
fn file_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let last = path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or_default();
    let decoded = decode(last);
    if decoded.is_empty() || decoded == "." || decoded == ".." || decoded.contains(['/', '\0']) {
        return UNNAMED.to_owned();
    }
    decoded
}

/// `%` escapes (RFC 3986, section 2.1).
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_10_names() {
        for (url, want) in [
            ("http://h/a/b.txt?x=1#y", "b.txt"),
            ("http://h/odd%20name.txt", "odd name.txt"),
            ("http://h/", UNNAMED),
            ("http://h", UNNAMED),
            ("http://h/%2e%2e", UNNAMED),
            ("http://h/a%2fb", UNNAMED),
        ] {
            assert_eq!(file_name(url), want, "{url}");
        }
    }

    #[test]
    fn add_10_times() {
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn passwords_in_urls_are_not_shown() {
        assert_eq!(without_secrets("https://me:secret@h/x"), "https://h/x");
    }
}
