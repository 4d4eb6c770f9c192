//! Places in object stores: a bucket of S3 or of Google Cloud Storage, a container of Azure.
//!
//! Objects lie under `PREFIX MANIFESTS_PREFIX NAME/steps/KEY`, blobs under `PREFIX BLOBS_PREFIX DIGEST`, so that what
//! has different names shares the blobs. Of several names objects are written to each, and read from the first that has them.

mod azblob;
mod blob;
mod fault;
mod gcs;
mod runtime;
mod s3;

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, RetryConfig};

use crate::image::Descriptor;
use crate::registry::{Content, Told};

use super::{MAX_OBJECT, ObjectName, PATIENCE, Place, SettingError, Settings, ShareError};
use fault::{is_absence, is_conflict, knows_no_conditions, share_error};
use runtime::Blocking;

pub use azblob::azblob;
pub use gcs::gcs;
pub use s3::s3;

/// A little longer than others wait: whoever has given up learns of it by itself.
const LIMIT: Duration = PATIENCE.saturating_add(Duration::from_secs(2));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two pieces of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Services close a connection that nobody has used for about so long.
const IDLE: Duration = Duration::from_secs(15);

/// One bucket or container.
struct Bucket {
    /// `s3://BUCKET/PREFIX/NAME`
    name: String,
    store: Arc<dyn ObjectStore>,
    /// For blobs on their way there, which may be slow: the answer comes after the last byte.
    uploads: Arc<dyn ObjectStore>,
    blocking: Blocking,
    layout: Layout,
}

/// Where things lie in a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Layout {
    /// Up to the name of an object, one for each name of the cache.
    objects: Vec<String>,
    /// Up to the digest of a blob.
    blobs: String,
}

impl Layout {
    /// Takes the options that say where: `prefix`, `blobs_prefix`, `manifests_prefix` and `name`.
    fn take(kind: &'static str, settings: &mut Settings) -> Result<Self, SettingError> {
        let prefix = settings.take("prefix").unwrap_or_default();
        let blobs = settings.take("blobs_prefix").unwrap_or_else(|| "blobs/".to_owned());
        let manifests = settings.take("manifests_prefix").unwrap_or_else(|| "manifests/".to_owned());
        let names = settings.take("name").unwrap_or_else(|| "buildkit".to_owned());
        let names = names.split(';').filter(|name| !name.is_empty());
        let layout = Self {
            objects: names.map(|name| format!("{prefix}{manifests}{name}/")).collect(),
            blobs: format!("{prefix}{blobs}"),
        };
        for path in layout.objects.iter().chain([&layout.blobs]) {
            Path::parse(format!("{path}x")).map_err(|error| SettingError::Value {
                kind,
                option: "prefix",
                value: path.clone(),
                reason: error.to_string(),
            })?;
        }
        if layout.objects.is_empty() {
            return Err(SettingError::Missing { kind, option: "name", variable: None });
        }
        Ok(layout)
    }

    fn objects(&self, name: &ObjectName) -> impl Iterator<Item = Path> {
        // Both halves were looked at before: no part of the path is empty or a dot.
        self.objects.iter().map(move |prefix| Path::parse(format!("{prefix}{name}")).unwrap_or_default())
    }

    fn blob(&self, blob: &Descriptor) -> Path {
        Path::parse(format!("{}{}", self.blobs, blob.digest)).unwrap_or_default()
    }
}

