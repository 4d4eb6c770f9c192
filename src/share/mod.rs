//! The cache that several machines share: records of steps in places such as registries and directories, and the layers
//! they speak of (cache.md, CX).
//!
//! A [`Place`] holds small objects by name, and blobs by digest. It is never trusted: whoever reads checks what came. Nor is it
//! ever waited for without end: what a place cannot give in time costs a step that runs, not a build that fails.

mod actions;
mod artifact;
mod claims;
mod entry;
mod error;
mod export;
mod hit;
mod http;
mod index;
mod inline;
mod local;
mod member;
mod mounts;
mod object;
mod place;
mod registry;
mod seal;
mod service;
mod setting;
mod shared;
mod spec;
mod turns;
mod watch;
mod web;

pub use actions::gha;
pub use claims::{Claims, Guard, Outcome};
pub use error::ShareError;
pub use export::{Finished, Mode, Wishes};
pub use hit::Hit;
pub use http::http;
pub use local::Local;
pub use object::{azblob, gcs, s3};
pub use place::{Kind, MAX_OBJECT, ObjectName, PATIENCE, Place, STALL};
pub use registry::Registry;
pub use service::Service;
pub use setting::{SettingError, Settings};
pub use shared::{Claimed, Shared, Wanted};
pub use spec::{ExportSpec, Location, SpecError};

use seal::{seal, unseal};

/// Reads any bytes as objects of a shared cache, sealed by whoever made them and as they are.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_anything(bytes: &[u8]) {
    let Ok(inputs) = crate::cache::Inputs::new(Vec::new(), Vec::new(), 1) else { return };
    let (platform, parent) = (String::new(), crate::cache::Parent::Scratch);
    let key = crate::cache::Preimage::new(platform, parent, "nobody's".to_owned(), inputs).key();
    let index = ObjectName::index();
    let sealed = seal(&index, bytes).unwrap_or_default();
    for object in [bytes, &sealed] {
        let _read_or_refused = unseal(&index, object);
        if let Ok(read) = index::Index::from_object(object) {
            let known = index::Known::new(read);
            assert!(known.entry(&key).is_none(), "a key that nobody has made");
        }
        let _read_or_refused = entry::Entry::from_object(&key, object);
    }
    let _read_or_refused = artifact::Artifact::object_in(bytes);
    let _read_or_refused = export::unpack_list(bytes);
}
