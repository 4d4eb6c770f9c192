//! A blob as a stream that goes on where it broke off.

use std::io::{self, Read};
use std::sync::Arc;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::RANGE;

use super::connection::{Connection, Scopes};
use super::fault::Fault;
use super::patience::{TRIES, patiently, wait_before_retry};

/// The reading end of a blob. What the registry sends beyond `size` bytes is passed on as well: whoever reads sees that it is
/// too much.
pub(super) struct Download {
    connection: Arc<Connection>,
    scopes: Scopes,
    path: String,
    /// Bytes that were promised.
    size: u64,
    done: u64,
    tried: u32,
    response: Response,
    /// Bytes of the answer that have been seen.
    skip: u64,
}

impl Download {
    /// Opens the blob at `path`.
    pub(super) fn open(connection: Arc<Connection>, scopes: Scopes, path: String, size: u64) -> Result<Self, Fault> {
        let response = patiently(|| connection.send(&scopes, &path, Client::get))?;
        Ok(Self { connection, scopes, path, size, done: 0, tried: 0, response, skip: 0 })
    }

    /// Asks for the rest.
    fn resume(&mut self) -> Result<(), Fault> {
        let range = format!("bytes={}-", self.done);
        let response =
            self.connection.send(&self.scopes, &self.path, |client, url| client.get(url).header(RANGE, &range))?;
        // A registry that knows no ranges sends all of it again.
        self.skip = if response.status() == StatusCode::PARTIAL_CONTENT { 0 } else { self.done };
        self.response = response;
        Ok(())
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.skip > 0 {
            let most = usize::try_from(self.skip).unwrap_or(usize::MAX).min(buffer.len());
            match self.response.read(&mut buffer[..most])? {
                0 => return Ok(0),
                count => self.skip -= count as u64,
            }
        }
        self.response.read(buffer)
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let mut fault = match self.read_once(buffer) {
                Ok(0) if self.done < self.size => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
                Ok(count) => {
                    self.done += count as u64;
                    if count > 0 {
                        self.tried = 0;
                    }
                    return Ok(count);
                }
                // All bytes came, and then the connection broke.
                Err(_) if self.done >= self.size => return Ok(0),
                Err(error) => Fault::Io(error),
            };
            loop {
                if self.tried + 1 >= TRIES || !fault.worth_another_try() || !wait_before_retry(self.tried, &fault) {
                    return Err(match fault {
                        Fault::Io(error) => error,
                        other => io::Error::other(other),
                    });
                }
                self.tried += 1;
                match self.resume() {
                    Ok(()) => break,
                    Err(again) => fault = again,
                }
            }
        }
    }
}
