use std::fmt;
use std::io;

use serde_json::{Value, json};

use crate::image::{Descriptor, Digest, ImageConfig, Manifest, MediaType, Reference, Wire, rfc_3339};
use crate::rootfs::RootFs;
use crate::store::Store;

use super::index::CREATED;
use super::{OutputError, OutputSpec};

/// Annotations that say something to the builder only (MAN-7).
const INTERNAL_ANNOTATIONS: [&str; 3] =
    ["containerd.io/uncompressed", "buildkit/", "containerd.io/distribution.source."];

/// A finished image: everything but the names and places of outputs.
pub struct Image<'a> {
    /// The config, history and diff ids filled in.
    pub config: ImageConfig,
    /// Blobs in the store, base first; one for each diff id.
    pub layers: Vec<Descriptor>,
    /// The build's tags, for outputs that have no names of their own (CLI-4).
    pub names: Vec<Reference>,
    /// When it was made, in seconds since 1970: for `org.opencontainers.image.created` (ARC-6).
    pub created: i64,
    /// Gives the root filesystem. Asked for only by `type=local` and `type=tar`.
    pub root: Box<dyn Fn() -> io::Result<RootFs> + 'a>,
    /// `SOURCE_DATE_EPOCH` in seconds: the time of all files in `type=local` and `type=tar` (TIME-2).
    pub epoch: Option<i64>,
}

impl fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("config", &self.config).field("layers", &self.layers).finish_non_exhaustive()
    }
}

/// An image whose config and manifest are blobs of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The manifest's descriptor, with its platform.
    pub manifest: Descriptor,
    /// The config's descriptor; its digest is the image id (DIG-1).
    pub config: Descriptor,
    /// The layers as the manifest has them.
    pub layers: Vec<Descriptor>,
}

/// Puts config and manifest into the store. All media types become those of `wire` (MT-1), layers that a registry need
/// not hold become ordinary ones (MT-3), and annotations for builders go (MAN-7).
pub fn store_image(store: &Store, image: &Image<'_>, wire: Wire) -> io::Result<Stored> {
    let config_json = image.config.to_json();
    let config = Descriptor::of(MediaType::Config(wire), &config_json);
    let layers: Vec<Descriptor> = image.layers.iter().map(|layer| for_wire(layer, wire)).collect();
    let manifest = Manifest {
        wire,
        config: config.clone(),
        layers: layers.clone(),
        annotations: std::collections::BTreeMap::new(),
    };
    let manifest_json = manifest.to_json();
    store.put_blob(&config_json)?;
    store.put_blob(&manifest_json)?;
    let mut manifest = Descriptor::of(MediaType::Manifest(wire), &manifest_json);
    manifest.platform = Some(image.config.platform());
    Ok(Stored { manifest, config, layers })
}

/// The image in the form that the output `spec` asks for.
pub fn stored_for(spec: &OutputSpec, image: &Image<'_>, store: &Store) -> Result<Stored, OutputError> {
    let wire = spec.wire();
    let zstd = Some(crate::image::Compression::Zstd);
    if wire == Wire::Docker && image.layers.iter().any(|layer| layer.media_type.compression() == zstd) {
        return Err(OutputError::ZstdInDocker);
    }
    store_image(store, image, wire).map_err(OutputError::Store)
}

fn for_wire(layer: &Descriptor, wire: Wire) -> Descriptor {
    let mut layer = layer.clone();
    if let Some(compression) = layer.media_type.compression() {
        layer.media_type = MediaType::Layer(wire, compression);
        layer.urls.clear();
    }
    let internal = |key: &String| INTERNAL_ANNOTATIONS.iter().any(|prefix| key.starts_with(prefix));
    layer.annotations.retain(|key, _| wire == Wire::Oci && !internal(key));
    layer
}

/// The contents of the metadata file (META-1).
pub fn metadata(stored: &Stored, names: &[Reference], created: i64) -> Value {
    let digest = |digest: &Digest| Value::String(digest.to_string());
    let mut descriptor = stored.manifest.clone();
    descriptor.annotations.insert(CREATED.to_owned(), rfc_3339(created));
    let mut value = json!({
        "containerimage.config.digest": digest(&stored.config.digest),
        "containerimage.descriptor": descriptor,
        "containerimage.digest": digest(&stored.manifest.digest),
    });
    if !names.is_empty() {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        value["image.name"] = Value::String(names.join(","));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::test_image::TestImage;
    use super::*;
    use crate::image::{Compression, Document};

    #[test]
    fn mt_1_all_media_types_of_a_manifest_are_of_one_family() {
        let test = TestImage::new();
        let mut image = test.image();
        image.layers[0].media_type = MediaType::ForeignLayer(Wire::Docker, Compression::Gzip);
        image.layers[0].urls = vec!["https://example.com/layer".to_owned()];
        image.layers[0].annotations.insert("buildkit/createdat".to_owned(), "x".to_owned());
        image.layers[0].annotations.insert("org.example".to_owned(), "kept".to_owned());
        for (wire, kept) in [(Wire::Oci, 1), (Wire::Docker, 0)] {
            let stored = store_image(&test.store, &image, wire).unwrap();
            assert_eq!(stored.manifest.platform, Some(image.config.platform()));
            let bytes = test.store.read_blob(&stored.manifest.digest).unwrap();
            let Document::Manifest(manifest) = Document::from_json(&bytes).unwrap() else { panic!("an index") };
            assert_eq!(manifest.wire, wire);
            assert_eq!(manifest.config.media_type, MediaType::Config(wire));
            assert_eq!(manifest.layers[0].media_type, MediaType::Layer(wire, Compression::Gzip));
            assert_eq!((manifest.layers[0].annotations.len(), manifest.layers[0].urls.len()), (kept, 0), "{wire:?}");
        }
    }

    #[test]
    fn meta_1_names_the_manifest_and_the_image() {
        let test = TestImage::new();
        let stored = store_image(&test.store, &test.image(), Wire::Oci).unwrap();
        let names = ["app".parse().unwrap(), "quay.io/x:1".parse().unwrap()];
        let value = metadata(&stored, &names, 0);
        assert_eq!(value["containerimage.digest"], stored.manifest.digest.to_string());
        assert_eq!(value["containerimage.config.digest"], stored.config.digest.to_string());
        assert_eq!(value["containerimage.descriptor"]["annotations"][CREATED], "1970-01-01T00:00:00Z");
        assert_eq!(value["containerimage.descriptor"]["size"], stored.manifest.size);
        assert_eq!(value["image.name"], "docker.io/library/app:latest,quay.io/x:1");
        assert_eq!(metadata(&stored, &[], 0).get("image.name"), None);
    }
}
