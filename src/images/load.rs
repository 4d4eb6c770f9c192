use std::io;
use std::path::Path;

use crate::bases::{Contained, contents};
use crate::image::{Descriptor, Document, MediaType, Reference};
use crate::store::{BlobSource, Store};

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
        take(store, &image)?;
        for name in &names {
            store.tag(name, &image.top).map_err(Error::Store)?;
        }
        loaded.push(Loaded { top: image.top, names });
    }
    Ok(loaded)
}

/// Puts all blobs of one image into the store.
pub(super) fn take(store: &Store, image: &Contained) -> Result<(), Error> {
    let name = image.names.first().map_or_else(|| image.top.digest.to_string(), Reference::familiar);
    take_below(store, &image.top, &*image.source, MAX_DEPTH).map_err(|source| Error::Load { name, source })
}

fn take_below(store: &Store, at: &Descriptor, source: &dyn BlobSource, depth: usize) -> io::Result<()> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    if depth == 0 {
        return Err(invalid(format!("more than {MAX_DEPTH} indexes in each other")));
    }
    if at.size > MAX_DOCUMENT {
        return Err(invalid(format!("{} has {} bytes, too many for a document", at.digest, at.size)));
    }
    store.ensure_blob(at, Some(source))?;
    let bytes = store.read_blob(&at.digest)?;
    match Document::from_json(&bytes).map_err(|error| invalid(format!("{}: {error}", at.digest)))? {
        Document::Manifest(manifest) => {
            for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
                store.ensure_blob(blob, Some(source))?;
            }
        }
        Document::Index(index) => {
            let documents = index.manifests.iter().filter(|entry| is_document(entry));
            let mut here = 0;
            for entry in documents {
                match take_below(store, entry, source, depth - 1) {
                    Ok(()) => here += 1,
                    Err(error) if error.kind() == io::ErrorKind::NotFound && !store.has(&entry.digest) => {}
                    Err(error) => return Err(error),
                }
            }
            if here == 0 {
                return Err(io::Error::new(io::ErrorKind::NotFound, "there is an index, and none of its images"));
            }
        }
    }
    Ok(())
}

fn is_document(entry: &Descriptor) -> bool {
    matches!(entry.media_type, MediaType::Manifest(_) | MediaType::Index(_))
}
