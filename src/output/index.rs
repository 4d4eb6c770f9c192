//! The JSON files at the top of a layout or archive (ARC-2, ARC-6).

use serde_json::json;

use crate::image::{Descriptor, IMAGE_NAME, REF_NAME, Reference, rfc_3339};

use super::Bundle;

/// Annotation: when the image was made.
pub(super) const CREATED: &str = "org.opencontainers.image.created";

/// The entries of `index.json` for an image: one a name, or one without a name (ARC-6).
pub(super) fn entries(bundle: &Bundle) -> Vec<Descriptor> {
    let mut bare = bundle.top.clone();
    if let Some(created) = bundle.created {
        bare.annotations.insert(CREATED.to_owned(), rfc_3339(created));
    }
    if bundle.names.is_empty() {
        if let Some(tag) = &bundle.tag {
            let whole = tag.parse::<Reference>().ok().filter(|_| tag.contains(['/', ':']));
            bare.annotations.extend(whole.map(|name| (IMAGE_NAME.to_owned(), name.to_string())));
            bare.annotations.insert(REF_NAME.to_owned(), tag.clone());
        }
        return vec![bare];
    }
    let with_name = |name: &Reference| {
        let mut entry = bare.clone();
        entry.annotations.insert(IMAGE_NAME.to_owned(), name.to_string());
        if let Some(tag) = name.tag() {
            // The tag alone: readers choose by it (ARC-7).
            entry.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        }
        entry
    };
    bundle.names.iter().map(with_name).collect()
}

/// The bytes of Docker's `manifest.json` (ARC-2).
pub(super) fn docker_manifest(bundles: &[Bundle]) -> Vec<u8> {
    let blob = |descriptor: &Descriptor| format!("blobs/sha256/{}", descriptor.digest.hex());
    let images = bundles.iter().filter_map(|bundle| {
        let (config, layers) = bundle.image.as_ref()?;
        let tags: Vec<String> = bundle.names.iter().map(Reference::familiar).collect();
        let tags = (!tags.is_empty()).then_some(tags);
        let layers: Vec<String> = layers.iter().map(blob).collect();
        Some(json!({ "Config": blob(config), "RepoTags": tags, "Layers": layers }))
    });
    serde_json::Value::Array(images.collect()).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::test_image::TestImage;
    use super::*;
    use crate::image::Wire;

    #[test]
    fn arc_6_one_entry_a_name_with_the_tag_alone_as_ref_name() {
        let test = TestImage::new();
        let stored = super::super::store_image(&test.store, &test.image(), Wire::Oci).unwrap();
        let names = ["a/b:c".parse().unwrap(), "localhost:5000/x".parse().unwrap()];
        let listed = entries(&Bundle::of(&stored, &names, 1_700_000_000));
        let texts: Vec<String> = listed.iter().map(|entry| format!("{:?}", entry.annotations)).collect();
        assert_eq!(
            texts,
            [
                r#"{"io.containerd.image.name": "docker.io/a/b:c", "org.opencontainers.image.created": "2023-11-14T22:13:20Z", "org.opencontainers.image.ref.name": "c"}"#,
                r#"{"io.containerd.image.name": "localhost:5000/x:latest", "org.opencontainers.image.created": "2023-11-14T22:13:20Z", "org.opencontainers.image.ref.name": "latest"}"#,
            ]
        );
        let bare = entries(&Bundle::of(&stored, &[], 0));
        assert_eq!(bare.len(), 1);
        assert_eq!(bare[0].annotations.len(), 1);
        assert_eq!(bare[0].digest, stored.manifest.digest);
    }

    #[test]
    fn arc_2_repo_tags_are_short_or_null() {
        let test = TestImage::new();
        let stored = super::super::store_image(&test.store, &test.image(), Wire::Oci).unwrap();
        let value: serde_json::Value =
            serde_json::from_slice(&docker_manifest(&[Bundle::of(&stored, &["app".parse().unwrap()], 0)])).unwrap();
        assert_eq!(value[0]["RepoTags"][0], "app:latest");
        assert_eq!(value[0]["Config"], format!("blobs/sha256/{}", stored.config.digest.hex()));
        assert_eq!(value[0]["Layers"].as_array().unwrap().len(), stored.layers.len());
        let value: serde_json::Value =
            serde_json::from_slice(&docker_manifest(&[Bundle::of(&stored, &[], 0)])).unwrap();
        assert!(value[0]["RepoTags"].is_null());
    }
}
