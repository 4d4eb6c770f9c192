use crate::image::{Descriptor, DiffId, Digest, Document, ImageConfig, MediaType, Platform, platforms_of};
use crate::store::{Store, StoredImage};

use super::{Error, Found};

/// All that is known of one image.
#[derive(Clone, Debug)]
pub struct Description {
    /// Manifest and config.
    pub image: StoredImage,
    /// The platforms of all images under the same name.
    pub platforms: Vec<String>,
    /// Repositories that are known to have it: `registry/repository`.
    pub repositories: Vec<String>,
    /// Bytes of its blobs as they are stored and sent.
    pub size: u64,
    /// Bytes of them that the store does not hold: a base's layers come when a step needs them.
    pub absent: u64,
}

/// One line of an image's history, with the layer that it gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// When; as the config says.
    pub created: Option<String>,
    /// The instruction.
    pub created_by: String,
    /// A remark.
    pub comment: String,
    /// The layer and its blob; `None` of an instruction that changed no file.
    pub layer: Option<(DiffId, Option<Descriptor>)>,
}

/// Describes the image for `platform` under what was found; without one for this machine's, else for the first that is here.
pub fn describe(store: &Store, found: &Found, platform: Option<&Platform>) -> Result<Description, Error> {
    let image = image_for(store, found, platform)?;
    let blobs = || image.manifest.layers.iter().chain([&image.manifest.config]);
    let size = blobs().map(|blob| blob.size).sum();
    let absent = blobs().filter(|blob| !store.has(&blob.digest)).map(|blob| blob.size).sum();
    let bytes = store.read_blob(&found.top.digest).map_err(Error::Store)?;
    let platforms = match Document::from_json(&bytes) {
        Ok(Document::Index(index)) => platforms_of(&index.manifests),
        _ => vec![image.config.platform().to_string()],
    };
    let repositories = store.sources(&found.top.digest).map_err(Error::Store)?;
    Ok(Description { image, platforms, repositories, size, absent })
}

fn image_for(store: &Store, found: &Found, platform: Option<&Platform>) -> Result<StoredImage, Error> {
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let image = store.image(&found.top, &wanted).map_err(Error::Store);
    let absent = || Error::Platform { name: found.shown(), wanted: Box::new(wanted.clone()) };
    match (image, platform) {
        // A single image is for what its own config says.
        (Ok(Some(image)), Some(platform)) if !image.config.platform().satisfies(platform) => Err(absent()),
        (Ok(Some(image)), _) => Ok(image),
        (Ok(None), Some(_)) => Err(absent()),
        (Err(error), Some(_)) => Err(error),
        (refused, None) => match first_here(store, found)? {
            Some(image) => Ok(image),
            None => Err(refused.err().unwrap_or_else(absent)),
        },
    }
}

/// Of an index, the first image whose documents the store holds.
fn first_here(store: &Store, found: &Found) -> Result<Option<StoredImage>, Error> {
    let bytes = store.read_blob(&found.top.digest).map_err(Error::Store)?;
    let Ok(Document::Index(index)) = Document::from_json(&bytes) else { return Ok(None) };
    let is_image = |entry: &&Descriptor| matches!(entry.media_type, MediaType::Manifest(_)) && store.has(&entry.digest);
    let images = index.manifests.iter().filter(is_image);
    let mut images = images.filter_map(|entry| store.image(entry, entry.platform.as_ref()?).ok().flatten());
    Ok(images.next())
}

/// The history of an image, the last instruction first.
pub fn history(config: &ImageConfig, layers: &[Descriptor]) -> Vec<Past> {
    let mut stack = config.rootfs.diff_ids.iter().zip(layers.iter().map(Some).chain(std::iter::repeat(None)));
    let mut past: Vec<Past> = config
        .history
        .iter()
        .map(|entry| Past {
            created: entry.created.clone(),
            created_by: entry.created_by.clone(),
            comment: entry.comment.clone(),
            layer: if entry.empty_layer { None } else { stack.next().map(|(id, blob)| (*id, blob.cloned())) },
        })
        .collect();
    // Layers that the history does not tell of.
    past.extend(stack.map(|(id, blob)| Past {
        created: None,
        created_by: String::new(),
        comment: String::new(),
        layer: Some((*id, blob.cloned())),
    }));
    past.reverse();
    past
}

impl Description {
    /// The image id.
    pub fn id(&self) -> Digest {
        self.image.manifest.config.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Compression, History, Wire};

    #[test]
    fn config_3_each_layer_stands_by_the_instruction_that_made_it() {
        let (a, b) = (DiffId(Digest::of(b"a")), DiffId(Digest::of(b"b")));
        let blob = |text: &[u8]| Descriptor::of(MediaType::Layer(Wire::Oci, Compression::Gzip), text);
        let entry = |by: &str, empty_layer| History { created_by: by.to_owned(), empty_layer, ..History::default() };
        let mut config = ImageConfig::default();
        config.rootfs.diff_ids = vec![a, b];
        for (entries, want) in [
            (vec![entry("COPY", false), entry("ENV", true), entry("RUN", false)], vec!["RUN b", "ENV", "COPY a"]),
            (vec![entry("COPY", false)], vec![" b", "COPY a"]),
            (vec![], vec![" b", " a"]),
            (vec![entry("1", false), entry("2", false), entry("3", false)], vec!["3", "2 b", "1 a"]),
        ] {
            config.history = entries;
            let told = history(&config, &[blob(b"1")]);
            let shown: Vec<String> = told
                .iter()
                .map(|past| match &past.layer {
                    Some((id, _)) => format!("{} {}", past.created_by, if *id == a { "a" } else { "b" }),
                    None => past.created_by.clone(),
                })
                .collect();
            assert_eq!(shown, want);
            let blobs = told.iter().filter_map(|past| past.layer.as_ref()?.1.as_ref()).count();
            assert_eq!(blobs, 1, "of a layer without a blob nothing is made up");
        }
    }
}