impl Bucket {
    /// `build` makes a client of the service that has such options. `root` is the bucket for messages, and `at` where the
    /// service is, where that is not known from the type.
    fn new<S: ObjectStore>(
        kind: &'static str,
        (root, at): (&str, Option<&str>),
        layout: Layout,
        build: impl Fn(ClientOptions) -> object_store::Result<S>,
    ) -> Result<Self, SettingError> {
        let open = |options: ClientOptions| match build(options) {
            Ok(store) => Ok(Arc::new(store) as Arc<dyn ObjectStore>),
            Err(error) => Err(SettingError::Refused { kind, source: error.into() }),
        };
        let names: Vec<_> = layout.objects.iter().map(|path| path.trim_end_matches('/')).collect();
        let at = at.map(|at| format!(" at {at}")).unwrap_or_default();
        let name = format!("{root}/{}{at}", names.join(";"));
        let (store, uploads) = (open(client_options().with_read_timeout(READ_TIMEOUT))?, open(client_options())?);
        Ok(Self { name, store, uploads, blocking: Blocking::new(kind)?, layout })
    }

    /// Waits for one answer.
    fn ask<T>(
        &self,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<object_store::Result<T>, ShareError> {
        self.blocking.wait(LIMIT, work)
    }

    fn read_at(&self, path: &Path, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        let read = async {
            let found = self.store.get(path).await?;
            if found.meta.size > MAX_OBJECT { Ok(None) } else { found.bytes().await.map(Some) }
        };
        match self.ask(read)? {
            Ok(Some(bytes)) => Ok(Some(bytes.into())),
            Ok(None) => Err(ShareError::TooLarge { name: name.clone() }),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(share_error(error)),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.name).finish()
    }
}

impl Place for Bucket {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn read(&self, name: &ObjectName) -> Result<Option<Vec<u8>>, ShareError> {
        for path in self.layout.objects(name) {
            if let Some(found) = self.read_at(&path, name)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], _keeps: &[Descriptor]) -> Result<(), ShareError> {
        for path in self.layout.objects(name) {
            self.ask(self.store.put(&path, PutPayload::from(bytes.to_vec())))?.map_err(share_error)?;
        }
        Ok(())
    }

    fn create(&self, name: &ObjectName, bytes: &[u8]) -> Result<bool, ShareError> {
        let Some(path) = self.layout.objects(name).next() else { return Ok(false) };
        let put = self.store.put_opts(&path, PutPayload::from(bytes.to_vec()), PutMode::Create.into());
        match self.ask(put)? {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) if knows_no_conditions(&error) => {
                if self.read_at(&path, name)?.is_some() {
                    return Ok(false);
                }
                self.ask(self.store.put(&path, PutPayload::from(bytes.to_vec())))?.map_err(share_error)?;
                // Who wrote last has it.
                Ok(self.read_at(&path, name)?.as_deref() == Some(bytes))
            }
            Err(error) => Err(share_error(error)),
        }
    }

    fn remove(&self, name: &ObjectName) -> Result<(), ShareError> {
        for path in self.layout.objects(name) {
            match self.ask(self.store.delete(&path))? {
                Err(error) if !is_absence(&error) => return Err(share_error(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn has_blob(&self, blob: &Descriptor) -> Result<bool, ShareError> {
        match self.ask(self.store.head(&self.layout.blob(blob)))? {
            Ok(found) => Ok(found.size == blob.size),
            Err(error) if is_absence(&error) => Ok(false),
            Err(error) => Err(share_error(error)),
        }
    }

    fn open_blob(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, ShareError> {
        blob::open(&self.blocking, self.store.as_ref(), &self.layout.blob(blob))
    }

    fn push_blob(&self, blob: &Descriptor, content: &dyn Content, told: &Told) -> Result<(), ShareError> {
        blob::push(&self.blocking, &self.uploads, &self.layout.blob(blob), blob.size, content, told)
    }
}

/// Few tries: a cache that cannot be had is done without.
fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 3.0 };
    RetryConfig { backoff, max_retries: 3, retry_timeout: PATIENCE }
}

/// Times between two signs of life are bounded, not times of whole transfers.
fn client_options() -> ClientOptions {
    // Another part of the program may have chosen a provider already: then that one is used.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout_disabled()
        .with_read_timeout_disabled()
        .with_pool_idle_timeout(IDLE)
}

#[cfg(test)]
mod tests;
