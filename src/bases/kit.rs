//! Tiny layouts and archives for tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::image::{Compression, Descriptor, DiffId, Digest, ImageConfig, Index, Manifest, MediaType, Platform, Wire};
use crate::progress::Quiet;
use crate::registry::{Access, Registry};
use crate::store::Store;

use super::{Resolver, Settings};

/// Files of a layout or archive, in order.
#[derive(Default)]
pub(super) struct Kit {
    pub(super) files: Vec<(String, Vec<u8>)>,
}

impl Kit {
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        self.files.retain(|(known, _)| known != name);
        self.files.push((name.to_owned(), bytes.to_vec()));
        self
    }

    pub(super) fn blob(&mut self, kind: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(kind, bytes);
        self.file(&format!("blobs/sha256/{}", descriptor.digest.hex()), bytes);
        descriptor
    }

    /// An image of one plain layer that holds `text`; not a tar, since nobody here unpacks it.
    pub(super) fn image(&mut self, platform: &str, text: &str) -> Descriptor {
        let platform: Platform = platform.parse().unwrap();
        let layer = self.blob(MediaType::Layer(Wire::Oci, Compression::Uncompressed), text.as_bytes());
        let config = self.blob(MediaType::Config(Wire::Oci), &config(&platform, &[text]));
        let manifest = Manifest { wire: Wire::Oci, config, layers: vec![layer], annotations: BTreeMap::new() };
        let mut manifest = self.blob(MediaType::Manifest(Wire::Oci), &manifest.to_json());
        manifest.platform = Some(platform);
        manifest
    }

    pub(super) fn index(&mut self, entries: Vec<Descriptor>) -> &mut Self {
        self.file("index.json", &Index::of(entries).to_json());
        self.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    pub(super) fn write(&self, dir: &Path) {
        for (name, bytes) in &self.files {
            fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            fs::write(dir.join(name), bytes).unwrap();
        }
    }

    pub(super) fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in &self.files {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            // A link is written as `-> target`.
            if let Some(target) = bytes.strip_prefix(b"-> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, std::str::from_utf8(target).unwrap()).unwrap();
            } else {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, name, &bytes[..]).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }
}

/// A config of layers with these contents.
pub(super) fn config(platform: &Platform, layers: &[&str]) -> Vec<u8> {
    let mut config = ImageConfig::default();
    config.set_platform(platform);
    config.rootfs.diff_ids = layers.iter().map(|text| DiffId(Digest::of(text.as_bytes()))).collect();
    config.to_json()
}

pub(super) fn tagged(mut entry: Descriptor, tag: &str) -> Descriptor {
    entry.annotations.insert("org.opencontainers.image.ref.name".to_owned(), tag.to_owned());
    entry
}

/// A store in `dir/store`, and a resolver with the contexts.
pub(super) fn resolver(dir: &Path, contexts: &[(&str, String)]) -> (Arc<Store>, Resolver) {
    let store = Arc::new(Store::open(&dir.join("store")).unwrap());
    let contexts = contexts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let settings = Settings { contexts, threads: 1, ..Settings::default() };
    let resolver =
        Resolver::new(Arc::clone(&store), Arc::new(Registry::new(Access::default())), settings, Arc::new(Quiet))
            .unwrap();
    (store, resolver)
}
