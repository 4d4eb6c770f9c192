use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digest, Platform};

/// How a layer blob is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Plain tar.
    Uncompressed,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The family a manifest belongs to (MT).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Wire {
    /// `application/vnd.oci.*`
    Oci,
    /// `application/vnd.docker.*`
    Docker,
}

/// What a blob is (layers.md, MT).
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[expect(missing_docs, reason = "the table in layers.md (MT) says what each is")]
pub enum MediaType {
    Index(Wire),
    Manifest(Wire),
    Config(Wire),
    Layer(Wire, Compression),
    /// A layer that a registry need not hold.
    ForeignLayer(Wire, Compression),
    Other(String),
}

/// Names a blob: what it is, its digest and its size in bytes (MAN-2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the image specification")]
pub struct Descriptor {
    pub media_type: MediaType,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// An image manifest (MAN-1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// OCI or Docker media types.
    pub wire: Wire,
    /// The config blob.
    pub config: Descriptor,
    /// The layers, base first.
    pub layers: Vec<Descriptor>,
    /// Free annotations.
    pub annotations: BTreeMap<String, String>,
}

/// An image index or manifest list (MAN-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Index {
    /// OCI or Docker media types.
    pub wire: Wire,
    /// Manifests or further indexes.
    pub manifests: Vec<Descriptor>,
    /// Free annotations.
    pub annotations: BTreeMap<String, String>,
}

/// What the bytes behind an image reference turn out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, never in a collection")]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

/// Bytes are no manifest or index that kiln reads.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of the right shape.
    #[error("not a manifest: {0}")]
    Malformed(#[from] serde_json::Error),
    /// JSON, but neither `layers` nor `manifests`.
    #[error("neither an image manifest nor an index")]
    Neither,
}

impl MediaType {
    fn text(&self) -> String {
        use Compression::{Gzip, Uncompressed, Zstd};
        let oci = |name: &str| format!("application/vnd.oci.image.{name}");
        match self {
            Self::Index(Wire::Oci) => oci("index.v1+json"),
            Self::Manifest(Wire::Oci) => oci("manifest.v1+json"),
            Self::Config(Wire::Oci) => oci("config.v1+json"),
            Self::Layer(Wire::Oci, Uncompressed) => oci("layer.v1.tar"),
            Self::Layer(_, Zstd) => oci("layer.v1.tar+zstd"),
            Self::Layer(Wire::Oci, Gzip) => oci("layer.v1.tar+gzip"),
            Self::ForeignLayer(Wire::Oci, Uncompressed) => oci("layer.nondistributable.v1.tar"),
            Self::ForeignLayer(Wire::Oci, Gzip) => oci("layer.nondistributable.v1.tar+gzip"),
            Self::ForeignLayer(_, Zstd) => oci("layer.nondistributable.v1.tar+zstd"),
            Self::Index(Wire::Docker) => "application/vnd.docker.distribution.manifest.list.v2+json".to_owned(),
            Self::Manifest(Wire::Docker) => "application/vnd.docker.distribution.manifest.v2+json".to_owned(),
            Self::Config(Wire::Docker) => "application/vnd.docker.container.image.v1+json".to_owned(),
            Self::Layer(Wire::Docker, Uncompressed) => "application/vnd.docker.image.rootfs.diff.tar".to_owned(),
            Self::Layer(Wire::Docker, Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip".to_owned(),
            Self::ForeignLayer(Wire::Docker, Uncompressed) => {
                "application/vnd.docker.image.rootfs.foreign.diff.tar".to_owned()
            }
            Self::ForeignLayer(Wire::Docker, Gzip) => {
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".to_owned()
            }
            Self::Other(text) => text.clone(),
        }
    }

    /// The compression of a layer; `None` for what is no layer.
    pub fn compression(&self) -> Option<Compression> {
        match self {
            Self::Layer(_, compression) | Self::ForeignLayer(_, compression) => Some(*compression),
            _ => None,
        }
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        use Compression::{Gzip, Uncompressed, Zstd};
        let known = [Wire::Oci, Wire::Docker].into_iter().flat_map(|wire| {
            [Self::Index(wire), Self::Manifest(wire), Self::Config(wire)].into_iter().chain(
                [Uncompressed, Gzip, Zstd]
                    .into_iter()
                    .flat_map(move |how| [Self::Layer(wire, how), Self::ForeignLayer(wire, how)]),
            )
        });
        known.into_iter().find(|kind| kind.text() == text).unwrap_or(Self::Other(text))
    }
}

impl From<MediaType> for String {
    fn from(kind: MediaType) -> Self {
        kind.text()
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Descriptor {
    /// A descriptor with nothing optional.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }
    }

    /// The descriptor of `bytes`.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestJson {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexJson {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<MediaType>,
    manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Document {
    /// Reads a manifest, an index, or Docker's forms of them. What it is follows from its members, since
    /// old writers leave `mediaType` out.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        let value: serde_json::Value = serde_json::from_slice(bytes)?;
        let docker = |kind: Option<&MediaType>| match kind {
            Some(MediaType::Manifest(Wire::Docker) | MediaType::Index(Wire::Docker)) => Wire::Docker,
            _ => Wire::Oci,
        };
        if value.get("manifests").is_some() {
            let json: IndexJson = serde_json::from_value(value)?;
            let wire = docker(json.media_type.as_ref());
            return Ok(Self::Index(Index { wire, manifests: json.manifests, annotations: json.annotations }));
        }
        if value.get("config").is_some() {
            let json: ManifestJson = serde_json::from_value(value)?;
            let wire = docker(json.media_type.as_ref());
            return Ok(Self::Manifest(Manifest {
                wire,
                config: json.config,
                layers: json.layers,
                annotations: json.annotations,
            }));
        }
        Err(ManifestError::Neither)
    }
}

impl Manifest {
    /// The bytes to store, indented as the reference does (MAN-1).
    pub fn to_json(&self) -> Vec<u8> {
        let json = ManifestJson {
            schema_version: 2,
            media_type: Some(MediaType::Manifest(self.wire)),
            config: self.config.clone(),
            layers: self.layers.clone(),
            annotations: self.annotations.clone(),
        };
        serde_json::to_vec_pretty(&json).unwrap_or_default()
    }
}

impl Index {
    /// An index of OCI media types.
    pub fn of(manifests: Vec<Descriptor>) -> Self {
        Self { wire: Wire::Oci, manifests, annotations: BTreeMap::new() }
    }

