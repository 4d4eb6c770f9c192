//! An image in an OCI layout directory, beside the images that are there (ARC-4).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::image::{Descriptor, Document, Index, OCI_LAYOUT, REF_NAME};
use crate::store::Store;

use super::blobs::{blobs_of, copy_to_file, while_checking};
use super::index::entries;
use super::place::beside;
use super::{Bundle, OutputError};

/// Writes the layout, or adds to one that is there.
///
/// Blobs come before the index that names them, and builds that write to the same layout take turns at the index.
pub(super) fn write(bundle: &Bundle, dir: &Path, store: &Store) -> Result<(), OutputError> {
    if dir.exists() && !dir.is_dir() {
        return Err(OutputError::NotADirectory(dir.to_owned()));
    }
    let blobs = blobs_of(std::slice::from_ref(bundle));
    let write = || -> io::Result<()> {
        let blob_dir = dir.join("blobs/sha256");
        fs::create_dir_all(&blob_dir)?;
        while_checking(store, &blobs, || {
            blobs.iter().try_for_each(|blob| put_blob(blob, &blob_dir.join(blob.digest.hex()), store))
        })?;
        let turn = File::open(dir)?;
        flock(&turn, FlockOperation::LockExclusive)?;
        replace(&dir.join("oci-layout"), OCI_LAYOUT)?;
        let index = dir.join("index.json");
        let merged = merge(read_index(&index)?, entries(bundle));
        replace(&index, &merged.to_json())
    };
    write().map_err(OutputError::writing(dir))
}

fn put_blob(blob: &Descriptor, path: &Path, store: &Store) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() == blob.size) {
        return Ok(());
    }
    let file = beside(path)?;
    copy_to_file(&store.open_blob(&blob.digest)?, file.as_file(), blob.size)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(bytes)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn read_index(path: &Path) -> io::Result<Index> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Index::of(Vec::new())),
        Err(error) => return Err(error),
    };
    match Document::from_json(&bytes) {
        Ok(Document::Index(index)) => Ok(index),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "its index.json is no image index")),
    }
}

/// Readers choose by tag, or take the sole entry (ARC-7): so a new image takes its tags from those that had them, and one
/// without a tag takes the place of the last one without.
fn merge(mut index: Index, new: Vec<Descriptor>) -> Index {
    let tag = |entry: &Descriptor| entry.annotations.get(REF_NAME).cloned();
    let tags: Vec<Option<String>> = new.iter().map(tag).collect();
    index.manifests.retain(|known| !tags.contains(&tag(known)));
    index.manifests.extend(new);
    index
}

#[cfg(test)]
mod tests {
    use super::super::test_image::TestImage;
    use super::super::{Destination, OutputKind, OutputSpec, write};
    use super::*;

    #[test]
    fn arc_4_a_layout_keeps_other_tags_and_replaces_its_own() {
        let test = TestImage::new();
        let dir = test.dir.path().join("layout");
        let spec = OutputSpec::new(OutputKind::OciDirectory, Some(Destination::Path(dir.clone())));
        let mut image = test.image();
        let mut write_as = |name: Option<&str>, author: &str| {
            image.names = name.iter().map(|name| name.parse().unwrap()).collect();
            image.config.author = author.to_owned();
            write(&spec, &image, &test.store).unwrap();
        };
        write_as(Some("app:one"), "first");
        write_as(Some("app:two"), "second");
        write_as(Some("app:one"), "third");
        write_as(None, "fourth");
        write_as(None, "fifth");
        let index = read_index(&dir.join("index.json")).unwrap();
        let authors: Vec<(Option<&str>, String)> = index
            .manifests
            .iter()
            .map(|entry| {
                let manifest = fs::read(dir.join("blobs/sha256").join(entry.digest.hex())).unwrap();
                let Document::Manifest(manifest) = Document::from_json(&manifest).unwrap() else { panic!("an index") };
                let config = fs::read(dir.join("blobs/sha256").join(manifest.config.digest.hex())).unwrap();
                let author = crate::image::ImageConfig::from_json(&config).unwrap().author;
                (entry.annotations.get(REF_NAME).map(String::as_str), author)
            })
            .collect();
        let want = [(Some("two"), "second"), (Some("one"), "third"), (None, "fifth")];
        assert_eq!(authors, want.map(|(tag, author)| (tag, author.to_owned())));
        assert_eq!(fs::read(dir.join("oci-layout")).unwrap(), OCI_LAYOUT);
    }
}
