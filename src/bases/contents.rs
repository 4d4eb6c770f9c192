//! Everything that a layout or archive holds, for who wants all of it rather than one image to build upon.

use std::path::Path;
use std::sync::Arc;

use crate::image::{Descriptor, IMAGE_NAME, REF_NAME, Reference};
use crate::store::{BlobSource, Store};

use super::Error;
use super::docker_archive::DockerArchive;
use super::layout::Layout;

/// An image, or several under one index, in a layout or archive.
#[derive(Clone)]
pub struct Contained {
    /// Of its manifest or index.
    pub top: Descriptor,
    /// Whole names that it bears.
    pub names: Vec<Reference>,
    /// A tag without a name.
    pub tag: Option<String>,
    /// Who has its blobs; documents that were made for it are in the store already.
    pub source: Arc<dyn BlobSource>,
}

/// All images of the layout or archive at `path`: an OCI layout, as a directory or a tar, or what `docker save` writes. What is
/// both counts as a layout, which has manifests of its own.
pub fn contents(path: &Path, store: &Store) -> Result<Vec<Contained>, Error> {
    let layout = Arc::new(Layout::open(path, store)?);
    if !layout.has("index.json") && layout.has("manifest.json") {
        return DockerArchive::open(path, store)?.all(store);
    }
    let mut found: Vec<Contained> = Vec::new();
    for entry in layout.index()?.manifests {
        let (names, tag) = names_of(&entry);
        let mut top = entry;
        top.annotations.clear();
        match found.iter_mut().find(|known| known.top.digest == top.digest) {
            Some(known) => {
                known.names.extend(names);
                known.tag = known.tag.take().or(tag);
            }
            None => found.push(Contained { top, names, tag, source: Arc::clone(&layout) as Arc<dyn BlobSource> }),
        }
    }
    Ok(found)
}

/// The image of the layout or archive at `path` that bears `wanted`, a tag or name: by default `latest`, else the sole one
/// (ARC-7).
pub fn contained(path: &Path, wanted: Option<&str>, store: &Store) -> Result<Contained, Error> {
    let mut all = contents(path, store)?;
    let name = wanted.unwrap_or("latest");
    let reference = name.parse::<Reference>().ok().filter(|_| name.contains(['/', ':']));
    let bears = |image: &Contained| {
        let tags = image.names.iter().filter_map(Reference::tag);
        tags.chain(image.tag.as_deref()).any(|tag| tag == name)
            || reference.as_ref().is_some_and(|wanted| image.names.contains(wanted))
    };
    if let Some(at) = all.iter().position(bears) {
        return Ok(all.swap_remove(at));
    }
    match (all.len(), wanted) {
        (1, None) => Ok(all.remove(0)),
        _ => Err(Error::Absent {
            place: path.display().to_string(),
            wanted: name.to_owned(),
            present: all
                .iter()
                .flat_map(|image| image.names.iter().map(Reference::familiar).chain(image.tag.clone()))
                .collect(),
        }),
    }
}

/// The whole name of an entry of `index.json`, else its tag. Writers disagree about what `ref.name` holds (ARC-6).
fn names_of(entry: &Descriptor) -> (Vec<Reference>, Option<String>) {
    let text = |key: &str| entry.annotations.get(key).map(String::as_str);
    let whole = text(IMAGE_NAME).or_else(|| text(REF_NAME).filter(|name| name.contains(['/', ':'])));
    match whole.and_then(|name| name.parse::<Reference>().ok()) {
        Some(name) => (vec![name], None),
        None => (Vec::new(), text(REF_NAME).map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kit::{Kit, tagged};
    use super::*;

    #[test]
    fn arc_7_all_images_of_a_layout_with_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let mut kit = Kit::default();
        let (one, two) = (kit.image("linux/amd64", "one"), kit.image("linux/arm64", "two"));
        let mut named = tagged(one.clone(), "1");
        named.annotations.insert(IMAGE_NAME.to_owned(), "docker.io/library/app:1".to_owned());
        kit.index(vec![named, tagged(one, "quay.io/x/y:2"), tagged(two, "other")]).write(&dir.path().join("layout"));
        std::fs::write(dir.path().join("layout.tar"), kit.tar()).unwrap();
        for file in ["layout", "layout.tar"] {
            let all = contents(&dir.path().join(file), &store).unwrap();
            let shown: Vec<(String, Option<&str>)> = all
                .iter()
                .map(|image| {
                    let names: Vec<String> = image.names.iter().map(Reference::familiar).collect();
                    (names.join(" "), image.tag.as_deref())
                })
                .collect();
            assert_eq!(shown, [("app:1 quay.io/x/y:2".to_owned(), None), (String::new(), Some("other"))], "{file}");
        }
    }
}
