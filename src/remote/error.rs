use super::git_reference::MIN_HASH;

/// What is wrong with a git reference (GIT-4, D-91).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GitReferenceError {
    /// A key that means nothing.
    #[error("unexpected query \"{0}\"")]
    Unexpected(String),
    /// A key twice.
    #[error("query \"{0}\" has multiple values")]
    Repeated(String),
    /// A key that needs a value.
    #[error("query \"{0}\" has no value")]
    NoValue(String),
    /// A value that the key cannot have.
    #[error("invalid {key} value: \"{value}\"")]
    Value {
        /// The key.
        key: String,
        /// As given.
        value: String,
    },
    /// Fragment and query disagree, or two keys.
    #[error("{what} conflicts: \"{first}\" vs \"{second}\"")]
    Conflict {
        /// `ref` or `subdir`.
        what: &'static str,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// Both a branch and a tag.
    #[error("branch conflicts with tag")]
    BranchAndTag,
    /// A text that names no ref, whatever the repository has.
    #[error("invalid git ref \"{0}\"")]
    Ref(String),
    /// No commit hash.
    #[error(
        "invalid checksum \"{0}\" for a git source, expected a commit hash of at least {MIN_HASH} hexadecimal digits"
    )]
    Checksum(String),
    /// There is no host, or one that would be taken for an option.
    #[error("invalid git URL `{0}`")]
    Url(String),
}
