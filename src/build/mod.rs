//! One build from options to result: wires the rooms, owns nothing else.

mod check;
mod evaluate;
mod frontend;
mod inputs;
mod options;
mod outline;
mod pin;
mod run;
mod source;

pub use check::{Checked, Target, Targets, check, targets};
pub use options::{
    BuildError, BuiltImage, ContextSpec, DockerfileSpec, NamedContext, Options, Outcome, Secret, SecretSource,
    SourceText, SshAgent,
};
pub use outline::{Argument, Needed, Outline, outline};
pub use pin::{Pinned, Pinning, lock_file, pin};
pub use run::run;
