//! One registry: requests with the right credentials.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::tls::Certificate;

use super::access::Transport;
use super::challenge::Challenge;
use super::credentials::{Credential, Credentials};
use super::fault::Fault;
use super::{Error, token};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until the first byte of an answer, and between two pieces of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Where Docker Hub answers: its name is not its address.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry that is spoken to.
pub(super) struct Connection {
    registry: String,
    transport: Transport,
    client: Client,
    /// The URL of the registry without a path, once it is known.
    base: OnceLock<Url>,
    credentials: Arc<Credentials>,
    challenge: Mutex<Option<Challenge>>,
    /// Values of `Authorization`, by scopes.
    authorizations: Mutex<BTreeMap<String, HeaderValue>>,
}

/// What a request is allowed to do: scopes as token servers know them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Scopes(pub(super) Vec<String>);

impl Scopes {
    pub(super) fn pull(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    pub(super) fn push(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push")])
    }

    pub(super) fn delete(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push,delete")])
    }

    /// The same, and to read from another repository.
    pub(super) fn and_pull(mut self, repository: &str) -> Self {
        self.0.push(format!("repository:{repository}:pull"));
        self
    }
}

impl Connection {
    /// Prepares to speak to `registry`, `host[:port]`. Nothing is sent yet.
    pub(super) fn new(registry: &str, transport: Transport, credentials: Arc<Credentials>) -> Result<Self, Error> {
        let client = client(&transport)?;
        Ok(Self {
            registry: registry.to_owned(),
            transport,
            client,
            base: OnceLock::new(),
            credentials,
            challenge: Mutex::default(),
            authorizations: Mutex::default(),
        })
    }

    /// The registry's URL with `path`, which begins with a slash and may have a query.
    pub(super) fn url(&self, path: &str) -> Result<Url, Fault> {
        self.base()?.join(path).map_err(|error| Fault::Nonsense(format!("`{path}` is no path: {error}")))
    }

    /// Finds out, the first time, whether a registry that may be insecure speaks TLS.
    fn base(&self) -> Result<&Url, Fault> {
        if let Some(known) = self.base.get() {
            return Ok(known);
        }
        let host = if self.registry == HUB.0 { HUB.1 } else { &self.registry };
        let parse = |scheme: &str| {
            let wrong = |error| Fault::Nonsense(format!("`{host}` is no host: {error}"));
            Url::parse(&format!("{scheme}://{host}/")).map_err(wrong)
        };
        let url = match self.transport {
            Transport::Plain => parse("http")?,
            Transport::Secure(_) => parse("https")?,
            Transport::Insecure => {
                let secure = parse("https")?;
                match self.client.get(secure.join("/v2/").unwrap_or_else(|_| secure.clone())).send() {
                    Ok(_) => secure,
                    Err(_) => parse("http")?,
                }
            }
        };
        Ok(self.base.get_or_init(|| url))
    }

    /// Sends the request that `build` makes for `path`, with credentials if the registry asks for any. `build` is called again
    /// when it does. An answer that is no success is a fault.
    pub(super) fn send(
        &self,
        scopes: &Scopes,
        path: &str,
        build: impl Fn(&Client, Url) -> RequestBuilder,
    ) -> Result<Response, Fault> {
        self.send_to(scopes, &self.url(path)?, build)
    }

    /// The same for a URL that the registry has named. Another host gets no credentials.
    pub(super) fn send_to(
        &self,
        scopes: &Scopes,
        url: &Url,
        build: impl Fn(&Client, Url) -> RequestBuilder,
    ) -> Result<Response, Fault> {
        let is_own = url.origin() == self.base()?.origin();
        let send = |authorization: Option<HeaderValue>| {
            let mut request = build(&self.client, url.clone());
            if let Some(value) = authorization.filter(|_| is_own) {
                request = request.header(AUTHORIZATION, value);
            }
            request.send().map_err(Fault::from)
        };
        let mut response = send(self.authorization(scopes)?)?;
        if response.status().as_u16() == 401 && is_own {
            let values = response.headers().get_all(WWW_AUTHENTICATE);
            let challenge = Challenge::parse(values.iter().filter_map(|value| value.to_str().ok()));
            if let Some(challenge) = challenge {
                *lock(&self.challenge) = Some(challenge);
                // Whatever was sent has not been good enough: a token may have grown old.
                lock(&self.authorizations).remove(&scopes.0.join(" "));
                if let Some(value) = self.authorization(scopes)? {
                    response = send(Some(value))?;
                }
            }
        }
        if response.status().is_success() { Ok(response) } else { Err(Fault::of(response)) }
    }

    /// What to send along with a request; nothing as long as the registry has not asked for anything.
    fn authorization(&self, scopes: &Scopes) -> Result<Option<HeaderValue>, Fault> {
        let Some(challenge) = lock(&self.challenge).clone() else { return Ok(None) };
        let key = scopes.0.join(" ");
        if let Some(known) = lock(&self.authorizations).get(&key) {
            return Ok(Some(known.clone()));
        }
        let repository = scopes.0.first().and_then(|scope| scope.split(':').nth(1)).unwrap_or_default();
        let credential = self.credentials.of(&self.registry, repository)?;
        let value = match (challenge, &credential) {
            (Challenge::Basic, Credential::Password(user, password)) => token::basic(user, password)?,
            (Challenge::Basic, _) => return Ok(None),
            (Challenge::Bearer { realm, service }, credential) => {
                let realm = self.realm(&realm, credential)?;
                token::fetch(&self.client, &realm, service.as_deref(), scopes, credential)?
            }
        };
        lock(&self.authorizations).insert(key, value.clone());
        Ok(Some(value))
    }

    /// The token server's URL. What comes over TLS must not be sent in the clear.
    fn realm(&self, realm: &str, credential: &Credential) -> Result<Url, Fault> {
        let nonsense = |why: &str| Fault::Nonsense(format!("its token server `{realm}` {why}"));
        let url = Url::parse(realm).map_err(|_| nonsense("is no URL"))?;
        let is_secret = *credential != Credential::Anonymous;
        match url.scheme() {
            "https" => Ok(url),
            "http" if !is_secret || self.base()?.scheme() == "http" => Ok(url),
            "http" => Err(nonsense("would get the credentials in the clear")),
            _ => Err(nonsense("is neither http nor https")),
        }
    }

    /// For URLs that are none of the registry's.
    pub(super) fn stranger(&self) -> &Client {
        &self.client
    }
}

fn client(transport: &Transport) -> Result<Client, Error> {
    // Another part of the program may have chosen a provider already: then that one is used.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let builder: ClientBuilder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // Of this kind of client it is the time of each single read.
        .timeout(READ_TIMEOUT)
        .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")));
    let builder = match transport {
        Transport::Plain => builder.no_proxy(),
        Transport::Insecure => builder.tls_danger_accept_invalid_certs(true),
        Transport::Secure(files) => {
            let mut certificates = Vec::new();
            for file in files {
                certificates.extend(certificates_of(file)?);
            }
            builder.tls_certs_merge(certificates)
        }
    };
    builder.build().map_err(|error| Error::Start(io::Error::other(error)))
}

fn certificates_of(path: &Path) -> Result<Vec<Certificate>, Error> {
    let failed = |source| Error::Certificates { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(failed)?;
    let none = || io::Error::new(io::ErrorKind::InvalidData, "there is no certificate in it");
    match Certificate::from_pem_bundle(&bytes) {
        Ok(found) if found.is_empty() => Err(failed(none())),
        Ok(found) => Ok(found),
        Err(error) => Err(failed(io::Error::other(error))),
    }
}

/// Takes a lock, whoever has panicked under it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
