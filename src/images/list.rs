use crate::image::{Descriptor, Digest, Document, Platform, Reference, platforms_of};
use crate::store::Store;

use super::{Error, find};

/// A name of the store with what it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The name.
    pub name: Reference,
    /// Its manifest or index.
    pub top: Descriptor,
    /// The image id; `None` where the store lacks the documents that tell it.
    pub id: Option<Digest>,
    /// When it was made, as its config says.
    pub created: Option<String>,
    /// Bytes of its blobs as they are stored and sent, those that the store does not hold among them.
    pub size: u64,
    /// What it is for.
    pub platforms: Vec<String>,
}

/// All names, the youngest image first, then by name.
pub fn list(store: &Store) -> Result<Vec<Listed>, Error> {
    let mut all = Vec::new();
    for (name, top) in store.names().map_err(Error::Store)? {
        let Ok(name) = name.parse::<Reference>() else { continue };
        all.push(listed(store, name, top));
    }
    all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.to_string().cmp(&b.name.to_string())));
    Ok(all)
}

fn listed(store: &Store, name: Reference, top: Descriptor) -> Listed {
    let document = store.read_blob(&top.digest).ok().and_then(|bytes| Document::from_json(&bytes).ok());
    let image = store.image(&top, &Platform::host()).ok().flatten();
    let id = find::id_of(store, &top);
    let platforms = match &document {
        Some(Document::Index(index)) => platforms_of(&index.manifests),
        _ => image.iter().map(|image| image.config.platform().to_string()).collect(),
    };
    let size = image.as_ref().map_or(0, |image| {
        image.manifest.config.size + image.manifest.layers.iter().map(|layer| layer.size).sum::<u64>()
    });
    Listed { name, top, id, created: image.and_then(|image| image.config.created), size, platforms }
}
