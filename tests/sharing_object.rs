//! Places of the shared cache that are services: object stores, plain servers, the cache of GitHub Actions. Each must keep the
//! same promises.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kiln::image::{Descriptor, Digest, MediaType};
use kiln::progress::Cancel;
use kiln::registry::Told;
use kiln::share::{Claims, Kind, ObjectName, Outcome, Place, Settings, ShareError};
use kiln::share::{azblob, gcs, gha, http, s3};

use super::kit::{AZURE_ACCOUNT, AZURE_KEY, BUCKET, BucketServer, CACHE_TOKEN, CacheServer, Fault, Faulty, noise};

fn settings(options: &[(&str, &str)]) -> Settings {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings { options, environment: BTreeMap::new() }
}

fn s3_at(address: &str, more: &[(&str, &str)]) -> Arc<dyn Place> {
    let endpoint = format!("http://{address}");
    let mut settings = settings(&[
        ("bucket", BUCKET),
        ("region", "us-east-1"),
        ("endpoint_url", &endpoint),
        ("access_key_id", "test"),
        ("secret_access_key", "test"),
    ]);
    settings.options.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    s3(&mut settings).unwrap()
}

fn gcs_at(server: &CacheServer) -> Arc<dyn Place> {
    let mut settings = settings(&[("bucket", "b")]);
    let key = serde_json::json!({
        "private_key": "x", "private_key_id": "x", "client_email": "x", "disable_oauth": true,
        "gcs_base_url": format!("http://{}", server.address),
    });
    settings.environment.insert("GOOGLE_SERVICE_ACCOUNT_KEY".to_owned(), key.to_string());
    settings.environment.insert("GOOGLE_BASE_URL".to_owned(), format!("http://{}", server.address));
    gcs(&mut settings).unwrap()
}

fn gha_at(server: &CacheServer, version: &str) -> Arc<dyn Place> {
    let url = format!("http://{}/", server.address);
    gha(&mut settings(&[(version, &url), ("token", CACHE_TOKEN)])).unwrap()
}

fn http_at(address: &str) -> Arc<dyn Place> {
    http(&mut settings(&[("url", &format!("http://{address}/cache"))])).unwrap()
}

fn blob_of(bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: MediaType::Other("application/octet-stream".to_owned()),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        urls: vec![],
        annotations: BTreeMap::new(),
        platform: None,
        artifact_type: None,
    }
}

/// What every place promises. Blobs of `large` bytes go in several pieces.
fn keeps_its_promises(place: &Arc<dyn Place>, large: usize) {
    let row = place.name();
    let (step, index) = (ObjectName::new(Kind::Step, "s1"), ObjectName::index());
    assert_eq!(place.read(&step).unwrap(), None, "{row}: nothing is there yet");
    place.write(&step, b"a record", &[]).unwrap();
    assert_eq!(place.read(&step).unwrap().unwrap(), b"a record", "{row}");
    for text in ["first", "second", "third"] {
        place.write(&index, text.as_bytes(), &[]).unwrap();
        assert_eq!(place.read(&index).unwrap().unwrap(), text.as_bytes(), "{row}: an object is written over");
    }
    let claim = ObjectName::new(Kind::Claim, "k-0");
    for text in ["mine", "mine again"] {
        assert!(place.create(&claim, text.as_bytes()).unwrap(), "{row}");
        assert!(!place.create(&claim, b"yours").unwrap(), "{row}: it is there already");
        assert_eq!(place.read(&claim).unwrap().unwrap(), text.as_bytes(), "{row}");
        place.remove(&claim).unwrap();
        place.remove(&claim).unwrap();
        assert_eq!(place.read(&claim).unwrap(), None, "{row}: it is gone");
    }
    for size in [0, 7, large] {
        let bytes = noise(size + 16).as_bytes()[..size].to_vec();
        let blob = blob_of(&bytes);
        assert!(!place.has_blob(&blob).unwrap(), "{row}");
        let told: Told = Arc::new(|_| ());
        place.push_blob(&blob, &bytes, &told).unwrap();
        assert!(place.has_blob(&blob).unwrap(), "{row}");
        let mut back = Vec::new();
        place.open_blob(&blob).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{row}: {size} bytes come back as {}", back.len());
    }
    one_of_many_runs_a_step(place);
}

/// Claims in that place: eight runners start at once, and one runs the step.
fn one_of_many_runs_a_step(place: &Arc<dyn Place>) {
    let ran = AtomicU32::new(0);
    let (record, start) = (ObjectName::new(Kind::Step, "claimed"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let claims = Claims::new(Arc::clone(place), Cancel::new().unwrap());
                while !start.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                match claims.take("claimed", &mut || (), &mut || Ok(place.read(&record)?.is_some())).unwrap() {
                    Outcome::Mine(_guard) => {
                        ran.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(100));
                        place.write(&record, b"done", &[]).unwrap();
                    }
                    Outcome::Done => assert!(place.read(&record).unwrap().is_some()),
                }
            });
        }
        start.store(true, Ordering::SeqCst);
    });
    assert_eq!(ran.load(Ordering::SeqCst), 1, "{}", place.name());
    assert_eq!(place.read(&ObjectName::new(Kind::Claim, "claimed-0")).unwrap(), None, "claims are given back");
}

