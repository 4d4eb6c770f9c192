//! Images of registries: their documents now, their layers when they are wanted.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use crate::image::{Descriptor, MediaType, Reference};
use crate::progress::{Outcome, SharedSink, Tasks};
use crate::registry::Registry;
use crate::store::{BlobSource, Store};

use super::Error;
use super::documents::{Documents, read_limited};
use super::error::one_line;

/// Ids of tasks that tell of downloads begin here, above those of any plan.
const FIRST_TASK: u32 = 1_000_000;

/// The registry client, and who is told of what it does.
pub(super) struct Remote {
    registry: Arc<Registry>,
    tasks: Tasks,
}

impl Remote {
    pub(super) fn new(registry: Arc<Registry>, sink: SharedSink) -> Self {
        Self { registry, tasks: Tasks::new(sink, FIRST_TASK) }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }
}

/// An image of a registry.
pub(super) struct Pulled {
    remote: Arc<Remote>,
    store: Arc<Store>,
    name: Reference,
}

impl Pulled {
    pub(super) fn new(remote: Arc<Remote>, store: Arc<Store>, name: Reference) -> Self {
        Self { remote, store, name }
    }

    fn fetch_from(&self, name: &Reference, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let hex = blob.digest.hex();
        let task = self.remote.tasks.start(format!("pull {name} {}", &hex[..12]));
        let opened = self.remote.registry.blob(name, blob);
        let reader = opened.map_err(|error| io::Error::other(one_line(&error)))?;
        Ok(task.watch(reader, blob.size))
    }

    /// Asks the registry what the name means now, and keeps that manifest or index.
    pub(super) fn resolve(&self, store: &Store) -> Result<Descriptor, Error> {
        let task = self.remote.tasks.start(format!("resolve {}", self.name));
        if let Some(known) = store.resolve(&self.name).map_err(Error::Store)?
            && self.name.digest().is_none()
            && store.has(&known.digest)
            && self.remote.registry.still_means(&self.name, &known.digest)
        {
            task.ends(Outcome::Done);
            return Ok(known);
        }
        let resolved = self.remote.registry.resolve(&self.name)?;
        if let Some(wanted) = self.name.digest()
            && wanted != resolved.descriptor.digest
        {
            let reason = format!("expected a manifest of digest {wanted}, got {}", resolved.descriptor.digest);
            return Err(Error::Damaged { place: self.place(), reason });
        }
        store.put_blob(&resolved.bytes).map_err(Error::Store)?;
        task.ends(Outcome::Done);
        Ok(resolved.descriptor)
    }
}

impl fmt::Debug for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pulled").field(&self.name).finish()
    }
}

impl Documents for Pulled {
    fn read(&self, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        let registry = &self.remote.registry;
        if matches!(blob.media_type, MediaType::Manifest(_) | MediaType::Index(_)) {
            return Ok(registry.manifest(&self.name, &blob.digest)?);
        }
        let damaged = |error: io::Error| Error::Damaged { place: self.place(), reason: error.to_string() };
        read_limited(registry.blob(&self.name, blob)?).map_err(damaged)
    }

    fn place(&self) -> String {
        self.name.to_string()
    }
}

impl BlobSource for Pulled {
    fn is_lasting(&self) -> bool {
        true
    }

    fn fetch(&self, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        // An image that was only pushed has layers of its base that nobody ever needed here.
        let known = self.store.sources(&blob.digest)?;
        for place in known.iter().filter_map(|place| place.parse::<Reference>().ok()) {
            if place.place() != self.name.place()
                && let Ok(reader) = self.fetch_from(&place, blob)
            {
                return Ok(reader);
            }
        }
        self.fetch_from(&self.name, blob)
    }
}

/// The documents of an image that the store may hold already.
pub(super) struct StoreFirst<'a> {
    pub(super) store: &'a Store,
    pub(super) pulled: &'a Pulled,
}

impl Documents for StoreFirst<'_> {
    fn read(&self, blob: &Descriptor) -> Result<Vec<u8>, Error> {
        // One that has been damaged on disk is dropped by the store, and fetched again.
        match self.store.read_blob(&blob.digest) {
            Ok(bytes) => Ok(bytes),
            Err(_) => self.pulled.read(blob),
        }
    }

    fn place(&self) -> String {
        self.pulled.place()
    }
}
