//! The cache that several machines share: records of steps in places such as registries and directories, and the layers
//! they speak of (cache.md, CX).
//!
//! A [`Place`] holds small objects by name, and blobs by digest. It is never trusted: whoever reads checks what came. Nor is it
//! ever waited for without end: what a place cannot give in time costs a step that runs, not a build that fails.

mod error;
mod object;
mod place;
mod setting;

pub use error::ShareError;
pub use object::{azblob, gcs, s3};
pub use place::{Kind, MAX_OBJECT, ObjectName, PATIENCE, Place, STALL};
pub use setting::{SettingError, Settings};