#[test]
fn s3_keeps_its_promises() {
    let Some(server) = BucketServer::s3() else { return };
    keeps_its_promises(&s3_at(&server.address, &[("prefix", "team/"), ("name", "main;other")]), 10 << 20);
}

#[test]
fn azblob_keeps_its_promises() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = BucketServer::azure(dir.path()) else { return };
    let account = format!("http://{}/{AZURE_ACCOUNT}", server.address);
    let options = [("account_url", &account[..]), ("container", BUCKET), ("secret_access_key", AZURE_KEY)];
    keeps_its_promises(&azblob(&mut settings(&options)).unwrap(), 10 << 20);
}

#[test]
fn gcs_keeps_its_promises() {
    keeps_its_promises(&gcs_at(&CacheServer::start()), 10 << 20);
}

#[test]
fn both_versions_of_the_actions_cache_keep_their_promises() {
    for version in ["url_v2", "url"] {
        keeps_its_promises(&gha_at(&CacheServer::start(), version), 18 << 20);
    }
}

#[test]
fn a_plain_server_keeps_its_promises() {
    keeps_its_promises(&http_at(&CacheServer::start().address), 5 << 20);
}

#[test]
fn refusals_of_s3_are_told_apart() {
    let Some(server) = BucketServer::s3() else { return };
    let name = ObjectName::index();
    let missing = s3_at(&server.address, &[("bucket", "nobody-has-it")]);
    for error in [missing.read(&name).unwrap_err(), missing.write(&name, b"x", &[]).unwrap_err()] {
        assert!(matches!(error, ShareError::Failed(_)), "a missing bucket is no missing object: {error:?}");
    }
    let refusing = Faulty::start(&server.address, |_, _, _| Fault::Answer(403, ""));
    let error = s3_at(&refusing.address, &[]).read(&name).unwrap_err();
    assert!(matches!(error, ShareError::Denied(_)), "{error:?}");
}

/// Each place behind a line that does harm, and what is said of it.
fn on_a_bad_line(
    fault: &'static (dyn Fn(usize) -> Fault + Send + Sync),
    check: impl Fn(&str, Result<Option<Vec<u8>>, ShareError>),
) {
    let server = CacheServer::start();
    let line = Faulty::start(&server.address, |_, _, count| fault(count));
    let here = |name: &str| {
        let url = format!("http://{}/", line.address);
        match name {
            "http" => http_at(&line.address),
            "s3" => s3_at(&line.address, &[]),
            _ => gha(&mut settings(&[(name, &url), ("token", CACHE_TOKEN)])).unwrap(),
        }
    };
    for name in ["http", "s3", "url", "url_v2"] {
        check(name, here(name).read(&ObjectName::index()));
    }
}

#[test]
fn a_server_that_is_gone_is_unreachable_at_once() {
    let began = Instant::now();
    let place = http_at("127.0.0.1:9");
    assert!(matches!(place.read(&ObjectName::index()), Err(ShareError::Unreachable(_))));
    let error = s3_at("127.0.0.1:9", &[]).read(&ObjectName::index()).unwrap_err();
    assert!(matches!(error, ShareError::Unreachable(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn an_error_that_passes_costs_another_try_and_one_that_stays_is_told() {
    on_a_bad_line(&|count| if count == 0 { Fault::Answer(503, "") } else { Fault::None }, |name, read| {
        assert!(read.is_ok_and(|found| found.is_none()), "{name}");
    });
    on_a_bad_line(&|_| Fault::Answer(500, ""), |name, read| {
        assert!(matches!(read, Err(ShareError::Failed(_))), "{name}: {read:?}");
    });
    on_a_bad_line(&|_| Fault::Answer(401, ""), |name, read| {
        assert!(matches!(read, Err(ShareError::Denied(_))), "{name}: {read:?}");
    });
}

#[test]
fn the_token_of_actions_is_shown_to_the_service_alone() {
    let server = CacheServer::start();
    let place = gha_at(&server, "url_v2");
    // The server refuses a signed URL that comes with a token.
    place.write(&ObjectName::index(), b"x", &[]).unwrap();
    assert!(server.requests().iter().any(|request| request.starts_with("PUT /signed/")));
    let url = format!("http://{}/", server.address);
    let wrong = gha(&mut settings(&[("url_v2", &url), ("token", "guessed")])).unwrap();
    let error = wrong.read(&ObjectName::index()).unwrap_err();
    assert!(matches!(error, ShareError::Denied(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("guessed"));
}
