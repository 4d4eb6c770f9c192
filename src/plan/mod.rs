//! From syntax tree to a graph of stages with every argument resolved, before any step runs (dockerfile.md).

mod model;
mod options;

pub use model::{
    BaseRef, CopyFrom, CopyOp, CopySource, ImageId, MetaOp, Mount, MountFrom, MountKind, Network, Op, Plan, RunOp,
    RunScript, Security, Sharing, Stage, Step, WorkdirOp,
};
pub use options::{BaseError, Bases, Found, PlanOptions};