    /// The entry for `platform`: the first that satisfies it, an entry that names no platform counting last.
    /// Attestations (platform `unknown`) are never chosen.
    pub fn select(&self, platform: &Platform) -> Option<&Descriptor> {
        let fits = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|has| has.satisfies(platform));
        self.manifests.iter().find(fits).or_else(|| self.manifests.iter().find(|entry| entry.platform.is_none()))
    }

    /// The bytes to store.
    pub fn to_json(&self) -> Vec<u8> {
        let json = IndexJson {
            schema_version: 2,
            media_type: Some(MediaType::Index(self.wire)),
            manifests: self.manifests.clone(),
            annotations: self.annotations.clone(),
        };
        serde_json::to_vec_pretty(&json).unwrap_or_default()
    }
}

/// The platforms that entries of an index are for, each once, in their order; attestations (platform `unknown`) are left out.
pub fn platforms_of(entries: &[Descriptor]) -> Vec<String> {
    let mut platforms: Vec<String> = Vec::new();
    let known = entries.iter().filter_map(|entry| entry.platform.as_ref()).filter(|has| has.os != "unknown");
    for platform in known.map(Platform::to_string) {
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    platforms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mt_1_media_types_go_to_text_and_back() {
        for text in [
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.oci.image.index.v1+json",
            "text/plain",
        ] {
            assert_eq!(MediaType::from(text.to_owned()).to_string(), text);
        }
        assert_eq!(
            MediaType::from("application/vnd.oci.image.layer.v1.tar+gzip".to_owned()),
            MediaType::Layer(Wire::Oci, Compression::Gzip)
        );
    }

    #[test]
    fn man_1_a_manifest_is_read_back() {
        let manifest = Manifest {
            wire: Wire::Oci,
            config: Descriptor::of(MediaType::Config(Wire::Oci), b"{}"),
            layers: vec![Descriptor::of(MediaType::Layer(Wire::Oci, Compression::Gzip), b"x")],
            annotations: BTreeMap::new(),
        };
        assert_eq!(Document::from_json(&manifest.to_json()).unwrap(), Document::Manifest(manifest));
    }
}
