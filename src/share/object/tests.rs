use std::collections::BTreeMap;

use object_store::memory::InMemory;

use crate::image::MediaType;
use crate::share::Kind;

use super::*;

fn settings(options: &[(&str, &str)]) -> Settings {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings { options, environment: BTreeMap::new() }
}

fn bucket(names: &str) -> Bucket {
    let layout = Layout::take("s3", &mut settings(&[("name", names), ("prefix", "team/")])).unwrap();
    let store = Arc::new(InMemory::new());
    Bucket::new("s3", ("s3://b", None), layout, |_| Ok(Arc::clone(&store))).unwrap()
}

fn blob_of(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::Other("x".to_owned()), bytes)
}

#[test]
fn cx_1_prefixes_and_names_say_where_things_lie() {
    let mut given = settings(&[
        ("prefix", "team/"),
        ("blobs_prefix", "b/"),
        ("manifests_prefix", "m/"),
        ("name", "main;other"),
        ("mode", "max"),
    ]);
    let layout = Layout::take("s3", &mut given).unwrap();
    assert_eq!(layout.objects, ["team/m/main/", "team/m/other/"]);
    assert_eq!(layout.blobs, "team/b/");
    assert_eq!(given.options.keys().collect::<Vec<_>>(), ["mode"], "options of others are left");
    let usual = Layout::take("s3", &mut settings(&[])).unwrap();
    assert_eq!((&usual.objects[..], &usual.blobs[..]), (&["manifests/buildkit/".to_owned()][..], "blobs/"));
    for bad in ["a//", "../", "a/./"] {
        let error = Layout::take("s3", &mut settings(&[("prefix", bad)])).unwrap_err();
        assert!(matches!(error, SettingError::Value { .. }), "{bad}: {error}");
    }
}

#[test]
fn objects_are_written_created_and_removed() {
    let place = bucket("a");
    let name = ObjectName::new(Kind::Step, "k1");
    assert_eq!(place.read(&name).unwrap(), None);
    assert!(place.create(&name, b"1").unwrap());
    assert!(!place.create(&name, b"2").unwrap());
    assert_eq!(place.read(&name).unwrap().unwrap(), b"1");
    place.write(&name, b"3", &[]).unwrap();
    assert_eq!(place.read(&name).unwrap().unwrap(), b"3");
    place.remove(&name).unwrap();
    place.remove(&name).unwrap();
    assert_eq!(place.read(&name).unwrap(), None);
}

#[test]
fn of_several_names_the_first_that_has_it_is_read() {
    let mut place = bucket("a");
    let (one, two) = (ObjectName::new(Kind::Step, "k1"), ObjectName::new(Kind::Step, "k2"));
    place.write(&one, b"1", &[]).unwrap();
    place.layout.objects.insert(0, "team/manifests/branch/".to_owned());
    assert_eq!(place.read(&one).unwrap().unwrap(), b"1");
    place.write(&two, b"2", &[]).unwrap();
    for prefix in place.layout.objects.clone() {
        place.layout.objects = vec![prefix];
        assert_eq!(place.read(&two).unwrap().unwrap(), b"2", "written to each");
    }
}

#[test]
fn an_object_that_is_too_large_is_not_read() {
    let place = bucket("a");
    let name = ObjectName::index();
    place.write(&name, &vec![0; usize::try_from(MAX_OBJECT).unwrap() + 1], &[]).unwrap();
    assert!(matches!(place.read(&name), Err(ShareError::TooLarge { .. })));
}

#[test]
fn blobs_small_and_large_come_back_whole() {
    let place = bucket("a");
    for size in [0, 1, 8 << 20, (8 << 20) + 1, (40 << 20) + 7] {
        let bytes: Vec<u8> = (0..size).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let blob = blob_of(&bytes);
        assert!(!place.has_blob(&blob).unwrap());
        let seen = Arc::new(std::sync::Mutex::new(0));
        let told: Told = Arc::new({
            let seen = Arc::clone(&seen);
            move |done| *seen.lock().unwrap() = done
        });
        place.push_blob(&blob, &bytes, &told).unwrap();
        assert_eq!(*seen.lock().unwrap(), blob.size);
        assert!(place.has_blob(&blob).unwrap());
        let mut back = Vec::new();
        place.open_blob(&blob).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{size}");
    }
}

#[test]
fn content_that_breaks_off_leaves_no_blob() {
    let place = bucket("a");
    let mut blob = blob_of(b"short");
    blob.size = 20 << 20;
    let told: Told = Arc::new(|_| ());
    assert!(place.push_blob(&blob, &vec![1; 9 << 20], &told).is_err());
    assert!(!place.has_blob(&blob).unwrap());
}

#[test]
fn what_is_asked_for_wrongly_is_said() {
    for (row, opened, said) in [
        ("s3 without bucket", s3(&mut settings(&[])), "type=s3 needs `bucket=…`, or AWS_BUCKET in the environment"),
        (
            "s3 without region",
            s3(&mut settings(&[("bucket", "b")])),
            "type=s3 needs `region=…`, or AWS_REGION in the environment",
        ),
        (
            "gcs without bucket",
            gcs(&mut settings(&[])),
            "type=gcs needs `bucket=…`, or GOOGLE_BUCKET in the environment",
        ),
        (
            "azblob without account",
            azblob(&mut settings(&[])),
            "type=azblob needs `account_url=…`, or BUILDKIT_AZURE_STORAGE_ACCOUNT_URL in the environment",
        ),
        (
            "half a key",
            s3(&mut settings(&[("bucket", "b"), ("region", "r"), ("access_key_id", "x")])),
            "type=s3 cannot be used as it is set up",
        ),
    ] {
        assert_eq!(opened.unwrap_err().to_string(), said, "{row}");
    }
}

#[test]
fn the_environment_stands_for_options() {
    let mut given = settings(&[]);
    let variables = [
        ("AWS_BUCKET", "b"),
        ("AWS_REGION", "r"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
    ];
    given.environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let place = s3(&mut given).unwrap();
    assert_eq!(place.name(), "s3://b/manifests/buildkit at http://127.0.0.1:9");
    assert!(!format!("{place:?}").contains("hush"));
    let mut given = settings(&[("endpoint_url", "http://me:hush@127.0.0.1:9"), ("bucket", "b"), ("region", "r")]);
    assert!(!s3(&mut given).unwrap().name().contains("hush"));
}
