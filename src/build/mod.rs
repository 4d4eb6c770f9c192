//! One build from options to result: wires the rooms, owns nothing else.

mod options;

pub use options::{
    BuildError, ContextSpec, DockerfileSpec, NamedContext, Options, Outcome, Secret, SecretSource, SourceText,
};
