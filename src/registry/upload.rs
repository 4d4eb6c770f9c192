//! One blob to a registry (distribution specification, "Push").
//!
//! A blob is sent whole first. Should that break off, the registry is asked how much has come, and the rest follows in
//! chunks, smaller ones at each failure; a registry that takes no large bodies gets all of it in chunks.

use std::cell::RefCell;
use std::io::{self, Read};
use std::time::Duration;

use reqwest::blocking::{Body, Client, RequestBuilder, Response};
use reqwest::header::{CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{StatusCode, Url};

use crate::image::Descriptor;

use super::connection::{Connection, Scopes};
use super::content::{Content, Counted, Told};
use super::fault::Fault;
use super::patience::{TRIES, patiently, wait_before_retry};

/// Blobs up to this size are sent out of memory: then an early answer can be read.
const SMALL: u64 = 4 << 20;
/// Bytes of a chunk, unless the registry wants larger ones.
const CHUNK: u64 = 16 << 20;
/// Bytes of a chunk after failures: a proxy before the registry may take no more.
const SMALLEST_CHUNK: u64 = 512 << 10;
/// No registry needs chunks that are larger.
const LARGEST_CHUNK: u64 = 256 << 20;
/// Bytes a second that any connection manages.
const SLOWEST: u64 = 16 << 10;

/// How a registry came to have a blob that was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It was there.
    Present,
    /// The registry had it in another repository.
    Mounted,
}

/// An upload to one repository.
pub(super) struct Upload<'a> {
    pub(super) connection: &'a Connection,
    pub(super) scopes: Scopes,
    pub(super) repository: &'a str,
    pub(super) blob: &'a Descriptor,
}

