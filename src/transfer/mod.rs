//! Images between the store and registries: several blobs at once, each only if the other side does not have it.

mod error;
mod parallel;
mod pull;
mod push;
mod tree;

use std::io::{self, Read};
use std::sync::Arc;

use crate::progress::{Cancel, SharedSink, Tasks};
use crate::registry::Registry;
use crate::store::Store;

pub use error::Error;
pub use pull::Extent;
pub use push::StoredBlob;
pub use tree::Tree;

/// Ids of tasks that tell of transfers begin here, above those of a build.
const FIRST_TASK: u32 = 4_000_000;

/// Moves images. Several threads may use one at once.
pub struct Transfer {
    store: Arc<Store>,
    registry: Arc<Registry>,
    tasks: Tasks,
    cancel: Cancel,
}

impl Transfer {
    /// Moves images into and out of `store`. Nothing is asked yet.
    pub fn new(store: Arc<Store>, registry: Arc<Registry>, sink: SharedSink, cancel: Cancel) -> Self {
        Self { store, registry, tasks: Tasks::new(sink, FIRST_TASK), cancel }
    }
}

/// Bytes of which no more are read once the user has stopped the transfer.
struct Stoppable<R> {
    reader: R,
    cancel: Cancel,
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_set() {
            return Err(io::Error::other("the transfer was stopped"));
        }
        self.reader.read(buffer)
    }
}
