//! An object as an OCI artifact: a manifest that holds it or names its blob, and names the blobs it speaks of, so that
//! no registry takes them for garbage.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::image::{Descriptor, MediaType, Wire};

/// What kind of artifact it is.
const ARTIFACT: &str = "application/vnd.kiln.cache.v1";
/// The media type of an object that is a blob.
const OBJECT: &str = "application/vnd.kiln.cache.object.v1";
/// The annotation that holds a small object, or [`IN_BLOB`]; it is empty where the object has been removed.
const ANNOTATION: &str = "dev.kiln.cache.object";
const IN_BLOB: &str = "layer";
/// The empty config (image specification, "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// Bytes of an object that a manifest holds itself: registries take manifests of 4 MiB.
const SMALL: usize = 256 << 10;

/// An object with the blobs it speaks of.
pub(super) struct Artifact<'a> {
    object: &'a [u8],
    keeps: &'a [Descriptor],
    is_inline: bool,
}

/// Where the object of an artifact is.
pub(super) enum Object {
    /// In the manifest.
    Here(Vec<u8>),
    /// In a blob.
    Blob(Box<Descriptor>),
    /// It was removed.
    Gone,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: MediaType,
    #[serde(default)]
    artifact_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl<'a> Artifact<'a> {
    /// The object in the manifest, unless it is large.
    pub(super) fn new(object: &'a [u8], keeps: &'a [Descriptor]) -> Self {
        Self { object, keeps, is_inline: object.len() <= SMALL }
    }

    /// The object in a blob.
    pub(super) fn with_blob(object: &'a [u8], keeps: &'a [Descriptor]) -> Self {
        Self { object, keeps, is_inline: false }
    }

    /// What stands where an object was removed.
    pub(super) fn gone() -> Self {
        Self { object: &[], keeps: &[], is_inline: true }
    }

    /// The media type of the manifest.
    pub(super) fn media_type() -> MediaType {
        MediaType::Manifest(Wire::Oci)
    }

    /// The blobs of the artifact itself.
    pub(super) fn own_blobs(&self) -> Vec<&'a [u8]> {
        if self.is_inline { vec![EMPTY] } else { vec![EMPTY, self.object] }
    }

    /// The manifest's bytes.
    pub(super) fn manifest(&self) -> Vec<u8> {
        let empty = || Descriptor::of(MediaType::Other(EMPTY_TYPE.to_owned()), EMPTY);
        let object = || Descriptor::of(MediaType::Other(OBJECT.to_owned()), self.object);
        let own = (!self.is_inline).then(object);
        let mut layers: Vec<Descriptor> = own.into_iter().chain(self.keeps.iter().cloned()).collect();
        if layers.is_empty() {
            layers.push(empty());
        }
        let text = if self.is_inline { STANDARD.encode(self.object) } else { IN_BLOB.to_owned() };
        let manifest = Manifest {
            schema_version: 2,
            media_type: Self::media_type(),
            artifact_type: ARTIFACT.to_owned(),
            config: empty(),
            layers,
            annotations: [(ANNOTATION.to_owned(), text)].into(),
        };
        serde_json::to_vec(&manifest).unwrap_or_default()
    }

    /// The object of a manifest; `None` of one that is no such artifact.
    pub(super) fn object_in(manifest: &[u8]) -> Option<Object> {
        let manifest: Manifest = serde_json::from_slice(manifest).ok()?;
        match manifest.annotations.get(ANNOTATION)?.as_str() {
            "" => Some(Object::Gone),
            IN_BLOB => Some(Object::Blob(Box::new(manifest.layers.into_iter().next()?))),
            text => Some(Object::Here(STANDARD.decode(text).ok()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_comes_back_from_its_manifest_and_keeps_its_blobs() {
        let kept = Descriptor::of(MediaType::Other("x".into()), b"kept");
        let keeps = [kept.clone()];
        let manifest = Artifact::new(b"small", &keeps).manifest();
        assert!(matches!(Artifact::object_in(&manifest), Some(Object::Here(bytes)) if bytes == b"small"));
        let crate::image::Document::Manifest(read) = crate::image::Document::from_json(&manifest).unwrap() else {
            panic!("an index")
        };
        assert_eq!(read.layers, keeps);
        let large = vec![7; SMALL + 1];
        let artifact = Artifact::new(&large, &keeps);
        assert_eq!(artifact.own_blobs().len(), 2);
        let Some(Object::Blob(blob)) = Artifact::object_in(&artifact.manifest()) else { panic!("not in a blob") };
        assert_eq!(blob.digest, crate::image::Digest::of(&large));
        assert!(matches!(Artifact::object_in(&Artifact::gone().manifest()), Some(Object::Gone)));
        assert!(Artifact::object_in(b"{}").is_none());
    }
}