impl Upload<'_> {
    /// Asks whether the repository has the blob.
    pub(super) fn is_there(&self) -> Result<bool, Fault> {
        let path = format!("/v2/{}/blobs/{}", self.repository, self.blob.digest);
        match patiently(|| self.connection.send(&self.scopes, &path, Client::head)) {
            Ok(response) => {
                let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
                // One of another length would be broken.
                Ok(length.is_none_or(|length: u64| length == self.blob.size))
            }
            Err(Fault::Status { status: 404, .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Asks for the blob out of another repository of the same registry. One that cannot mount it has begun an upload instead,
    /// which it will forget.
    pub(super) fn mount(&self, from: &str) -> Result<bool, Fault> {
        let scopes = self.scopes.clone().and_pull(from);
        let path = format!("/v2/{}/blobs/uploads/?mount={}&from={from}", self.repository, self.blob.digest);
        let response = patiently(|| self.connection.send(&scopes, &path, post))?;
        Ok(response.status() == StatusCode::CREATED)
    }

    fn begin(&self) -> Result<(Url, Option<u64>), Fault> {
        let path = format!("/v2/{}/blobs/uploads/", self.repository);
        let response = patiently(|| self.connection.send(&self.scopes, &path, post))?;
        let least = response.headers().get("OCI-Chunk-Min-Length");
        Ok((location(&response)?, least.and_then(|value| value.to_str().ok()?.parse().ok())))
    }

    /// Sends the bytes.
    pub(super) fn send(&self, content: &dyn Content, told: &Told) -> Result<(), Fault> {
        let (mut place, least) = self.begin()?;
        let mut fault = match self.send_whole(&place, content, told) {
            Ok(()) => return Ok(()),
            Err(fault) if !may_go_on(&fault) => return Err(fault),
            Err(fault) => fault,
        };
        let least = least.unwrap_or_default().clamp(SMALLEST_CHUNK, LARGEST_CHUNK);
        // How far the upload has come, where it still stands.
        let mut done = None;
        for tried in 0..TRIES {
            if !wait_before_retry(tried, &fault) {
                break;
            }
            if self.is_there()? {
                // The answer was lost, not the blob.
                told(self.blob.size);
                return Ok(());
            }
            if done.is_none() {
                done = self.progress(&mut place);
            }
            let start = match done {
                Some(start) => start,
                None => {
                    place = self.begin()?.0;
                    0
                }
            };
            let chunk = least.max(CHUNK >> (2 * tried));
            match self.send_chunks(&mut place, start, chunk, content, told) {
                Ok(()) => return Ok(()),
                Err(again) if !may_go_on(&again) => return Err(again),
                Err(again) => (fault, done) = (again, None),
            }
        }
        Err(fault)
    }

    fn send_whole(&self, place: &Url, content: &dyn Content, told: &Told) -> Result<(), Fault> {
        let url = self.with_digest(place);
        let unread = RefCell::new(None);
        let response = self.connection.send_to(&self.scopes, &url, |client, url| {
            let request = client
                .put(url)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, self.blob.size)
                .timeout(patience_for(self.blob.size));
            match self.body(content, told) {
                Ok(body) => request.body(body),
                Err(error) => {
                    unread.replace(Some(error));
                    request
                }
            }
        });
        if let Some(error) = unread.take() {
            return Err(Fault::Io(error));
        }
        response.map(drop)?;
        told(self.blob.size);
        Ok(())
    }

    /// How many bytes the registry has; `None` when it has forgotten the upload.
    fn progress(&self, place: &mut Url) -> Option<u64> {
        let response = patiently(|| self.connection.send_to(&self.scopes, place, Client::get)).ok()?;
        if let Ok(next) = location(&response) {
            *place = next;
        }
        after_range(&response).filter(|done| *done <= self.blob.size)
    }

    fn send_chunks(
        &self,
        place: &mut Url,
        start: u64,
        chunk: u64,
        content: &dyn Content,
        told: &Told,
    ) -> Result<(), Fault> {
        let mut done = start;
        while done < self.blob.size {
            let length = chunk.min(self.blob.size - done);
            let mut bytes = Vec::new();
            content.open(done)?.take(length).read_to_end(&mut bytes)?;
            if bytes.len() as u64 != length {
                return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            let range = format!("{done}-{}", done + length - 1);
            let response = self.connection.send_to(&self.scopes, place, |client, url| {
                client
                    .patch(url)
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(CONTENT_RANGE, &range)
                    .header(CONTENT_LENGTH, length)
                    // Some registries forget all of an upload with a connection that breaks: each chunk has its own, so that
                    // one that is cut after so many bytes or seconds carries the chunk at least.
                    .header(CONNECTION, "close")
                    .timeout(patience_for(length))
                    .body(bytes.clone())
            })?;
            *place = location(&response)?;
            done = after_range(&response).filter(|next| (done..=done + length).contains(next)).unwrap_or(done + length);
            told(done);
        }
        let url = self.with_digest(place);
        self.connection
            .send_to(&self.scopes, &url, |client, url| client.put(url).header(CONTENT_LENGTH, 0).body(Vec::new()))
            .map(drop)
    }

    fn with_digest(&self, place: &Url) -> Url {
        let mut url = place.clone();
        url.query_pairs_mut().append_pair("digest", &self.blob.digest.to_string());
        url
    }

    fn body(&self, content: &dyn Content, told: &Told) -> io::Result<Body> {
        let (reader, size) = (content.open(0)?, self.blob.size);
        if size > SMALL {
            return Ok(Body::sized(Counted::new(reader, told), size));
        }
        let mut bytes = Vec::new();
        reader.take(size).read_to_end(&mut bytes)?;
        Ok(Body::from(bytes))
    }
}

/// Whether it is worth while to try again, perhaps in smaller pieces.
fn may_go_on(fault: &Fault) -> bool {
    // 404 and 416: the registry has forgotten the upload, or has more or less of it than was thought. 413: too large.
    matches!(fault, Fault::Status { status: 404 | 413 | 416, .. }) || fault.worth_another_try()
}

fn post(client: &Client, url: Url) -> RequestBuilder {
    client.post(url).header(CONTENT_LENGTH, 0).body(Vec::new())
}

/// How long an upload may take.
fn patience_for(bytes: u64) -> Duration {
    Duration::from_secs(60 + bytes / SLOWEST)
}

/// Where the upload goes on.
fn location(response: &Response) -> Result<Url, Fault> {
    let nonsense = |why: &str| Fault::Nonsense(format!("{why} for the upload"));
    let value = response.headers().get(LOCATION).ok_or_else(|| nonsense("there is no location"))?;
    let text = value.to_str().map_err(|_| nonsense("there is a location that cannot be read"))?;
    response.url().join(text).map_err(|_| nonsense("there is a location that is no URL"))
}

/// The byte after `Range: 0-N`, which counts what has come. An upload of which nothing has come has the range `0-0`, as one
/// of a single byte has: the byte is sent again then.
fn after_range(response: &Response) -> Option<u64> {
    let text = response.headers().get(RANGE)?.to_str().ok()?;
    let last: u64 = text.trim_start_matches("bytes=").split_once('-')?.1.trim().parse().ok()?;
    if last == 0 { Some(0) } else { last.checked_add(1) }
}
