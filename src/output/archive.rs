//! An image as one tar: an OCI layout, and for `type=docker` a Docker archive at the same time (ARC-1 to ARC-6).

use std::io;

use crate::image::{Index, OCI_LAYOUT};
use crate::store::Store;

use super::blobs::{blobs_of, while_checking};
use super::index::{docker_manifest, entries};
use super::place::Place;
use super::tar_file::TarFile;
use super::{Bundle, Destination, OutputError, OutputKind};

/// Parents first.
const DIRECTORIES: [&str; 2] = ["blobs/", "blobs/sha256/"];

/// Writes the archive; `manifest.json` only for [`OutputKind::Docker`].
pub(super) fn write(
    bundles: &[Bundle],
    kind: OutputKind,
    destination: &Destination,
    store: &Store,
) -> Result<(), OutputError> {
    let blobs = blobs_of(bundles);
    let mut place = Place::open(destination)?;
    let result = while_checking(store, &blobs, || -> io::Result<()> {
        let index = Index::of(bundles.iter().flat_map(entries).collect()).to_json();
        let manifest = (kind == OutputKind::Docker).then(|| docker_manifest(bundles));
        let small = [Some(&index[..]), manifest.as_deref(), Some(OCI_LAYOUT)].into_iter().flatten();
        let files = blobs.iter().map(|blob| blob.size).chain(small.map(|bytes| bytes.len() as u64));
        place.reserve(TarFile::size_with(DIRECTORIES.len(), files))?;
        let mut tar = TarFile::new(&mut place);
        DIRECTORIES.iter().try_for_each(|name| tar.directory(name))?;
        for blob in &blobs {
            let name = format!("blobs/sha256/{}", blob.digest.hex());
            tar.file(&name, 0o444, &store.open_blob(&blob.digest)?, blob.size)?;
        }
        tar.bytes("index.json", 0o644, &index)?;
        if let Some(manifest) = &manifest {
            tar.bytes("manifest.json", 0o644, manifest)?;
        }
        tar.bytes("oci-layout", 0o444, OCI_LAYOUT)?;
        tar.finish()
    });
    result.map_err(|error| place.failed(error))?;
    place.commit()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::super::test_image::TestImage;
    use super::super::{OutputSpec, write};
    use super::*;

    fn listing(bytes: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            format!("{:o} {}", header.mode().unwrap(), entry.path().unwrap().display())
        });
        entries.collect()
    }

    #[test]
    fn arc_1_entries_are_sorted_and_each_blob_is_there_once() {
        let test = TestImage::new();
        let mut image = test.image();
        image.layers.push(image.layers[0].clone());
        let path = test.dir.path().join("out.tar");
        for (kind, docker) in [(OutputKind::Docker, true), (OutputKind::OciTar, false)] {
            write(&OutputSpec::new(kind, Some(Destination::Path(path.clone()))), &image, &test.store).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let names = listing(&bytes);
            let mut sorted = names.clone();
            sorted.sort_by_key(|line| line.split_once(' ').map(|(_, name)| name.to_owned()));
            assert_eq!(names, sorted);
            assert_eq!(names.contains(&"644 manifest.json".to_owned()), docker);
            assert!(names.contains(&"444 oci-layout".to_owned()) && names.contains(&"755 blobs/sha256/".to_owned()));
            assert_eq!(names.iter().filter(|name| name.starts_with("444 blobs/sha256/")).count(), 3, "{names:?}");
            let meta = std::fs::metadata(&path).unwrap();
            assert!(meta.blocks() * 512 < (bytes.len() as u64).next_multiple_of(4096) + 4096, "no room is left over");
            assert_eq!(bytes.len() % 512, 0);
        }
    }

    #[test]
    fn arc_8_a_damaged_blob_is_refused_and_dropped() {
        let test = TestImage::new();
        let image = test.image();
        let blob = test.dir.path().join("store/blobs/sha256").join(image.layers[0].digest.hex());
        let good = std::fs::read(&blob).unwrap();
        let path = test.dir.path().join("out.tar");
        let spec = OutputSpec::new(OutputKind::OciTar, Some(Destination::Path(path.clone())));
        for bad in [good[1..].to_vec(), vec![0; good.len()]] {
            std::fs::write(&blob, bad).unwrap();
            let error = write(&spec, &image, &test.store).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("damaged"), "{cause}");
            assert!(!blob.exists() && !path.exists());
        }
    }
}
