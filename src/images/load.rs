use std::io;
use std::path::Path;

use crate::bases::{Contained, contents};
use crate::image::{Descriptor, Document, Index, MediaType, Reference};
use crate::store::{BlobSource, Store};
use crate::transfer::Extent;

use super::Error;

/// Indexes within indexes.
const MAX_DEPTH: usize = 8;
/// A document of more bytes is an attack.
const MAX_DOCUMENT: u64 = 16 << 20;

/// An image that has been loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// Its manifest or index.
    pub top: Descriptor,
    /// The names it has got.
    pub names: Vec<Reference>,
}

/// Puts all images of the layout or archive at `path` into the store, under the names they have there. Images without one get
/// `name`, if one is given; with several of those it would be anybody's, and is an error.
///
/// An index may lack images of other platforms: they stay absent.
///
/// # Errors
/// What is damaged is told of and not kept, and nothing gets a name of which a part is missing.
pub fn load(store: &Store, path: &Path, name: Option<&Reference>) -> Result<Vec<Loaded>, Error> {
    let images = contents(path, store)?;
    let nameless = images.iter().filter(|image| image.names.is_empty()).count();
    let mut loaded = Vec::new();
    for image in images {
        let mut names = image.names.clone();
        if names.is_empty() && nameless == 1 {
            names.extend(name.cloned());
        }
        take(store, &image, &Extent::All)?;
        for name in &names {
            store.tag(name, &image.top).map_err(Error::Store)?;
        }
        loaded.push(Loaded { top: image.top, names });
    }
    Ok(loaded)
}

/// Puts the blobs of an image into the store, as far as they are asked for. An index may lack images of other platforms, which
/// stay absent.
pub fn take(store: &Store, image: &Contained, extent: &Extent) -> Result<(), Error> {
    let name = image.names.first().map_or_else(|| image.top.digest.to_string(), Reference::familiar);
    let taking = Taking { store, source: &*image.source, extent };
    taking.below(&image.top, MAX_DEPTH).map_err(|source| Error::Load { name, source })
}

struct Taking<'a> {
    store: &'a Store,
    source: &'a dyn BlobSource,
    extent: &'a Extent,
}

impl Taking<'_> {
    fn below(&self, at: &Descriptor, depth: usize) -> io::Result<()> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        if depth == 0 {
            return Err(invalid(format!("more than {MAX_DEPTH} indexes in each other")));
        }
        if at.size > MAX_DOCUMENT {
            return Err(invalid(format!("{} has {} bytes, too many for a document", at.digest, at.size)));
        }
        self.store.ensure_blob(at, Some(self.source))?;
        let bytes = self.store.read_blob(&at.digest)?;
        match Document::from_json(&bytes).map_err(|error| invalid(format!("{}: {error}", at.digest)))? {
            Document::Manifest(manifest) => {
                let mut blobs = [&manifest.config].into_iter().chain(&manifest.layers);
                blobs.try_for_each(|blob| self.store.ensure_blob(blob, Some(self.source)))
            }
            Document::Index(index) => self.images_of(&index, depth - 1),
        }
    }

    fn images_of(&self, index: &Index, depth: usize) -> io::Result<()> {
        if let Extent::Platform(platform) = self.extent {
            // Whoever looks for the platform says that it is not there.
            return index.select(platform).map_or(Ok(()), |chosen| self.below(chosen, depth));
        }
        let mut here = 0;
        for entry in index.manifests.iter().filter(|entry| is_document(entry)) {
            match self.below(entry, depth) {
                Ok(()) => here += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.store.has(&entry.digest) => {}
                Err(error) => return Err(error),
            }
        }
        if here > 0 {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "there is an index, and none of its images"))
    }
}

fn is_document(entry: &Descriptor) -> bool {
    matches!(entry.media_type, MediaType::Manifest(_) | MediaType::Index(_))
}
