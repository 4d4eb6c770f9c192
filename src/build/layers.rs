//! The blobs of an image's layers, as each output wants them.

use std::io;

use crate::exec::{Layer, Packing};
use crate::image::{Compression, Descriptor, MediaType, Wire};
use crate::layer;
use crate::output::OutputSpec;
use crate::store::Store;

/// The layers of what was built.
pub(super) struct Layers<'a> {
    pub(super) store: &'a Store,
    pub(super) built: &'a [Layer],
    /// How new layers are compressed that the store keeps under a name.
    pub(super) packing: Packing,
    /// What registries alone get need not be here: they may have the layers of a base already.
    pub(super) only_pushed: bool,
}

impl Layers<'_> {
    /// The blobs that the store names.
    pub(super) fn blobs(&self) -> io::Result<Vec<Descriptor>> {
        self.packed(self.packing)
    }

    /// The blobs of one output. New layers have its compression; those of a base only where it is forced (MT-2).
    pub(super) fn blobs_for(&self, spec: &OutputSpec) -> io::Result<Vec<Descriptor>> {
        let compression = spec.compression.unwrap_or(Compression::Gzip);
        let packing = Packing { compression, level: spec.level, ..self.packing };
        if !spec.force_compression {
            return self.packed(packing);
        }
        self.built.iter().map(|layer| self.forced(layer, packing)).collect()
    }

    fn packed(&self, packing: Packing) -> io::Result<Vec<Descriptor>> {
        let blob = |layer: &Layer| if self.only_pushed { layer.descriptor(packing) } else { layer.blob(packing) };
        self.built.iter().map(blob).collect()
    }

    /// A layer in the compression asked for, and at its level where one is given. What is made so is not remembered: a base's
    /// layers go on as they came.
    fn forced(&self, layer: &Layer, packing: Packing) -> io::Result<Descriptor> {
        let blob = layer.blob(packing)?;
        let from = blob.media_type.compression().unwrap_or(Compression::Uncompressed);
        if from == packing.compression && packing.level.is_none() {
            return Ok(blob);
        }
        let (diff_id, to) = (layer.record()?.diff_id, (packing.compression, packing.level));
        let mut made = self.store.new_blob()?;
        layer::recompress(self.store.open_blob(&blob.digest)?, from, &diff_id, to, packing.threads, &mut made)?;
        let (digest, size) = made.commit(None)?;
        Ok(Descriptor::new(MediaType::Layer(Wire::Oci, packing.compression), digest, size))
    }
}
