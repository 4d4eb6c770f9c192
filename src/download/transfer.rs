use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use reqwest::blocking::{Client, Response};
use reqwest::header::{
    AUTHORIZATION, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
};

use crate::progress::Cancel;

use super::remembered::Remembered;

/// A server that does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// A server that has stopped sending.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at whether the user has stopped the build.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes read at a time.
const CHUNK: usize = 64 << 10;
/// Chunks on their way to whoever writes them.
const CHUNKS: usize = 16;

/// What is asked for.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) url: String,
    /// The value of `Authorization`, which no other host gets to see.
    pub(super) authorization: Option<String>,
    /// Asked whether it still holds.
    pub(super) known: Option<Remembered>,
}

/// The head of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) length: Option<u64>,
    pub(super) retry_after: Option<Duration>,
}

/// Why there is no answer, or no more of it.
#[derive(Debug)]
pub(super) enum Fault {
    /// The text is no URL.
    Url,
    /// The user has stopped the build.
    Cancelled,
    /// It may work in a moment.
    Passing(String),
    /// It will not.
    Lasting(String),
}

enum Part {
    Head(Head),
    Chunk(Vec<u8>),
    End,
    Failed(Fault),
}

/// An answer on its way. The thread that reads it ends with the server, or when nobody takes what it has read.
pub(super) struct Answer<'a> {
    parts: Receiver<Part>,
    cancel: &'a Cancel,
}

impl<'a> Answer<'a> {
    /// Sends the request, and waits for the head of the answer.
    pub(super) fn to(request: Request, cancel: &'a Cancel) -> Result<(Head, Self), Fault> {
        let client = client().map_err(|error| Fault::Lasting(innermost(&error)))?;
        let (sender, parts) = bounded(CHUNKS);
        // Not a scoped one: a read from a server that is silent cannot be ended, but it need not be waited for.
        std::thread::spawn(move || read(&client, &request, &sender));
        let answer = Self { parts, cancel };
        match answer.part()? {
            Part::Head(head) => Ok((head, answer)),
            _ => Err(Fault::Passing("the server has answered nothing".to_owned())),
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) fn chunk(&self) -> Result<Option<Vec<u8>>, Fault> {
        match self.part()? {
            Part::Chunk(bytes) => Ok(Some(bytes)),
            _ => Ok(None),
        }
    }

    fn part(&self) -> Result<Part, Fault> {
        loop {
            match self.parts.recv_timeout(LOOK) {
                Ok(Part::Failed(fault)) => return Err(fault),
                Ok(part) => return Ok(part),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Fault::Passing("the answer broke off".to_owned()));
                }
            }
            if self.cancel.is_set() {
                return Err(Fault::Cancelled);
            }
        }
    }
}

/// Does the request, and passes on what comes.
fn read(client: &Client, request: &Request, parts: &Sender<Part>) {
    let result = send(client, request).and_then(|mut response| {
        if parts.send(Part::Head(head(&response))).is_err() {
            return Ok(());
        }
        loop {
            let mut buffer = vec![0; CHUNK];
            match response.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    buffer.truncate(count);
                    if parts.send(Part::Chunk(buffer)).is_err() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Passing(innermost(&error))),
            }
        }
        let _nobody_waits = parts.send(Part::End);
        Ok(())
    });
    if let Err(fault) = result {
        let _nobody_waits = parts.send(Part::Failed(fault));
    }
}

fn send(client: &Client, request: &Request) -> Result<Response, Fault> {
    let mut asked = client.get(&request.url);
    if let Some(value) = &request.authorization {
        asked = asked.header(AUTHORIZATION, value);
    }
    if let Some(known) = &request.known {
        // Who has a mark needs no time (RFC 9110, section 13.1.3).
        match (&known.etag, &known.last_modified) {
            (Some(etag), _) => asked = asked.header(IF_NONE_MATCH, etag),
            (None, Some(time)) => asked = asked.header(IF_MODIFIED_SINCE, time),
            (None, None) => {}
        }
    }
    asked.send().map_err(|error| {
        let error = error.without_url();
        match () {
            () if error.is_builder() => Fault::Url,
            () if error.is_redirect() => Fault::Lasting(innermost(&error)),
            // A host that lets connections time out will do so again.
            () if error.is_connect() && error.is_timeout() => Fault::Lasting(innermost(&error)),
            () => Fault::Passing(innermost(&error)),
        }
    })
}

fn head(response: &Response) -> Head {
    let text = |headers: &HeaderMap, name: HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let headers = response.headers();
    Head {
        status: response.status().as_u16(),
        etag: text(headers, ETAG),
        last_modified: text(headers, LAST_MODIFIED),
        length: response.content_length(),
        retry_after: text(headers, RETRY_AFTER).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
    }
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
