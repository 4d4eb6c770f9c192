use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::base::hex;
use super::layer::{Entry, Kind, Layer};

/// An image out of an OCI archive, all of whose digests and sizes hold.
pub(crate) struct Image {
    files: BTreeMap<String, Vec<u8>>,
    entry: Value,
    manifest: Value,
}

impl Image {
    /// Reads an archive with one image in it.
    pub(crate) fn read(archive: &Path) -> Self {
        let mut archive = tar::Archive::new(File::open(archive).unwrap());
        let files: BTreeMap<String, Vec<u8>> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                (entry.path().unwrap().display().to_string(), bytes)
            })
            .collect();
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let entry = index["manifests"][0].clone();
        let manifest = serde_json::from_slice(blob(&files, &entry)).unwrap();
        Self { files, entry, manifest }
    }

    /// The digest of the manifest.
    pub(crate) fn manifest_digest(&self) -> &str {
        self.entry["digest"].as_str().unwrap()
    }

    /// The entry of `index.json` that leads to the image.
    pub(crate) fn index_entry(&self) -> &Value {
        &self.entry
    }

    /// The files of the archive.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// A file of the archive.
    pub(crate) fn archived(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The config blob.
    pub(crate) fn config(&self) -> Value {
        serde_json::from_slice(blob(&self.files, &self.manifest["config"])).unwrap()
    }

    /// Digests of the layers, base first.
    pub(crate) fn layer_digests(&self) -> Vec<String> {
        self.layer_descriptors().iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
    }

    /// Media types of the layers, without what all have in common.
    pub(crate) fn layer_types(&self) -> Vec<&str> {
        let types = self.layer_descriptors().iter().map(|layer| layer["mediaType"].as_str().unwrap());
        types.map(|text| text.trim_start_matches("application/vnd.oci.image.layer.v1.")).collect()
    }

    fn layer_descriptors(&self) -> &[Value] {
        self.manifest["layers"].as_array().unwrap()
    }

    /// A layer, counted from the base, which has number 0.
    pub(crate) fn layer(&self, number: usize) -> Layer {
        Layer::read(blob(&self.files, &self.layer_descriptors()[number]))
    }

    /// The uppermost layer.
    pub(crate) fn last_layer(&self) -> Layer {
        self.layer(self.layer_descriptors().len() - 1)
    }

    /// What stands at `path` once all layers are applied; links are not followed, but for names of one file.
    pub(crate) fn file_of_image(&self, path: &str) -> Option<Entry> {
        self.flattened().remove(path.trim_matches('/'))
    }

    /// All files by path (APPLY).
    pub(crate) fn flattened(&self) -> BTreeMap<String, Entry> {
        let mut tree = BTreeMap::new();
        for number in 0..self.layer_descriptors().len() {
            apply(&mut tree, self.layer(number));
        }
        tree
    }
}

fn apply(tree: &mut BTreeMap<String, Entry>, layer: Layer) {
    let remove = |tree: &mut BTreeMap<String, Entry>, path: &str, itself: bool| {
        let below = format!("{path}/");
        tree.retain(|known, _| !(known.starts_with(&below) || itself && known == path));
    };
    let (whiteouts, entries): (Vec<Entry>, Vec<Entry>) =
        layer.0.into_iter().partition(|entry| name_of(&entry.path).starts_with(".wh."));
    for whiteout in whiteouts {
        let parent = whiteout.path.strip_suffix(name_of(&whiteout.path)).unwrap_or_default();
        match name_of(&whiteout.path) {
            ".wh..wh..opq" => remove(tree, parent.trim_end_matches('/'), false),
            name => remove(tree, &format!("{parent}{}", &name[4..]), true),
        }
    }
    for entry in entries {
        if entry.kind != Kind::Directory {
            remove(tree, &entry.path, true);
        }
        let placed = match &entry.kind {
            Kind::HardLink(target) => Entry { path: entry.path.clone(), ..tree[target].clone() },
            _ => entry,
        };
        tree.insert(placed.path.clone(), placed);
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The bytes of a blob, whose digest and size must hold (ARC-8).
fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let digest = descriptor["digest"].as_str().unwrap();
    let name = format!("blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap());
    let bytes = files.get(&name).unwrap_or_else(|| panic!("{digest} is not in the archive"));
    assert_eq!(format!("sha256:{}", hex(bytes)), digest);
    assert_eq!(descriptor["size"].as_u64(), Some(bytes.len() as u64), "size of {digest}");
    bytes
}
