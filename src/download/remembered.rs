use std::io;

use serde::{Deserialize, Serialize};

use crate::image::Digest;
use crate::remote::redacted;
use crate::rootfs::ContentDigest;
use crate::store::Store;

/// What is known of a file that was downloaded before; its bytes are a blob of the store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// The URL as people may see it: without credentials, and without its query, which may hold some.
    pub(super) url: String,
    /// `ETag`, as the server wrote it.
    pub(super) etag: Option<String>,
    /// `Last-Modified`, as the server wrote it.
    pub(super) last_modified: Option<String>,
    pub(super) digest: String,
    pub(super) size: u64,
    /// So that a step that hits need not read them.
    pub(super) content: ContentDigest,
}

/// What a record of the store says of a download: the URL as people may see it, and the blob. `None` where it is none.
pub fn read_record(record: &[u8]) -> Option<(String, Digest)> {
    let known: Remembered = serde_json::from_slice(record).ok()?;
    let digest = known.digest()?;
    Some((known.url, digest))
}

/// A URL as it may be kept.
pub(super) fn kept_url(url: &str) -> String {
    redacted(url.split(['?', '#']).next().unwrap_or_default())
}

/// Names what is remembered of `url`: credentials do not count, since the server is asked each time.
pub(super) fn id(url: &str) -> String {
    Digest::of(redacted(url).as_bytes()).hex()
}

impl Remembered {
    /// What is remembered, if the server can be asked whether it still holds, and the bytes are here.
    pub(super) fn find(store: &Store, id: &str) -> Option<Self> {
        let known: Self = serde_json::from_slice(&store.download(id).ok()??).ok()?;
        let can_ask = known.etag.is_some() || known.last_modified.is_some();
        (can_ask && store.has(&known.digest()?)).then_some(known)
    }

    pub(super) fn keep(&self, store: &Store, id: &str) -> io::Result<()> {
        store.put_download(id, &serde_json::to_vec(self)?)
    }

    /// Of the bytes; `None` where the file has been tampered with.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.digest.parse().ok()
    }
}
