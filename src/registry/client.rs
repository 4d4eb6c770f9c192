use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use reqwest::header::{ACCEPT, CONTENT_TYPE};

use crate::image::{Descriptor, Digest, Document, MediaType, Reference, Referrer, Wire};

use super::access::Access;
use super::connection::{Connection, Scopes, lock};
use super::content::{Content, Told};
use super::credentials::Credentials;
use super::download::Download;
use super::error::Doing;
use super::fault::Fault;
use super::patience::patiently;
use super::upload::{Sent, Upload};
use super::{Error, fault};

/// A manifest of more bytes is an attack (the distribution specification asks for 4 MiB).
const MAX_MANIFEST: u64 = 16 << 20;

/// The media types of manifests and indexes that kiln reads.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Talks to registries. Several threads may use one at once. Costs nothing before the first question.
pub struct Registry {
    access: Access,
    credentials: Arc<Credentials>,
    connections: Mutex<BTreeMap<String, Arc<Connection>>>,
    /// Mirrors that could not be reached: not asked again.
    dead: Mutex<BTreeSet<String>>,
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
    /// A client with the user's credentials, which are read when a registry first wants some.
    pub fn new(access: Access) -> Self {
        Self::with_credentials(access, Credentials::of_user())
    }

    pub(super) fn with_credentials(access: Access, credentials: Credentials) -> Self {
        let credentials = Arc::new(credentials);
        Self { access, credentials, connections: Mutex::default(), dead: Mutex::default() }
    }

    /// Asks what `name` means, and reads its manifest or index.
    pub fn resolve(&self, name: &Reference) -> Result<Resolved, Error> {
        let wanted = name.digest().map(|digest| digest.to_string());
        self.manifest_of(name, &wanted.unwrap_or_else(|| name.tag().unwrap_or("latest").to_owned()))
    }

    /// Whether `name` still means the manifest or index `digest`: asked without reading it, which registries that count
    /// pulls do not count. In doubt it does not.
    pub fn still_means(&self, name: &Reference, digest: &Digest) -> bool {
        let path = format!("/v2/{}/manifests/{}", name.repository(), name.tag().unwrap_or("latest"));
        let scopes = Scopes::pull(name.repository());
        let told = self.first_that_has(name, Doing::Pull, |connection| {
            let head = |client: &reqwest::blocking::Client, url| client.head(url).header(ACCEPT, ACCEPTED);
            let response = connection.send(&scopes, &path, head)?;
            let told = response.headers().get("Docker-Content-Digest").and_then(|value| value.to_str().ok());
            Ok(told.and_then(|text| text.parse::<Digest>().ok()))
        });
        told.is_ok_and(|told| told.as_ref() == Some(digest))
    }

    /// Reads the manifest or index of that digest in the repository of `name`.
    pub fn manifest(&self, name: &Reference, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.manifest_of(name, &digest.to_string()).map(|resolved| resolved.bytes)
    }

