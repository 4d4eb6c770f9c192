//! One build from options to result: wires the rooms, owns nothing else.

mod agents;
mod check;
mod elsewhere;
mod evaluate;
mod fetch;
mod frontend;
mod inputs;
mod known;
mod layers;
mod options;
mod outline;
mod pin;
mod rewrite;
mod run;
mod secrets;
mod sharing;
mod source;

pub use check::{Checked, Target, Targets, check, targets};
pub use options::{
    BuildError, BuiltImage, ContextSpec, DockerfileSpec, NamedContext, Options, Outcome, Secret, SecretSource,
    SourceText, SshAgent,
};
pub use outline::{Argument, Needed, Outline, outline};
pub use pin::{Pinned, Pinning, lock_file, pin};
pub use rewrite::rewrite;
pub use run::run;
