use std::io;

/// Why a file was not downloaded. URLs are without credentials.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The text is no URL.
    #[error("invalid URL `{0}`")]
    Url(String),
    /// The server cannot be reached, or broke off.
    #[error("cannot download {url}: {reason}")]
    Transport {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server says no.
    #[error("invalid response status {status} for {url}")]
    Status {
        /// What was asked for.
        url: String,
        /// Its status code.
        status: u16,
    },
    /// The user has stopped it.
    #[error("the build was stopped")]
    Cancelled,
    /// The file cannot be kept.
    #[error("cannot keep the download")]
    Write(#[from] io::Error),
}

impl DownloadError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Status { url, status: 401 | 403 } => {
                let host = super::host(url);
                Some(format!("a server that wants a token gets that of `--secret id=HTTP_AUTH_TOKEN_{host}`"))
            }
            Self::Transport { .. } => Some("check the URL, and whether this machine reaches the server".to_owned()),
            _ => None,
        }
    }
}
