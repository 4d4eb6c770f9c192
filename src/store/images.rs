use std::io;

use crate::image::{Descriptor, Document, ImageConfig, Index, Manifest, Platform, REF_NAME, Reference};

use super::Store;

/// An image that lies in the store; its layers may not.
#[derive(Clone, Debug)]
pub struct StoredImage {
    /// The manifest's descriptor.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// The config.
    pub config: ImageConfig,
}

impl Store {
    fn index(&self) -> io::Result<Index> {
        let Some(bytes) = Self::read(&self.root.join("index.json"))? else { return Ok(Index::of(Vec::new())) };
        match Document::from_json(&bytes) {
            Ok(Document::Index(index)) => Ok(index),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "index.json of the store is no image index")),
        }
    }

    /// Gives the image the name `name`, taking it from any other. The annotation holds the whole reference here.
    pub fn tag(&self, name: &Reference, image: &Descriptor) -> io::Result<()> {
        let _one_at_a_time = self.lock("index")?;
        let mut index = self.index()?;
        let name = name.to_string();
        index.manifests.retain(|known| known.annotations.get(REF_NAME) != Some(&name));
        let mut image = image.clone();
        image.annotations.insert(REF_NAME.to_owned(), name);
        index.manifests.push(image);
        self.replace(&self.root.join("index.json"), &index.to_json())
    }

    /// Takes a name away; the blobs stay. Whether there was such a name.
    pub fn untag(&self, name: &Reference) -> io::Result<bool> {
        let _one_at_a_time = self.lock("index")?;
        let mut index = self.index()?;
        let (name, before) = (name.to_string(), index.manifests.len());
        index.manifests.retain(|known| known.annotations.get(REF_NAME) != Some(&name));
        if index.manifests.len() == before {
            return Ok(false);
        }
        self.replace(&self.root.join("index.json"), &index.to_json()).map(|()| true)
    }

    /// What `name` names; it counts as used.
    pub fn resolve(&self, name: &Reference) -> io::Result<Option<Descriptor>> {
        let name = name.to_string();
        let found = self.index()?.manifests.into_iter().find(|known| known.annotations.get(REF_NAME) == Some(&name));
        Ok(found.map(|mut found| {
            self.use_blob(&found.digest);
            found.annotations.remove(REF_NAME);
            found
        }))
    }

    /// All names with what they name.
    pub fn names(&self) -> io::Result<Vec<(String, Descriptor)>> {
        let named = |image: Descriptor| image.annotations.get(REF_NAME).cloned().map(|name| (name, image));
        Ok(self.index()?.manifests.into_iter().filter_map(named).collect())
    }

    /// Reads the image behind a manifest or index; `None` when the index has none for `platform`.
    pub fn image(&self, descriptor: &Descriptor, platform: &Platform) -> io::Result<Option<StoredImage>> {
        let invalid = |error: &dyn std::error::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let bytes = self.read_blob(&descriptor.digest)?;
        match Document::from_json(&bytes).map_err(|error| invalid(&error))? {
            Document::Manifest(manifest) => {
                let config = self.read_blob(&manifest.config.digest)?;
                let config = ImageConfig::from_json(&config).map_err(|error| invalid(&error))?;
                Ok(Some(StoredImage { descriptor: descriptor.clone(), manifest, config }))
            }
            Document::Index(index) => match index.select(platform) {
                Some(chosen) => self.image(&chosen.clone(), platform),
                None => Ok(None),
            },
        }
    }
}
