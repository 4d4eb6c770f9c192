//! What is in cache mounts, where it is asked for (`mounts=true`): each as a layer that the index names.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::image::{Compression, Descriptor, MediaType, Wire};
use crate::layer;
use crate::progress::Outcome;
use crate::rootfs::{Claims, Files, RootFs};
use crate::snapshot::{self, TreeFiles};
use crate::store::Store;

use super::Shared;
use super::index::Mount;

impl Shared {
    /// Fills the empty directory `dir`, of a cache mount that this machine does not have yet, with what another one had in it.
    /// `false`, and a directory in whatever state, where there is nothing or it does not come whole.
    pub fn fill_mount(&self, id: &str, dir: &Path) -> bool {
        let found = self.imports().find_map(|member| {
            let mount = member.index(&self.tasks).mounts.get(id)?;
            Some((member, mount.clone()))
        });
        let Some((member, mount)) = found else { return false };
        let task = self.tasks.start(format!("fetch cache mount {} from {}", &id[..id.len().min(12)], member.name()));
        let Some(compression) = mount.blob.media_type.compression() else { return false };
        let unpack = || -> io::Result<()> {
            if !self.store.has_room(mount.size) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let reader = member.open(&mount.blob)?;
            layer::unpack(reader, compression, &mount.diff_id, mount.size, dir).map(drop)
        };
        match unpack() {
            Ok(()) => task.ends(Outcome::Done),
            // The step can do without.
            Err(error) => {
                task.note(format!("it stays empty: {error}"));
                return false;
            }
        }
        true
    }

    /// A step has used a cache mount, which is exported where that is asked for.
    pub fn used_mount(&self, id: &str) {
        self.lock_mounts().insert(id.to_owned());
    }
}

/// Packs what is in a cache mount into a blob of the store.
pub(super) fn pack(store: &Store, id: &str, threads: usize) -> io::Result<Mount> {
    let dir = store.mount_dir(id);
    let files: Arc<dyn Files> = Arc::new(TreeFiles::open(&dir)?);
    let empty = RootFs::empty();
    let changes = snapshot::diff(&dir, &empty, &files, &Claims::default())?.changes_since(&empty)?;
    let mut blob = store.new_blob()?;
    let packed = layer::pack_blob(&changes, Compression::Zstd, None, threads, &mut blob)?;
    let (digest, size) = blob.commit(None)?;
    let blob = Descriptor::new(MediaType::Layer(Wire::Oci, Compression::Zstd), digest, size);
    Ok(Mount { blob, diff_id: packed.diff_id, size: packed.size })
}
