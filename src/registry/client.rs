use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::{Client, RegistryOperation};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::image::{Descriptor, Digest, Document, MediaType, Reference, Wire};

use super::Error;
use super::body::{Body, QUEUE, Wanted, download};
use super::credentials::Credentials;
use super::patience::patiently;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two pieces of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// A manifest must come whole within this, redirects and tokens included.
const MANIFEST_TIMEOUT: Duration = Duration::from_secs(120);

/// The media types of manifests and indexes that kiln reads.
const ACCEPTED: &[&str] = &[
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Talks to registries. Several threads may use one at once.
pub struct Registry {
    /// For registries on this machine: plain HTTP (AUTH-7).
    plain: Client,
    secure: Client,
    credentials: Credentials,
    mirrors: Vec<String>,
    /// Mirrors that could not be reached: not asked again.
    dead: Mutex<BTreeSet<String>>,
    handle: Handle,
    keeper: AbortHandle,
}

/// What a name means at present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Of the manifest or index.
    pub descriptor: Descriptor,
    /// Its bytes, which have the descriptor's digest.
    pub bytes: Vec<u8>,
}

impl Registry {
    /// Starts a client with the user's credentials. `mirrors`, `host[:port]` each, are asked for images of Docker Hub before it.
    pub fn new(mirrors: Vec<String>) -> Result<Self, Error> {
        Self::with_credentials(mirrors, Credentials::of_user()?)
    }

    pub(super) fn with_credentials(mirrors: Vec<String>, credentials: Credentials) -> Result<Self, Error> {
        // Another part of the program may have chosen a provider already: then that one is used.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
        let handle = runtime.handle().clone();
        let keeper = handle.spawn(std::future::pending::<()>());
        let abort = keeper.abort_handle();
        let run = move || drop(runtime.block_on(keeper));
        std::thread::Builder::new().name("registry".to_owned()).spawn(run).map_err(Error::Start)?;
        let client = |protocol, no_proxy: Option<String>| {
            let config = ClientConfig {
                protocol,
                connect_timeout: Some(CONNECT_TIMEOUT),
                read_timeout: Some(READ_TIMEOUT),
                user_agent: concat!("kiln/", env!("CARGO_PKG_VERSION")),
                // A proxy that is never used, since the crate has no other way to ignore `HTTP_PROXY`.
                http_proxy: no_proxy.is_some().then(|| "http://unused.invalid".to_owned()),
                no_proxy,
                ..ClientConfig::default()
            };
            Client::try_from(config).map_err(|error| Error::Start(io::Error::other(error)))
        };
        Ok(Self {
            plain: client(ClientProtocol::Http, Some("*".to_owned()))?,
            secure: client(ClientProtocol::Https, None)?,
            credentials,
            mirrors,
            dead: Mutex::default(),
            handle,
            keeper: abort,
        })
    }

    /// Asks what `name` means, and reads its manifest or index.
    pub fn resolve(&self, name: &Reference) -> Result<Resolved, Error> {
        self.manifest_of(name, name)
    }

    /// Reads the manifest or index of that digest in the repository of `name`.
    pub fn manifest(&self, name: &Reference, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.manifest_of(name, &pinned(name, digest)).map(|resolved| resolved.bytes)
    }

    /// Opens a blob in the repository of `name`. Its bytes come in pieces, and wait for the reader.
    pub fn blob(&self, name: &Reference, blob: &Descriptor) -> Result<Box<dyn Read + Send>, Error> {
        self.first_that_has(name, |place| {
            let wanted = Wanted {
                client: self.client(place.registry()).clone(),
                image: specified(place),
                digest: blob.digest.to_string(),
                size: blob.size,
                urls: matches!(blob.media_type, MediaType::ForeignLayer(..)).then(|| blob.urls.clone()),
            };
            let auth = self.credentials.of(place.registry());
            let (begun, first) = mpsc::channel();
            let (sender, receiver) = tokio::sync::mpsc::channel(QUEUE);
            self.handle.spawn(async move {
                wanted.client.store_auth_if_needed(wanted.image.resolve_registry(), &auth).await;
                download(wanted, begun, sender).await;
            });
            match first.recv() {
                Ok(Ok(())) => Ok(Box::new(Body::new(receiver)) as Box<dyn Read + Send>),
                Ok(Err(error)) => Err(Error::of(&name.to_string(), place.registry(), error)),
                Err(_) => Err(Error::Start(io::Error::other("the client's thread has ended"))),
            }
        })
    }

