//! From syntax tree to a graph of stages with every argument resolved, before any step runs (dockerfile.md).
//!
//! Pure but for [`Bases`], which resolves the names of images.

mod budget;
mod circles;
mod copying;
mod epoch;
mod evaluate;
mod expand;
mod glob;
mod globals;
mod history;
mod model;
mod mounts;
mod options;
mod path;
mod planner;
mod ports;
mod remarks;
mod run;
mod scope;
mod stages;
#[cfg(test)]
mod tests;

pub use model::{
    BaseRef, CopyFrom, CopyOp, CopySource, ImageId, MetaOp, Mount, MountFrom, MountKind, Network, Op, Plan, RunOp,
    RunScript, Security, Sharing, Stage, Step, Unplanned, WorkdirOp,
};
pub use options::{BaseError, Bases, Found, PlanOptions, TimeOf};
pub use planner::plan;
pub use remarks::{Remark, RemarkKind, Unknown};
