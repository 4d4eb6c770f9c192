//! `type=azblob`.

use std::sync::Arc;

use object_store::azure::MicrosoftAzureBuilder;
use reqwest::Url;

use crate::share::{Place, SettingError, Settings};

use super::{Bucket, Layout, retries};

const KIND: &str = "azblob";

/// Opens a container of Azure Blob Storage, which must be there; nothing is sent yet. Options: `account_url`, `container`,
/// `secret_access_key` and those that say where in the container. Of the environment, all `AZURE_*` that the client knows.
pub fn azblob(settings: &mut Settings) -> Result<Arc<dyn Place>, SettingError> {
    let layout = Layout::take(KIND, settings)?;
    let account_url = settings.take_or("account_url", "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL").ok_or_else(|| {
        let variable = Some("BUILDKIT_AZURE_STORAGE_ACCOUNT_URL".to_owned());
        SettingError::Missing { kind: KIND, option: "account_url", variable }
    })?;
    let container = settings.take_or("container", "BUILDKIT_AZURE_STORAGE_CONTAINER");
    let container = container.unwrap_or_else(|| "buildkit-cache".to_owned());
    let account = Account::of(&account_url)?;
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in &settings.environment {
        if let Some(key) = name.starts_with("AZURE_").then(|| name.to_ascii_lowercase().parse().ok()).flatten() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = settings.variable("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    if let Some(key) = settings.take("secret_access_key") {
        builder = builder.with_access_key(key);
    }
    let root = format!("{}/{container}", account.url);
    let builder = builder.with_endpoint(account.url).with_account(account.name).with_container_name(container);
    let opened = Bucket::new(KIND, (&root, None), layout, |options| {
        builder.clone().with_retry(retries()).with_client_options(options.with_allow_http(account.is_plain)).build()
    });
    Ok(Arc::new(opened?))
}

/// A storage account.
#[derive(PartialEq, Eq, Debug)]
struct Account {
    name: String,
    url: String,
    /// Whether it speaks no TLS.
    is_plain: bool,
}

impl Account {
    /// `https://ACCOUNT.blob.core.windows.net`; emulators have the account in the path.
    fn of(text: &str) -> Result<Self, SettingError> {
        let wrong = |reason: &str| SettingError::Value {
            kind: KIND,
            option: "account_url",
            // What may hold a signature or a password is not shown.
            value: if text.contains(['?', '@']) { "…".to_owned() } else { text.to_owned() },
            reason: reason.to_owned(),
        };
        let url = Url::parse(text).map_err(|_| wrong("it is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it is neither http nor https"));
        }
        // Such a thing would be shown in messages.
        if url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds more than host and path"));
        }
        let in_path = url.path().trim_matches('/');
        let in_host = url.host_str().and_then(|host| host.split('.').next()).unwrap_or_default();
        let name = if in_path.is_empty() { in_host } else { in_path };
        if name.is_empty() || name.contains('/') {
            return Err(wrong("it names no storage account"));
        }
        let is_plain = url.scheme() == "http";
        Ok(Self { name: name.to_owned(), url: url.as_str().trim_end_matches('/').to_owned(), is_plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_in_the_host_or_in_the_path() {
        for (given, name, url, is_plain) in [
            ("https://acc.blob.core.windows.net/", "acc", "https://acc.blob.core.windows.net", false),
            (
                "http://127.0.0.1:10000/devstoreaccount1",
                "devstoreaccount1",
                "http://127.0.0.1:10000/devstoreaccount1",
                true,
            ),
        ] {
            let want = Account { name: name.to_owned(), url: url.to_owned(), is_plain };
            assert_eq!(Account::of(given).unwrap(), want);
        }
        for bad in ["acc", "ftp://acc", "https://acc.example.com/?sig=hush", "https://a:hush@example.com"] {
            let error = Account::of(bad).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
