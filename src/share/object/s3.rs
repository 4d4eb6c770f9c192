//! `type=s3`.

use std::net::IpAddr;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use reqwest::Url;

use crate::share::{Place, SettingError, Settings};

use super::{Bucket, Layout, retries};

const KIND: &str = "s3";

/// Opens a bucket of S3 or of a service that speaks as S3 does; nothing is sent yet. Options: `bucket`, `region`,
/// `endpoint_url`, `use_path_style`, `access_key_id`, `secret_access_key`, `session_token` and those that say where in the bucket; `touch_refresh` and `upload_parallelism` mean nothing here.
/// Of the environment, all `AWS_*` that the client knows: keys, web identity, roles of containers.
pub fn s3(settings: &mut Settings) -> Result<Arc<dyn Place>, SettingError> {
    let layout = Layout::take(KIND, settings)?;
    let bucket = settings.take_or("bucket", "AWS_BUCKET").ok_or(missing("bucket", "AWS_BUCKET"))?;
    for other in ["touch_refresh", "upload_parallelism"] {
        settings.options.remove(other);
    }
    let (builder, at, is_plain) = client(settings, &bucket)?;
    let root = format!("s3://{bucket}");
    let opened = Bucket::new(KIND, (&root, at.as_deref()), layout, |options| {
        builder.clone().with_client_options(options.with_allow_http(is_plain)).build()
    });
    Ok(Arc::new(opened?))
}

fn missing(option: &'static str, variable: &str) -> SettingError {
    SettingError::Missing { kind: KIND, option, variable: Some(variable.to_owned()) }
}

/// How the service is spoken to, where that was said, and whether without TLS.
fn client(settings: &mut Settings, bucket: &str) -> Result<(AmazonS3Builder, Option<String>, bool), SettingError> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in &settings.environment {
        if let Some(key) = name.starts_with("AWS_").then(|| name.to_ascii_lowercase().parse().ok()).flatten() {
            builder = builder.with_config(key, value);
        }
    }
    let region = settings.take("region");
    let region = region.or_else(|| {
        ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| settings.variable(name).map(str::to_owned))
    });
    let endpoint = settings.take("endpoint_url");
    let endpoint = endpoint.or_else(|| {
        ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().find_map(|name| settings.variable(name).map(str::to_owned))
    });
    // Services of others mostly do not care.
    let region = match (region, &endpoint) {
        (Some(region), _) => region,
        (None, Some(_)) => "us-east-1".to_owned(),
        (None, None) => return Err(missing("region", "AWS_REGION")),
    };
    let path_style = settings.take_boolean(KIND, "use_path_style")?.unwrap_or(false);
    let mut is_plain = false;
    if let Some(endpoint) = &endpoint {
        let place = Endpoint::of(endpoint, bucket, path_style)?;
        is_plain = place.is_plain;
        builder = builder.with_endpoint(place.url).with_virtual_hosted_style_request(place.has_bucket);
    } else {
        // Certificates of the service are for one label before its name.
        builder = builder.with_virtual_hosted_style_request(!path_style && !bucket.contains('.'));
    }
    for (option, set) in [
        ("access_key_id", AmazonS3Builder::with_access_key_id as fn(AmazonS3Builder, String) -> AmazonS3Builder),
        ("secret_access_key", AmazonS3Builder::with_secret_access_key),
        ("session_token", AmazonS3Builder::with_token),
    ] {
        if let Some(value) = settings.take(option) {
            builder = set(builder, value);
        }
    }
    let builder = builder.with_bucket_name(bucket).with_region(region).with_retry(retries());
    Ok((builder, endpoint.map(|endpoint| crate::remote::redacted(&endpoint)), is_plain))
}

/// Where a service answers.
#[derive(PartialEq, Eq, Debug)]
struct Endpoint {
    url: String,
    /// Whether the bucket is part of the host's name.
    has_bucket: bool,
    /// Whether it speaks no TLS.
    is_plain: bool,
}

impl Endpoint {
    /// A host that has no name has none below it either: then the bucket is part of the path, whatever was asked for.
    fn of(text: &str, bucket: &str, path_style: bool) -> Result<Self, SettingError> {
        let wrong =
            |reason: String| SettingError::Value { kind: KIND, option: "endpoint_url", value: text.to_owned(), reason };
        let mut url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        let host = url.host_str().ok_or_else(|| wrong("it names no host".to_owned()))?.to_owned();
        let is_plain = match url.scheme() {
            "http" => true,
            "https" => false,
            _ => return Err(wrong("it is neither http nor https".to_owned())),
        };
        let is_address = host == "localhost" || host.starts_with('[') || host.parse::<IpAddr>().is_ok();
        let has_bucket = !path_style && !is_address && !bucket.contains('.');
        if has_bucket {
            url.set_host(Some(&format!("{bucket}.{host}"))).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(Self { url: url.as_str().trim_end_matches('/').to_owned(), has_bucket, is_plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_part_of_the_host_where_it_can_be() {
        for (given, bucket, path_style, url, has_bucket, is_plain) in [
            ("https://s3.example.com", "b", false, "https://b.s3.example.com", true, false),
            ("https://s3.example.com/", "b", true, "https://s3.example.com", false, false),
            ("https://s3.example.com", "b.c", false, "https://s3.example.com", false, false),
            ("http://127.0.0.1:9000", "b", false, "http://127.0.0.1:9000", false, true),
            ("http://localhost:9000", "b", false, "http://localhost:9000", false, true),
            ("http://[::1]:9000", "b", false, "http://[::1]:9000", false, true),
        ] {
            let want = Endpoint { url: url.to_owned(), has_bucket, is_plain };
            assert_eq!(Endpoint::of(given, bucket, path_style).unwrap(), want, "{given}");
        }
        for bad in ["nonsense", "ftp://host", "https://"] {
            assert!(matches!(Endpoint::of(bad, "b", false), Err(SettingError::Value { .. })), "{bad}");
        }
    }
}
