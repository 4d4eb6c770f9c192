//! A small image for the tests of this room.

use std::sync::Arc;

use tempfile::TempDir;

use crate::image::{Compression, Descriptor, ImageConfig, MediaType, Wire};
use crate::rootfs::{Directory, File, Inode, Kind, Meta, Node, RootFs, RootPath, Time};
use crate::store::Store;

use super::Image;

/// A store in a temporary directory with the layer of one image.
pub(super) struct TestImage {
    pub(super) dir: TempDir,
    pub(super) store: Store,
    layer: Descriptor,
    root: RootFs,
}

fn meta(mode: u32) -> Meta {
    // The tests' own user, so that they run without root as well.
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Meta { uid, gid, mtime: Time { seconds: 5, nanos: 0 }, ..Meta::with_mode(mode) }
}

impl TestImage {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let bytes = b"stands for a layer";
        store.put_blob(bytes).unwrap();
        let layer = Descriptor::of(MediaType::Layer(Wire::Oci, Compression::Gzip), bytes);
        let mut root = RootFs::empty();
        let path = |text: &str| RootPath::clamped(text.as_bytes());
        let file = Arc::new(Inode::new(meta(0o644), Kind::File(File::inline(*b"text"))));
        root.insert(&path("etc"), Directory { meta: meta(0o755), ..Directory::default() }.into());
        root.insert(&path("etc/a"), Node::Inode(Arc::clone(&file)));
        root.insert(&path("etc/b"), Node::Inode(file));
        let link = Inode::new(meta(0o777), Kind::Symlink(b"etc/a".as_slice().into()));
        root.insert(&path("link"), link.into());
        Self { dir, store, layer, root }
    }

    /// The image, without a name.
    pub(super) fn image(&self) -> Image<'_> {
        Image {
            config: ImageConfig::scratch(&"linux/amd64".parse().unwrap()),
            layers: vec![self.layer.clone()],
            names: Vec::new(),
            created: 0,
            root: Box::new(|| Ok(self.root.clone())),
            epoch: None,
        }
    }
}
