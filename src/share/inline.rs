//! The cache in an image: records of its layers in a field of its config (CX, `inline`).

use serde::{Deserialize, Serialize};

use crate::cache::{Brief, Parent, Record};
use crate::image::{Compression, Descriptor, ImageConfig, MediaType, Wire};

use super::ShareError;
use super::entry::Entry;
use super::index::Index;

/// The records of an image's layers, as they stand in its config.
#[derive(Serialize, Deserialize)]
struct Inline {
    entries: Vec<Entry>,
}

/// A step as it stands there. It depends on nothing but the step, so that the image has the same digest wherever it is built.
/// Where the layer's blob is, the image's manifest tells.
pub(super) fn entry(step: Brief, content: &Parent, record: Record) -> Entry {
    // In its place the `diff_id`: how the layer is compressed does not count.
    let blob = Descriptor::new(MediaType::Layer(Wire::Oci, Compression::Uncompressed), record.layer.diff_id.0, 0);
    Entry::new(step, content, record, &blob, None, 0)
}

/// What the field of the config is to hold.
pub(super) fn field(entries: Vec<Entry>) -> serde_json::Value {
    serde_json::to_value(Inline { entries }).unwrap_or_default()
}

/// What an image tells of its steps, if anything. `layers` are those of its manifest.
pub(super) fn index_of(config: &ImageConfig, layers: &[Descriptor]) -> Result<Option<Index>, ShareError> {
    let Some(value) = &config.cache else { return Ok(None) };
    let damaged =
        |error: serde_json::Error| ShareError::Damaged { what: "its cache".to_owned(), reason: error.to_string() };
    let inline = Inline::deserialize(value).map_err(damaged)?;
    let with_blob = |mut entry: Entry| {
        let at = config.rootfs.diff_ids.iter().position(|layer| *layer == entry.record.layer.diff_id)?;
        let blob = layers.get(at)?;
        let compression = blob.media_type.compression()?;
        entry.blob = Descriptor::new(MediaType::Layer(Wire::Oci, compression), blob.digest, blob.size);
        entry.list = None;
        entry.checked()
    };
    let entries = inline.entries.into_iter().filter_map(with_blob).collect();
    Ok(Some(Index { entries, ..Index::default() }))
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::sample;
    use super::*;

    #[test]
    fn cx_1_an_image_tells_of_its_layers_wherever_they_are() {
        let (sample, preimage) = sample("RUN a");
        let content = Parent::Content("below".into());
        let inline = entry(preimage.brief(), &content, sample.record.clone());
        let mut config = ImageConfig { cache: Some(field(vec![inline])), ..ImageConfig::default() };
        assert!(index_of(&config, &[]).unwrap().unwrap().entries.is_empty(), "a layer that the image does not have");
        config.rootfs.diff_ids = vec![sample.record.layer.diff_id];
        let read = ImageConfig::from_json(&config.to_json()).unwrap();
        let index = index_of(&read, std::slice::from_ref(&sample.blob)).unwrap().unwrap();
        assert_eq!(index.entries, [Entry { exported: 0, ..sample }]);
        assert!(index_of(&ImageConfig::default(), &[]).unwrap().is_none());
    }
}
