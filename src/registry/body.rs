//! A blob as a stream: fetched by a task of the client's thread, read by the thread that asked.

use std::future::poll_fn;
use std::io::{self, Read};

use oci_client::client::{BlobResponse, LayerDescriptor};
use oci_client::errors::OciDistributionError;
use oci_client::{Client, Reference};
use tokio::sync::mpsc::{Receiver, Sender};

use super::patience::{TRIES, wait_before_retry, worth_another_try};

/// Pieces that may wait for the reader; each is at most what the connection gave at once.
pub(super) const QUEUE: usize = 16;

/// What a download is of.
pub(super) struct Wanted {
    pub(super) client: Client,
    pub(super) image: Reference,
    pub(super) digest: String,
    /// Bytes.
    pub(super) size: u64,
    /// Where else it can be had: only for layers that registries need not hold.
    pub(super) urls: Option<Vec<String>>,
}

/// What the first answer said: whether there will be bytes at all.
pub(super) type Begun = Result<(), OciDistributionError>;

/// Sends the blob's bytes. Tells once through `begun` whether the registry has the blob. A connection that breaks off is
/// made again for the rest, up to [`TRIES`] times without a byte in between.
pub(super) async fn download(
    wanted: Wanted,
    begun: std::sync::mpsc::Sender<Begun>,
    bytes: Sender<io::Result<Vec<u8>>>,
) {
    let mut begun = Some(begun);
    let (mut done, mut tried) = (0, 0);
    loop {
        let before = done;
        let failure = match open(&wanted, done).await {
            Ok(mut stream) => {
                if let Some(begun) = begun.take() {
                    let _nobody_waits = begun.send(Ok(()));
                }
                match pass_on(&mut stream, &mut done, &bytes).await {
                    Ok(()) => return,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Ok(error),
        };
        if done > before {
            tried = 0;
        }
        let again = match &failure {
            // All bytes came, but not the right ones.
            Err(_) => done < wanted.size,
            Ok(error) => worth_another_try(error),
        };
        if again && tried + 1 < TRIES {
            wait_before_retry(tried).await;
            tried += 1;
            continue;
        }
        match (failure, begun) {
            (Ok(error), Some(begun)) => drop(begun.send(Err(error))),
            (Ok(error), None) => drop(bytes.send(Err(io::Error::other(error))).await),
            (Err(error), _) => drop(bytes.send(Err(error)).await),
        }
        return;
    }
}

/// A stream of the bytes from `start` on; `skip` of them have been seen.
struct Stream {
    response: oci_client::client::SizedStream,
    skip: u64,
}

async fn open(wanted: &Wanted, start: u64) -> oci_client::errors::Result<Stream> {
    let layer = LayerDescriptor { digest: &wanted.digest, urls: &wanted.urls };
    if start == 0 {
        let response = wanted.client.pull_blob_stream(&wanted.image, &layer).await?;
        return Ok(Stream { response, skip: 0 });
    }
    match wanted.client.pull_blob_stream_partial(&wanted.image, &layer, start, None).await? {
        BlobResponse::Partial(response) => Ok(Stream { response, skip: 0 }),
        // This registry knows no ranges.
        BlobResponse::Full(response) => Ok(Stream { response, skip: start }),
    }
}

async fn pass_on(stream: &mut Stream, done: &mut u64, bytes: &Sender<io::Result<Vec<u8>>>) -> io::Result<()> {
    while let Some(piece) = poll_fn(|context| stream.response.stream.as_mut().poll_next(context)).await {
        let piece = piece?;
        let skip = usize::try_from(stream.skip).unwrap_or(usize::MAX).min(piece.len());
        stream.skip -= skip as u64;
        if skip < piece.len() {
            *done += (piece.len() - skip) as u64;
            if bytes.send(Ok(piece[skip..].to_vec())).await.is_err() {
                // The reader has gone.
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The reading end.
pub(super) struct Body {
    bytes: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Body {
    pub(super) fn new(bytes: Receiver<io::Result<Vec<u8>>>) -> Self {
        Self { bytes, piece: Vec::new(), at: 0 }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.bytes.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece?, 0),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
