//! A finished image to what was asked for: OCI tar or directory, Docker archive, root filesystem (layers.md, ARC and OUT).
//!
//! Everything is written aside and renamed, so that a build which is killed leaves nothing broken under the name that was
//! asked for. What cannot be renamed over (a pipe, a device) is written in place. Blobs are checked against their digests
//! while they are copied.

mod archive;
mod blobs;
mod bundle;
mod check;
mod error;
mod filesystem;
mod image;
mod index;
mod layout;
mod local;
mod parse;
mod place;
mod spec;
mod tar_file;
#[cfg(test)]
mod test_image;

pub use bundle::{Bundle, save};
pub use check::check;
pub use error::OutputError;
pub use image::{Image, Stored, metadata, store_image, stored_for};
pub use spec::{Destination, OutputKind, OutputSpec, OutputSpecError};

use crate::store::Store;

/// Writes one output of `image`, whose layers are blobs of `store`.
///
/// The image is put into the store first. For [`OutputKind::Store`] that is all, but for its names, which the store
/// takes (CLI-4: the output's own, else the build's).
///
/// `compression=`, `compression-level=` and `rewrite-timestamp=` are not looked at: they shape the layers, which are
/// finished here.
pub fn write(spec: &OutputSpec, image: &Image<'_>, store: &Store) -> Result<(), OutputError> {
    let names = if spec.names.is_empty() { &image.names } else { &spec.names };
    let destination = spec.destination.as_ref();
    match (spec.kind, destination) {
        (OutputKind::Local, Some(Destination::Path(path))) => local::write(image, path),
        (OutputKind::Tar, Some(destination)) => filesystem::write_tar(image, destination),
        (OutputKind::OciTar | OutputKind::Docker, Some(destination)) => {
            let stored = image::stored_for(spec, image, store)?;
            archive::write(&[Bundle::of(&stored, names, image.created)], spec.kind, destination, store)
        }
        (OutputKind::OciDirectory, Some(Destination::Path(path))) => {
            let stored = image::stored_for(spec, image, store)?;
            layout::write(&Bundle::of(&stored, names, image.created), path, store)
        }
        (OutputKind::Store, _) => {
            let stored = image::stored_for(spec, image, store)?;
            for name in names {
                store.tag(name, &stored.manifest).map_err(OutputError::Store)?;
            }
            Ok(())
        }
        (OutputKind::Nothing, _) => Ok(()),
        (kind, _) => Err(OutputError::NoDestination(kind)),
    }
}
