//! A finished image to what was asked for: OCI tar or directory, Docker archive, root filesystem (layers.md, ARC and OUT).

mod spec;

pub use spec::{Destination, OutputKind, OutputSpec, OutputSpecError};
