//! Requests over HTTP to services that keep a cache.

use std::io::Read;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::HeaderMap;

use super::place::SLOWEST;
use super::{SettingError, ShareError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until the first byte of an answer, and between two pieces of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(12);
/// How often something is tried in all, and the wait before the second try; each further one is three times as long.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(150);
/// Bytes of an answer about an object that are read, and of an error that are told.
const MAX_ANSWER: u64 = 64 << 10;
const MAX_TOLD: usize = 200;

/// A client for one service.
#[derive(Clone, Debug)]
pub(super) struct Web(Client);

/// An answer that is no success.
#[derive(Debug, thiserror::Error)]
#[error("it answered {status}{}", after_colon(message))]
pub(super) struct Refusal {
    status: u16,
    message: String,
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl Web {
    /// Prepares for a place of type `kind`; `headers` go with each request.
    pub(super) fn new(kind: &'static str, headers: HeaderMap) -> Result<Self, SettingError> {
        // Another part of the program may have chosen a provider already: then that one is used.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let built = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(READ_TIMEOUT)
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .build();
        built.map(Self).map_err(|error| SettingError::Refused { kind, source: error.without_url().into() })
    }

    /// Sends what `build` makes, again where it may help. Any status is an answer.
    pub(super) fn send(&self, build: impl Fn(&Client) -> RequestBuilder) -> Result<Response, ShareError> {
        let mut tried = 1;
        loop {
            match build(&self.0).send() {
                Ok(response) if tried == TRIES || !is_passing(response.status().as_u16()) => return Ok(response),
                Err(error) if tried == TRIES => return Err(share_error(error)),
                _ => {}
            }
            std::thread::sleep(FIRST_WAIT * 3_u32.pow(tried - 1));
            tried += 1;
        }
    }

    /// Sends what cannot be made a second time.
    pub(super) fn send_once(&self, build: impl FnOnce(&Client) -> RequestBuilder) -> Result<Response, ShareError> {
        build(&self.0).send().map_err(share_error)
    }
}

fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599) && status != 501
}

/// What became of a request that got no answer. Without the URL, which may hold a signature.
pub(super) fn share_error(error: reqwest::Error) -> ShareError {
    let error = error.without_url();
    if error.is_timeout() {
        ShareError::Slow { seconds: READ_TIMEOUT.as_secs() }
    } else if error.is_connect() {
        ShareError::Unreachable(error.into())
    } else {
        ShareError::Failed(error.into())
    }
}

/// What an answer means that is no success.
pub(super) fn refusal(response: Response) -> ShareError {
    let status = response.status().as_u16();
    let body = body_of(response, MAX_ANSWER).unwrap_or_default();
    let line = String::from_utf8_lossy(&body).split_whitespace().collect::<Vec<_>>().join(" ");
    let refusal = Refusal { status, message: line.chars().take(MAX_TOLD).collect() };
    if matches!(status, 401 | 403) { ShareError::Denied(refusal.into()) } else { ShareError::Failed(refusal.into()) }
}

/// The answer of a request that must succeed.
pub(super) fn succeeded(response: Response) -> Result<Response, ShareError> {
    if response.status().is_success() { Ok(response) } else { Err(refusal(response)) }
}

/// The whole body; `None` where it has more than `limit` bytes.
pub(super) fn body_of(response: Response, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    response.take(limit + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= limit).then_some(bytes)
}

/// How long a body of so many bytes may take on its way out.
pub(super) fn patience(size: u64) -> Duration {
    READ_TIMEOUT + Duration::from_secs(size / SLOWEST)
}
