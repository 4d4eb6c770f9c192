use crate::image::{Document, Reference};
use crate::output::Bundle;
use crate::transfer::Tree;

use super::Error;

/// What archives and layouts are written from, of a tree whose blobs the store holds. `None` of an empty tree.
pub fn bundle(tree: &Tree, names: Vec<Reference>) -> Result<Option<Bundle>, Error> {
    let Some(mut top) = tree.top() else { return Ok(None) };
    let mut image = None;
    for (at, bytes) in &tree.documents {
        let document = Document::from_json(bytes)
            .map_err(|error| Error::NotAnImage { name: at.digest.to_string(), reason: error.to_string() })?;
        if let Document::Manifest(manifest) = document {
            image.get_or_insert((manifest.config, manifest.layers));
        }
    }
    top.annotations.clear();
    let documents = tree.documents.iter().map(|(at, _)| at);
    let blobs = documents.chain(&tree.blobs).cloned().collect();
    Ok(Some(Bundle { top, blobs, image, names, tag: None, created: None }))
}
