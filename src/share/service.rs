use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use super::{Place, SettingError, Settings, azblob, gcs, gha, http, s3};

/// A place that is a service: an object store, a server, the cache of a forge. Nothing has been sent to it yet.
#[derive(Clone, Debug)]
pub struct Service(Arc<dyn Place>);

/// How each type is opened.
type Open = fn(&mut Settings) -> Result<Arc<dyn Place>, SettingError>;

const KINDS: [(&str, Open); 5] = [("s3", s3), ("gcs", gcs), ("azblob", azblob), ("gha", gha), ("http", http)];

impl Service {
    /// Opens the place of type `kind`, and takes its options out of `fields`; `None` where there is no such type. What is not
    /// among the options may stand in the environment. The error is one line.
    pub(super) fn open(kind: &str, fields: &mut BTreeMap<String, String>) -> Option<Result<Self, String>> {
        let (_, open) = KINDS.iter().find(|(name, _)| *name == kind)?;
        // A variable that is no text is none of those that count here.
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut settings = Settings { options: std::mem::take(fields), environment: environment.collect() };
        let opened = open(&mut settings);
        *fields = settings.options;
        let told = |error: SettingError| match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        Some(opened.map(Self).map_err(told))
    }

    /// The place itself.
    pub(super) fn place(&self) -> Arc<dyn Place> {
        Arc::clone(&self.0)
    }
}

/// Two are the same where they lie at the same place.
impl PartialEq for Service {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl Eq for Service {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn cx_1_services_take_their_options_and_leave_others() {
        let mut given =
            fields("bucket=b,region=r,endpoint_url=http://127.0.0.1:9,use_path_style=true,prefix=team/,mode=max");
        let service = Service::open("s3", &mut given).unwrap().unwrap();
        assert_eq!(service.place().name(), "s3://b/team/manifests/buildkit at http://127.0.0.1:9");
        assert_eq!(given.keys().collect::<Vec<_>>(), ["mode"]);
        assert!(Service::open("tape", &mut fields("")).is_none());
        let error = Service::open("http", &mut fields("")).unwrap().unwrap_err();
        assert_eq!(error, "type=http needs `url=…`");
    }

    #[test]
    fn places_in_one_bucket_are_told_apart() {
        let open = |text: &str| Service::open("gcs", &mut fields(text)).unwrap().unwrap();
        assert_eq!(open("bucket=b"), open("bucket=b,name=buildkit"));
        assert_ne!(open("bucket=b"), open("bucket=b,name=other"));
        assert_ne!(open("bucket=b"), open("bucket=b,prefix=x/"));
    }
}
