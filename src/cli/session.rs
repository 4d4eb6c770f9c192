//! What the commands have in common that move images.

use std::sync::Arc;

use crate::image::Platform;
use crate::progress::{Cancel, SharedSink};
use crate::registry::Registry;
use crate::store::Store;
use crate::transfer::{Error, Extent, Transfer};

use super::args::{ProgressMode, StoreArgs, TransferArgs};
use super::failure::Failure;
use super::surroundings::Surroundings;
use super::{build, options, signals, values};

/// The store, and the way to registries.
pub(super) struct Session {
    pub(super) store: Arc<Store>,
    pub(super) transfer: Transfer,
    sink: SharedSink,
}

impl Session {
    /// Opens the store, and begins to show progress.
    pub(super) fn open(args: &TransferArgs, around: Surroundings<'_>) -> Result<Self, Failure> {
        let mode = if args.quiet { ProgressMode::Quiet } else { args.progress.unwrap_or(ProgressMode::Auto) };
        let registry = Arc::new(Registry::new(options::access(&args.registries, around)?));
        let store = Arc::new(store(&args.store, around)?);
        let cancel = Cancel::new().map_err(|error| Failure::machine("cannot prepare to be interrupted", &error))?;
        signals::watch(&cancel).map_err(|error| Failure::machine("cannot watch for signals", &error))?;
        let sink = build::sink(mode)?;
        let transfer = Transfer::new(Arc::clone(&store), registry, Arc::clone(&sink), cancel);
        Ok(Self { store, transfer, sink })
    }

    /// Ends the show, and makes a failure of an error.
    pub(super) fn end<T>(&self, result: Result<T, Error>) -> Result<T, Failure> {
        self.sink.finish();
        result.map_err(Failure::from)
    }
}

/// The store alone. What is used of it stays while the command runs.
pub(super) fn store(args: &StoreArgs, around: Surroundings<'_>) -> Result<Store, Failure> {
    attended(unattended_store(args, around)?)
}

/// The store, for who takes things away from it.
pub(super) fn unattended_store(args: &StoreArgs, around: Surroundings<'_>) -> Result<Store, Failure> {
    Ok(Store::open(&options::store_dir(args, around)?)?)
}

fn attended(store: Store) -> Result<Store, Failure> {
    store.attended().map_err(|error| Failure::store("cannot begin to work in the store", &error))
}

/// One platform, by default this machine's, or all of them.
pub(super) fn extent(platform: Option<&str>, all: bool) -> Result<Extent, Failure> {
    match platform.filter(|text| !text.is_empty()) {
        _ if all => Ok(Extent::All),
        Some(text) => values::platform(text).map(Extent::Platform),
        None => Ok(Extent::Platform(Platform::host())),
    }
}