    fn manifest_of(&self, name: &Reference, exact: &Reference) -> Result<Resolved, Error> {
        self.first_that_has(exact, |place| {
            let (client, image) = (self.client(place.registry()).clone(), specified(place));
            let auth = self.credentials.of(place.registry());
            let (sender, receiver) = mpsc::channel();
            self.handle.spawn(async move {
                let attempt = || async {
                    client.auth(&image, &auth, RegistryOperation::Pull).await?;
                    client.pull_manifest_raw(&image, &auth, ACCEPTED).await
                };
                let result = tokio::time::timeout(MANIFEST_TIMEOUT, patiently(attempt)).await;
                let late = || io::Error::new(io::ErrorKind::TimedOut, "the registry took too long");
                let _nobody_waits = sender.send(result.unwrap_or_else(|_| Err(late().into())));
            });
            let answer = receiver.recv().map_err(|error| Error::Start(io::Error::other(error)))?;
            let (bytes, _) = answer.map_err(|error| Error::of(&name.to_string(), place.registry(), error))?;
            let bytes = bytes.to_vec();
            let kind = match Document::from_json(&bytes) {
                Ok(Document::Index(index)) => MediaType::Index(index.wire),
                Ok(Document::Manifest(manifest)) => MediaType::Manifest(manifest.wire),
                // Whoever reads it says what is wrong with it.
                Err(_) => MediaType::Manifest(Wire::Oci),
            };
            Ok(Resolved { descriptor: Descriptor::of(kind, &bytes), bytes })
        })
    }

    /// Asks the mirrors of Docker Hub, then the registry itself.
    fn first_that_has<T>(
        &self,
        name: &Reference,
        mut ask: impl FnMut(&Reference) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if name.registry() == "docker.io" {
            for mirror in &self.mirrors {
                let Ok(place) = name.at_registry(mirror) else { continue };
                if self.dead().contains(mirror) {
                    continue;
                }
                match ask(&place) {
                    Ok(found) => return Ok(found),
                    Err(Error::Unreachable { .. }) => drop(self.dead().insert(mirror.clone())),
                    Err(_) => {}
                }
            }
        }
        ask(name)
    }

    fn dead(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self, registry: &str) -> &Client {
        if is_local(registry) { &self.plain } else { &self.secure }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Ends the thread, and every download that nobody can read any more.
        self.keeper.abort();
    }
}

/// Whether a registry is on this machine (AUTH-7).
fn is_local(registry: &str) -> bool {
    let host = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name as the crate has it.
fn specified(name: &Reference) -> oci_client::Reference {
    let (registry, repository) = (name.registry().to_owned(), name.repository().to_owned());
    match name.digest() {
        Some(digest) => oci_client::Reference::with_digest(registry, repository, digest.to_string()),
        None => oci_client::Reference::with_tag(registry, repository, name.tag().unwrap_or("latest").to_owned()),
    }
}

/// The image of that digest in the same repository.
fn pinned(name: &Reference, digest: &Digest) -> Reference {
    let text = format!("{}/{}@{digest}", name.registry(), name.repository());
    // A name that was read once is read again.
    text.parse().unwrap_or_else(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_7_only_this_machine_is_spoken_to_in_the_clear() {
        for (registry, local) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:80", true),
            ("127.9.9.9", true),
            ("[::1]:5000", true),
            ("docker.io", false),
            ("localhost.example", false),
            ("127.0.0.1.example:80", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_local(registry), local, "{registry}");
        }
    }

    #[test]
    fn from_14_names_become_those_of_the_protocol() {
        let digest = Digest::of(b"x");
        let name: Reference = "busybox:1".parse().unwrap();
        assert_eq!(specified(&name).to_string(), "docker.io/library/busybox:1");
        assert_eq!(specified(&pinned(&name, &digest)).to_string(), format!("docker.io/library/busybox@{digest}"));
        assert_eq!(specified(&name).resolve_registry(), "index.docker.io");
    }
}
