use std::io;
use std::time::Duration;

use reqwest::blocking::Response;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

/// Bytes of an error's body that are looked at.
const MAX_BODY: u64 = 16 << 10;
/// Characters of an error's body that are told where it is no list of errors.
const MAX_TOLD: usize = 200;

/// What went wrong in one exchange with a registry.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An answer that is no success.
    #[error("it answered {status}{}", after_colon(message))]
    Status {
        /// The HTTP status.
        status: u16,
        /// What it said, on one line; may be empty.
        message: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The token server of the registry gives no token.
    #[error("its token server answered {status}{}", after_colon(message))]
    Token {
        /// The HTTP status.
        status: u16,
        /// What it said, on one line; may be empty.
        message: String,
    },
    /// No exchange at all, or one that broke off.
    #[error(transparent)]
    Transport(reqwest::Error),
    /// The content to be sent cannot be read, or the answer broke off.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An answer that is against the protocol.
    #[error("its answer makes no sense: {0}")]
    Nonsense(String),
    /// The user's credentials cannot be read.
    #[error("cannot read the registry credentials in {path}")]
    Credentials {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn after_colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl From<reqwest::Error> for Fault {
    /// Without the URL, which may hold a signature that opens the door to others.
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error.without_url())
    }
}

/// What can be done about a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// There is no such thing.
    NotFound,
    /// Other credentials are wanted.
    Denied,
    /// No connection.
    Unreachable,
    /// The other side cannot prove who it is, or does not speak TLS.
    Untrusted,
    /// It may work in a moment.
    Passing,
    /// It will not.
    Lasting,
}

impl Fault {
    /// What an answer says that is no success.
    pub(super) fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        Self::Status { status, message: message_of(response), retry_after }
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Self::Status { status: 404, .. } => Meaning::NotFound,
            Self::Status { status: 401 | 403, .. } | Self::Token { status: 400..=403, .. } => Meaning::Denied,
            Self::Status { status: 408 | 429 | 500.., .. } | Self::Token { status: 408 | 429 | 500.., .. } => {
                Meaning::Passing
            }
            Self::Transport(error) if is_about_tls(error) => Meaning::Untrusted,
            Self::Transport(error) if error.is_connect() => Meaning::Unreachable,
            Self::Transport(error) if error.is_builder() || error.is_redirect() => Meaning::Lasting,
            Self::Transport(_) | Self::Io(_) => Meaning::Passing,
            Self::Status { .. } | Self::Token { .. } | Self::Nonsense(_) | Self::Credentials { .. } => Meaning::Lasting,
        }
    }

    pub(super) fn worth_another_try(&self) -> bool {
        match self.meaning() {
            Meaning::Passing => true,
            // A host that lets connections time out will do so again, and each time costs the user long seconds.
            Meaning::Unreachable => !matches!(self, Self::Transport(error) if error.is_timeout()),
            _ => false,
        }
    }
}

/// The text of a failed answer, on one line.
pub(super) fn message_of(response: Response) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Told>,
    }
    #[derive(Deserialize)]
    struct Told {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let mut body = Vec::new();
    let _as_far_as_it_came = io::Read::read_to_end(&mut io::Read::take(response, MAX_BODY), &mut body);
    if let Ok(envelope) = serde_json::from_slice::<Envelope>(&body) {
        let told =
            envelope.errors.into_iter().map(|told| if told.message.is_empty() { told.code } else { told.message });
        return told.collect::<Vec<_>>().join("; ");
    }
    let text = String::from_utf8_lossy(&body);
    if text.trim_start().starts_with('<') {
        // A page for browsers.
        return String::new();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TOLD).collect()
}

/// Whether a handshake failed of what was said in it, and not of the network.
fn is_about_tls(error: &reqwest::Error) -> bool {
    std::error::Error::source(error).is_some_and(holds_tls)
}

/// Whether an error of TLS is among the causes.
fn holds_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    // An error of I/O carries its own cause, perhaps another of I/O, without naming it as one.
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| holds_tls(inner)) || error.source().is_some_and(holds_tls)
}
