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
