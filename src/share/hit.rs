//! A step that a place knows, and the way to its layer.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cache::Record;
use crate::image::{Descriptor, Digest};
use crate::progress::{Outcome, Tasks};
use crate::store::BlobSource;

use super::entry::{Entry, List};
use super::export::unpack_list;
use super::member::Member;

/// A step that a place knows. Nothing of its layer has been fetched yet; clones are the same hit.
#[derive(Clone)]
pub struct Hit {
    pub(super) entry: Arc<Entry>,
    pub(super) member: Arc<Member>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) lost: Arc<AtomicBool>,
}

impl Hit {
    /// What the step gave.
    pub fn record(&self) -> &Record {
        &self.entry.record
    }

    /// The layer's blob.
    pub fn blob(&self) -> &Descriptor {
        &self.entry.blob
    }

    /// Where it was found, for messages.
    pub fn place(&self) -> &str {
        self.member.name()
    }

    /// The repository of which later builds can have the blob by themselves, if it is one.
    pub fn repository(&self) -> Option<String> {
        self.member.repository()
    }

    /// The layer's list, if the place has it. What is in it is the reader's to check.
    pub fn list(&self) -> Option<Vec<u8>> {
        let list = self.entry.list.as_ref()?;
        let read = || -> io::Result<Vec<u8>> {
            let packed = match list {
                List::Here(text) => STANDARD.decode(text).map_err(io::Error::other)?,
                List::Blob(list) => {
                    let mut packed = Vec::new();
                    self.member.open(list)?.take(list.size + 1).read_to_end(&mut packed)?;
                    if Digest::of(&packed) != list.digest {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "its list is damaged"));
                    }
                    packed
                }
            };
            unpack_list(&packed)
        };
        // Without it the layer itself is read, which tells the same.
        read().ok()
    }

    /// The layer is not to be had from there, or is not what was promised: the build that fails of it is begun again without.
    pub fn lose(&self, why: &io::Error) {
        self.member.lose(&self.entry.record.layer.diff_id, &self.entry.record.text, why);
        self.lost.store(true, Ordering::SeqCst);
    }
}

impl BlobSource for Hit {
    fn fetch(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let task = self.tasks.start(format!("fetch {} from {}", &blob.digest.hex()[..12], self.member.name()));
        match self.member.open(blob) {
            Ok(reader) => Ok(task.watch(reader, blob.size)),
            Err(error) => {
                task.ends(Outcome::Failed);
                Err(error)
            }
        }
    }

    fn is_lasting(&self) -> bool {
        self.member.repository().is_some()
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hit")
            .field("step", &self.entry.record.text)
            .field("place", &self.member.name())
            .finish_non_exhaustive()
    }
}
