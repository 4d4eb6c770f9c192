use std::io;

/// Why a repository gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `git` on this machine.
    #[error("cannot fetch {shown}: the program `git` is not installed")]
    Missing {
        /// The reference, without credentials.
        shown: String,
    },
    /// The program failed.
    #[error("cannot fetch {shown}: {told}")]
    Failed {
        /// The reference, without credentials.
        shown: String,
        /// What it said, on one line.
        told: String,
    },
    /// The server has been silent for too long.
    #[error("cannot fetch {shown}: the server has sent nothing for {seconds} seconds")]
    Stalled {
        /// The reference, without credentials.
        shown: String,
        /// How long.
        seconds: u64,
    },
    /// There is no such branch, tag or ref.
    #[error("repository does not contain ref {wanted}: {shown}")]
    NoRef {
        /// The reference, without credentials.
        shown: String,
        /// What was asked for.
        wanted: String,
    },
    /// The ref means another commit than it must (GIT-5).
    #[error("expected checksum to match {expected}, got {found}: {shown}")]
    Checksum {
        /// The reference, without credentials.
        shown: String,
        /// As given.
        expected: String,
        /// The commit.
        found: String,
    },
    /// A commit that is fetched by its hash is named by a part of it (GIT-5).
    #[error("`fetch-by-commit` needs the whole commit hash: {shown}")]
    Abbreviated {
        /// The reference, without credentials.
        shown: String,
    },
    /// The repository has no such directory (GIT-3).
    #[error("the repository has no directory `{path}`: {shown}")]
    NoDirectory {
        /// The reference, without credentials.
        shown: String,
        /// What was asked for.
        path: String,
    },
    /// A secret cannot be part of a request.
    #[error("the secret `{name}` holds a line break, or is no text")]
    Secret {
        /// Its id.
        name: String,
    },
    /// The user has stopped it.
    #[error("the build was stopped")]
    Cancelled,
    /// The machine failed.
    #[error("cannot keep what git has fetched")]
    Io(#[from] io::Error),
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        let told = match self {
            Self::Missing { .. } => return Some("install git, or give a directory that is checked out already"),
            Self::NoRef { .. } => {
                return Some(
                    "a branch, a tag, a whole ref or a whole commit hash can be named; names are case-sensitive",
                );
            }
            Self::Abbreviated { .. } => return Some("give all 40 digits, or 64 for a repository of SHA-256"),
            Self::Failed { told, .. } => told,
            _ => return None,
        };
        let says = |parts: &[&str]| parts.iter().any(|part| told.contains(part));
        if says(&[
            "could not read Username",
            "could not read Password",
            "Authentication failed",
            "error: 401",
            "error: 403",
        ]) {
            Some("for a private repository pass `--secret id=GIT_AUTH_TOKEN`, and check that its token may read it")
        } else if says(&[
            "unable to update url base from redirection",
            "error: 301",
            "error: 302",
            "error: 307",
            "error: 308",
        ]) {
            Some("name the repository by the URL that the server redirects to: credentials are not sent on")
        } else if says(&["Permission denied (publickey", "Host key verification failed"]) {
            Some(
                "`ssh -T HOST` must work without a question: load the key into an agent, and see that the host is known",
            )
        } else if says(&["Could not resolve host", "unable to connect", "Connection refused", "Failed to connect"]) {
            Some("check the URL, and whether this machine reaches the server")
        } else {
            None
        }
    }
}
