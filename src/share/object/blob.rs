//! Blobs to and from an object store, a piece at a time.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use futures_core::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart};

use crate::registry::{Content, Told};
use crate::share::place::SLOWEST;
use crate::share::{STALL, ShareError};

use super::LIMIT;
use super::fault::share_error;
use super::runtime::Blocking;

/// Bytes of one piece of an upload, the fewest that S3 takes; smaller blobs are sent whole.
const PIECE: u64 = 5 << 20;
/// Services take at most 10 000 pieces.
const MOST_PIECES: u64 = 9_000;
/// Pieces on their way at once.
const AT_ONCE: usize = 4;

/// The bytes of a blob as they come. The client asks for the rest where a connection breaks.
struct Download {
    blocking: Blocking,
    stream: BoxStream<'static, object_store::Result<Piece>>,
    piece: Piece,
}

/// What a stream yields.
type Piece = bytes::Bytes;

/// Opens a blob.
pub(super) fn open(
    blocking: &Blocking,
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Box<dyn Read + Send>, ShareError> {
    let found = blocking.wait(LIMIT, store.get(path))?.map_err(share_error)?;
    Ok(Box::new(Download { blocking: blocking.clone(), stream: found.into_stream(), piece: Piece::new() }))
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let next = std::future::poll_fn(|context| self.stream.as_mut().poll_next(context));
            match self.blocking.wait(STALL, next).map_err(io::Error::other)? {
                Some(piece) => self.piece = piece.map_err(|error| io::Error::other(share_error(error)))?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// Sends a blob.
pub(super) fn push(
    blocking: &Blocking,
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    size: u64,
    content: &dyn Content,
    told: &Told,
) -> Result<(), ShareError> {
    let failed = |error: io::Error| ShareError::Failed(error.into());
    let mut reader = content.open(0).map_err(failed)?;
    let piece = PIECE.max(size.div_ceil(MOST_PIECES));
    if size <= piece {
        let put = store.put(path, PutPayload::from(next_piece(&mut *reader, size).map_err(failed)?));
        blocking.wait_telling(patience(size), told, 0, put)?.map_err(share_error)?;
        told(size);
        return Ok(());
    }
    let patience = patience(piece * AT_ONCE as u64);
    let upload = blocking.wait(LIMIT, store.put_multipart(path))?.map_err(share_error)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, usize::try_from(piece).unwrap_or(usize::MAX));
    let mut send_all = || {
        let mut done = 0;
        while done < size {
            let bytes = next_piece(&mut *reader, piece.min(size - done)).map_err(failed)?;
            let sent = blocking.wait_telling(patience, told, done, async {
                upload.wait_for_capacity(AT_ONCE).await?;
                upload.write(&bytes);
                Ok(())
            });
            sent?.map_err(share_error)?;
            done += bytes.len() as u64;
            told(done);
        }
        Ok(())
    };
    match send_all() {
        Ok(()) => {
            blocking.wait_telling(patience, told, size, upload.finish())?.map_err(share_error)?;
            told(size);
            Ok(())
        }
        Err(error) => {
            // A service forgets by itself, some day, what cannot be told to it now.
            let _best_effort = blocking.wait(LIMIT, upload.abort());
            Err(error)
        }
    }
}

/// Exactly so many bytes.
fn next_piece(reader: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    reader.take(size).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// How long so many bytes may take.
fn patience(size: u64) -> Duration {
    STALL + Duration::from_secs(size / SLOWEST)
}
