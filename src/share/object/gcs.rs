//! `type=gcs`.

use std::sync::Arc;

use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

use crate::share::{Place, SettingError, Settings};

use super::{Bucket, Layout, retries};

const KIND: &str = "gcs";

/// Opens a bucket of Google Cloud Storage; nothing is sent yet. Options: `bucket`, `endpoint_url` and those that say where in
/// the bucket. Credentials are those of the environment: all `GOOGLE_*` that the client knows, else the machine's.
pub fn gcs(settings: &mut Settings) -> Result<Arc<dyn Place>, SettingError> {
    let layout = Layout::take(KIND, settings)?;
    let bucket = settings.take_or("bucket", "GOOGLE_BUCKET");
    let variable = || Some("GOOGLE_BUCKET".to_owned());
    let bucket = bucket.ok_or_else(|| SettingError::Missing { kind: KIND, option: "bucket", variable: variable() })?;
    let mut builder = GoogleCloudStorageBuilder::new();
    let mut is_plain = false;
    for (name, value) in &settings.environment {
        let key = name.starts_with("GOOGLE_").then(|| name.to_ascii_lowercase().parse().ok()).flatten();
        if let Some(key) = key.or_else(|| (name == "SERVICE_ACCOUNT").then_some(GoogleConfigKey::ServiceAccount)) {
            is_plain |= key == GoogleConfigKey::BaseUrl && value.starts_with("http:");
            builder = builder.with_config(key, value);
        }
    }
    if let Some(url) = settings.take("endpoint_url") {
        is_plain = url.starts_with("http:");
        builder = builder.with_base_url(&url);
    }
    let root = format!("gs://{bucket}");
    let builder = builder.with_bucket_name(bucket).with_retry(retries());
    let opened = Bucket::new(KIND, (&root, None), layout, |options| {
        builder.clone().with_client_options(options.with_allow_http(is_plain)).build()
    });
    Ok(Arc::new(opened?))
}
