//! The shared cache of a build: opened, and what it has promised and not kept made up for.

use std::io;
use std::sync::Arc;

use crate::progress::{Cancel, SharedSink};
use crate::registry::Registry;
use crate::share::{ExportSpec, Shared, Wanted};
use crate::store::Store;
use crate::transfer;

use super::{BuildError, Options};

/// The shared cache that the options ask for, if any.
pub(super) fn open(
    options: &Options,
    registry: &Arc<Registry>,
    store: &Arc<Store>,
    sink: &SharedSink,
    cancel: &Cancel,
) -> Option<Shared> {
    if options.cache_from.is_empty() && options.cache_to.is_empty() {
        return None;
    }
    let mut wanted = Wanted::default();
    let access = &options.registries;
    wanted.from.extend(options.cache_from.iter().map(|location| location.open(access, registry)));
    for spec in &options.cache_to {
        match spec {
            ExportSpec::Place(location, wishes) => wanted.to.push((location.open(access, registry), *wishes)),
            ExportSpec::Inline => wanted.inline = true,
        }
    }
    Some(Shared::new(wanted, store, sink, cancel, options.now))
}

/// Carries out a build with all its outputs by `once`; again, where it fails of layers that the shared cache has promised and does
/// not give: then the steps that gave them run. Each time at least one layer fewer is promised, so that it ends.
pub(super) fn carry_out<T>(
    shared: Option<&Shared>,
    cancel: &Cancel,
    once: impl Fn() -> Result<T, BuildError>,
) -> Result<T, BuildError> {
    let Some(shared) = shared else { return once() };
    let result = loop {
        let result = once();
        let Err(error) = &result else { break result };
        if let BuildError::Transfer(transfer::Error::Fetch { digest, .. } | transfer::Error::Missing { digest }) = error
        {
            shared.lose_blob(digest, &io::Error::other(error.to_string()));
        }
        if cancel.is_set() || !shared.has_lost_any() {
            break result;
        }
    };
    // A cache that cannot be written costs time later, not the build now.
    let _best_effort = shared.keep();
    if cancel.is_set() {
        return result;
    }
    let exported = shared.finish(result.is_err());
    let done = result?;
    exported.map_err(|message| BuildError::Cache { message })?;
    Ok(done)
}
