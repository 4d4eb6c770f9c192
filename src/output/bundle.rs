use crate::image::{Descriptor, Reference};
use crate::store::Store;

use super::{Destination, OutputError, OutputKind, Stored, archive, layout};

/// What archives and layouts are written from: an image, or several under one index, with everything that belongs to it. All
/// of it is in the store, and is written byte for byte.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// What the names name: a manifest or an index.
    pub top: Descriptor,
    /// Every blob, `top` among them, in any order and as often as you like.
    pub blobs: Vec<Descriptor>,
    /// The one image that a Docker archive shows for it: config and layers.
    pub image: Option<(Descriptor, Vec<Descriptor>)>,
    /// Its names.
    pub names: Vec<Reference>,
    /// What a layout calls it, word for word, where it has no name.
    pub tag: Option<String>,
    /// When it was made, in seconds since 1970, if that is to be told (ARC-6).
    pub created: Option<i64>,
}

impl Bundle {
    /// A single image.
    pub(super) fn of(stored: &Stored, names: &[Reference], created: i64) -> Self {
        Self {
            top: stored.manifest.clone(),
            blobs: stored.layers.iter().chain([&stored.config, &stored.manifest]).cloned().collect(),
            image: Some((stored.config.clone(), stored.layers.clone())),
            names: names.to_vec(),
            tag: None,
            created: Some(created),
        }
    }
}

/// Writes images that lie in the store as they are: into one archive, or into a layout beside what is there.
///
/// # Errors
/// See [`OutputError`]; a kind that holds no images is one.
pub fn save(bundles: &[Bundle], kind: OutputKind, destination: &Destination, store: &Store) -> Result<(), OutputError> {
    match (kind, destination) {
        (OutputKind::OciTar | OutputKind::Docker, destination) => archive::write(bundles, kind, destination, store),
        (OutputKind::OciDirectory, Destination::Path(path)) => {
            bundles.iter().try_for_each(|bundle| layout::write(bundle, path, store))
        }
        (kind, _) => Err(OutputError::NoDestination(kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_image::TestImage;
    use super::super::{OutputSpec, store_image, write};
    use super::*;
    use crate::image::Wire;

    #[test]
    fn arc_1_what_is_saved_from_the_store_is_what_a_build_writes() {
        let test = TestImage::new();
        let mut image = test.image();
        image.names = vec!["app:1".parse().unwrap(), "app:2".parse().unwrap()];
        let stored = store_image(&test.store, &image, Wire::Oci).unwrap();
        let bundle = Bundle::of(&stored, &image.names, image.created);
        for kind in [OutputKind::OciTar, OutputKind::Docker] {
            let path = |name: &str| Destination::Path(test.dir.path().join(name));
            write(&OutputSpec::new(kind, Some(path("built.tar"))), &image, &test.store).unwrap();
            save(std::slice::from_ref(&bundle), kind, &path("saved.tar"), &test.store).unwrap();
            let read = |name: &str| std::fs::read(test.dir.path().join(name)).unwrap();
            assert!(read("built.tar") == read("saved.tar"), "{kind}");
        }
    }
}