    /// Opens a blob in the repository of `name`. Digest and size are the reader's to check.
    pub fn blob(&self, name: &Reference, blob: &Descriptor) -> Result<Box<dyn Read + Send>, Error> {
        let opened = self.first_that_has(name, Doing::Pull, |connection| {
            let path = format!("/v2/{}/blobs/{}", name.repository(), blob.digest);
            Download::open(Arc::clone(connection), Scopes::pull(name.repository()), path, blob.size)
        });
        let is_foreign = matches!(blob.media_type, MediaType::ForeignLayer(..));
        match opened {
            Ok(download) => Ok(Box::new(download)),
            Err(error) if is_foreign => self.elsewhere(name, blob).ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// A layer that registries need not hold, from the first of its URLs that has it.
    fn elsewhere(&self, name: &Reference, blob: &Descriptor) -> Option<Box<dyn Read + Send>> {
        let connection = self.connection(name.registry()).ok()?;
        let open = |url: &String| {
            let response = connection.stranger().get(url).send().ok()?;
            response.status().is_success().then(|| Box::new(response) as Box<dyn Read + Send>)
        };
        blob.urls.iter().find_map(open)
    }

    /// Asks for a blob to be put into the repository of `name`: it may be there, or in one of the repositories `others` of the
    /// same registry. `None` when it has to be sent.
    pub fn has_or_mounts(&self, name: &Reference, blob: &Descriptor, others: &[String]) -> Result<Option<Sent>, Error> {
        self.at(name, Doing::Push, |connection| {
            let upload = upload(connection, name, blob);
            if upload.is_there()? {
                return Ok(Some(Sent::Present));
            }
            for other in others.iter().filter(|other| *other != name.repository()) {
                if upload.mount(other).unwrap_or(false) {
                    return Ok(Some(Sent::Mounted));
                }
            }
            Ok(None)
        })
    }

    /// Sends a blob to the repository of `name`.
    pub fn push_blob(
        &self,
        name: &Reference,
        blob: &Descriptor,
        content: &dyn Content,
        told: &Told,
    ) -> Result<(), Error> {
        self.at(name, Doing::Push, |connection| upload(connection, name, blob).send(content, told))
    }

    /// Sends a manifest or index, of which the registry has all blobs. It gets the tag of `name`, if that has one.
    pub fn push_manifest(&self, name: &Reference, manifest: &Descriptor, bytes: &[u8]) -> Result<(), Error> {
        let what = name.tag().map_or_else(|| manifest.digest.to_string(), str::to_owned);
        let path = format!("/v2/{}/manifests/{what}", name.repository());
        let scopes = Scopes::push(name.repository());
        let kind = manifest.media_type.to_string();
        self.at(name, Doing::Push, |connection| {
            let put = |client: &reqwest::blocking::Client, url| {
                client.put(url).header(CONTENT_TYPE, &kind).body(bytes.to_vec())
            };
            let response = patiently(|| connection.send(&scopes, &path, put))?;
            let is_listed = response.headers().contains_key("OCI-Subject");
            let told = response.headers().get("Docker-Content-Digest").and_then(|value| value.to_str().ok());
            match told.and_then(|text| text.parse::<Digest>().ok()) {
                Some(told) if told != manifest.digest => {
                    Err(Fault::Nonsense(format!("it took manifest {} for {told}", manifest.digest)))
                }
                _ => Ok(is_listed),
            }
        })
        .and_then(|is_listed| match Referrer::of(bytes) {
            Some(referrer) if !is_listed => self.list_referrer(name, &referrer),
            _ => Ok(()),
        })
    }

    fn manifest_of(&self, name: &Reference, what: &str) -> Result<Resolved, Error> {
        let path = format!("/v2/{}/manifests/{what}", name.repository());
        let scopes = Scopes::pull(name.repository());
        self.first_that_has(name, Doing::Pull, |connection| {
            let get = |client: &reqwest::blocking::Client, url| client.get(url).header(ACCEPT, ACCEPTED);
            let bytes = patiently(|| limited(connection.send(&scopes, &path, get)?))?;
            let kind = match Document::from_json(&bytes) {
                Ok(Document::Index(index)) => MediaType::Index(index.wire),
                Ok(Document::Manifest(manifest)) => MediaType::Manifest(manifest.wire),
                // Whoever reads it says what is wrong with it.
                Err(_) => MediaType::Manifest(Wire::Oci),
            };
            Ok(Resolved { descriptor: Descriptor::of(kind, &bytes), bytes })
        })
    }

    /// Asks the mirrors of a registry, then the registry itself.
    pub(super) fn first_that_has<T>(
        &self,
        name: &Reference,
        doing: Doing,
        mut ask: impl FnMut(&Arc<Connection>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        for mirror in self.access.mirrors_of(name.registry()) {
            if lock(&self.dead).contains(&mirror) {
                continue;
            }
            match ask(&self.connection(&mirror)?) {
                Ok(found) => return Ok(found),
                Err(fault) if fault.meaning() == fault::Meaning::Unreachable => drop(lock(&self.dead).insert(mirror)),
                Err(_) => {}
            }
        }
        self.at(name, doing, ask)
    }

    /// Asks the registry itself.
    pub(super) fn at<T>(
        &self,
        name: &Reference,
        doing: Doing,
        ask: impl FnOnce(&Arc<Connection>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let registry = name.registry();
        ask(&self.connection(registry)?).map_err(|fault| Error::of(&name.to_string(), registry, doing, fault))
    }

    fn connection(&self, registry: &str) -> Result<Arc<Connection>, Error> {
        if self.access.offline {
            return Err(Error::Offline { registry: registry.to_owned() });
        }
        let mut connections = lock(&self.connections);
        if let Some(known) = connections.get(registry) {
            return Ok(Arc::clone(known));
        }
        let made = Connection::new(registry, self.access.transport(registry), Arc::clone(&self.credentials))?;
        let made = Arc::new(made);
        connections.insert(registry.to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

fn upload<'a>(connection: &'a Connection, name: &'a Reference, blob: &'a Descriptor) -> Upload<'a> {
    Upload { connection, scopes: Scopes::push(name.repository()), repository: name.repository(), blob }
}

/// The body of an answer that is a document.
pub(super) fn limited(response: reqwest::blocking::Response) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    response.take(MAX_MANIFEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(Fault::Nonsense("a manifest of more than 16 MiB".to_owned()));
    }
    Ok(bytes)
}

/// An error as one of I/O.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}
