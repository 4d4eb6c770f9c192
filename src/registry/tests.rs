//! The client against a registry that fails in all ways.

use std::io::Read;

use crate::image::{Descriptor, Digest, MediaType, Reference};
use crate::store::{BlobSource, Store};

use super::credentials::Credentials;
use super::fake::{Answer, Fake, Request, ok, status};
use super::{Access, Error, Page, Registry};

const INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;

fn registry(mirrors: &[&str]) -> Registry {
    let mirrors = mirrors.iter().map(|mirror| (*mirror).to_owned()).collect();
    Registry::with_credentials(Access { mirrors, ..Access::default() }, Credentials::in_files(vec![]))
}

fn name(fake: &Fake) -> Reference {
    format!("{}/a/b:1", fake.address).parse().unwrap()
}

fn blob(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::Other("x".to_owned()), bytes)
}

fn read(registry: &Registry, name: &Reference, blob: &Descriptor) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = registry.blob(name, blob).map_err(|error| error.to_string())?;
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[test]
fn a_passing_failure_is_tried_again_and_a_lasting_one_is_not() {
    let fake = Fake::start(|request, before| match request.path.as_str() {
        "/v2/" => status(200),
        "/v2/a/b/manifests/1" if before < 2 => status(503),
        "/v2/a/b/manifests/1" => ok(INDEX),
        _ => status(404),
    });
    let registry = registry(&[]);
    let resolved = registry.resolve(&name(&fake)).unwrap();
    assert_eq!((resolved.descriptor.digest, &resolved.bytes[..]), (Digest::of(INDEX), INDEX));
    let other: Reference = format!("{}/other", fake.address).parse().unwrap();
    let error = registry.resolve(&other).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("{other}: not found"));
    let asked = fake.requests().iter().filter(|request| request.path.contains("other")).count();
    assert_eq!(asked, 1);
}

#[test]
fn three_failures_are_an_error() {
    let fake = Fake::start(|_, _| status(500));
    let error = registry(&[]).resolve(&name(&fake)).unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error:?}");
}

#[test]
fn a_blob_that_breaks_off_goes_on_where_it_stopped() {
    let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    for ranges in [true, false] {
        let content = bytes.clone();
        let fake = Fake::start(move |request: &Request, before| {
            if !request.path.contains("/blobs/") {
                return status(200);
            }
            let start = request.headers.lines().find_map(|line| line.strip_prefix("range: bytes="));
            let start: usize = start.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or_default();
            let cut = (before < 2).then_some(300_000);
            if ranges && start > 0 {
                return Answer { status: 206, body: content[start..].to_vec(), cut, ..Answer::default() };
            }
            // Each full answer gets further than the one before.
            Answer { cut: cut.map(|cut| cut * (before + 1)), ..ok(&content) }
        });
        let got = read(&registry(&[]), &name(&fake), &blob(&bytes)).unwrap();
        assert!(got == bytes, "ranges: {ranges}");
    }
}

struct Source(Registry, Reference);

impl BlobSource for Source {
    fn fetch(&self, blob: &Descriptor) -> std::io::Result<Box<dyn Read + Send>> {
        Ok(self.0.blob(&self.1, blob)?)
    }
}

#[test]
fn apply_6_nothing_wrong_gets_into_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for lie in [&b"evil"[..], b"good and more"] {
        let fake = Fake::start(move |_, _| ok(lie));
        let good = blob(b"good");
        let error = store.ensure_blob(&good, Some(&Source(registry(&[]), name(&fake)))).unwrap_err().to_string();
        assert!(error.contains("sha256"), "{error}");
        assert!(!store.has(&good.digest));
    }
}

#[test]
fn auth_5_another_host_gets_no_credentials() {
    let other = Fake::start(|_, _| ok(b"bytes"));
    let place = other.address.clone();
    let fake = Fake::start(move |request, _| {
        if !request.headers.contains("authorization: basic dtpw") {
            return Answer { headers: vec!["WWW-Authenticate: Basic realm=x".to_owned()], ..status(401) };
        }
        Answer { headers: vec![format!("Location: http://{place}/elsewhere")], ..status(307) }
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, fake.address)).unwrap();
    let registry = Registry::with_credentials(Access::default(), Credentials::in_files(vec![file]));
    assert_eq!(read(&registry, &name(&fake), &blob(b"bytes")).unwrap(), b"bytes");
    let asked = other.requests();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].headers.contains("authorization"), "{}", asked[0].headers);
}

#[test]
fn auth_5_a_token_is_fetched_with_the_credentials_and_denial_is_told() {
    let fake = Fake::start(|request, _| {
        if request.path.starts_with("/token") {
            let good = request.headers.contains("authorization: basic dtpw");
            return if good { ok(br#"{"token":"t0ken"}"#) } else { status(401) };
        }
        if request.headers.contains("authorization: bearer t0ken") {
            return ok(INDEX);
        }
        let host = request.headers.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"");
        Answer { headers: vec![challenge], ..status(401) }
    });
    let name = name(&fake);
    let error = registry(&[]).resolve(&name).unwrap_err();
    assert!(matches!(error, Error::Denied { .. }) && error.help().is_some(), "{error:?}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    // `u:p`, of which lower case is `dtpw`.
    std::fs::write(&file, format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, fake.address)).unwrap();
    let registry = Registry::with_credentials(Access::default(), Credentials::in_files(vec![file]));
    assert_eq!(registry.resolve(&name).unwrap().bytes, INDEX);
    let token = fake.requests().into_iter().find(|request| request.path.starts_with("/token")).unwrap();
    assert!(token.path.contains("scope=repository%3Aa%2Fb%3Apull"), "{}", token.path);
}

#[test]
fn mirrors_are_asked_in_order_and_dead_ones_once() {
    let fake = Fake::start(|request, _| match request.path.as_str() {
        "/v2/library/busybox/manifests/latest" => ok(INDEX),
        _ => status(200),
    });
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let registry = registry(&[&format!("localhost:{}", free.port()), &fake.address]);
    let name = "busybox".parse().unwrap();
    let first = std::time::Instant::now();
    assert_eq!(registry.resolve(&name).unwrap().bytes, INDEX);
    let (first, second) = (first.elapsed(), std::time::Instant::now());
    registry.resolve(&name).unwrap();
    assert!(second.elapsed() < first, "the dead mirror is not tried again");
}

#[test]
fn a_registry_that_is_not_there_is_told_with_a_way_out() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let name: Reference = format!("localhost:{}/x", free.port()).parse().unwrap();
    let error = registry(&[]).resolve(&name).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.help().is_some(), "{error:?}");
}

fn link(path: &str) -> Answer {
    Answer { status: 200, headers: vec![format!("Link: <{path}>; rel=\"next\"")], ..Answer::default() }
}

#[test]
fn tags_come_page_by_page() {
    let fake = Fake::start(|request, _| match request.path.as_str() {
        "/v2/a/b/tags/list" => Answer { body: br#"{"tags":["1","2"]}"#.to_vec(), ..link("/v2/a/b/tags/list?last=2") },
        "/v2/a/b/tags/list?last=2" => ok(br#"{"tags":["3"]}"#),
        "/v2/a/b/tags/list?n=1" => Answer { body: br#"{"tags":["1"]}"#.to_vec(), ..link("list?n=1&last=1") },
        "/v2/a/b/tags/list?n=1&last=1" => ok(br#"{"tags":["2"]}"#),
        "/v2/null/tags/list" => ok(br#"{"name":"null","tags":null}"#),
        "/v2/circle/tags/list" => Answer { body: b"{}".to_vec(), ..link("/v2/circle/tags/list") },
        _ => status(404),
    });
    let registry = registry(&[]);
    let tags = |repository: &str, page: Page| {
        let name = format!("{}/{repository}", fake.address).parse().unwrap();
        registry.tags(&name, &page).map_err(|error| format!("{error:?}"))
    };
    assert_eq!(tags("a/b", Page::default()).unwrap(), ["1", "2", "3"]);
    assert_eq!(tags("a/b", Page { limit: Some(1), after: None }).unwrap(), ["1"]);
    assert_eq!(tags("a/b", Page { limit: Some(1), after: Some("1".to_owned()) }).unwrap(), ["2"]);
    assert!(tags("null", Page::default()).unwrap().is_empty());
    assert!(tags("circle", Page::default()).unwrap_err().contains("no end"));
    let asked = fake.requests().iter().filter(|request| request.path == "/v2/a/b/tags/list?n=1").count();
    assert_eq!(asked, 1, "the second page is not fetched for nothing");
}

#[test]
fn referrers_are_those_that_the_registry_lists() {
    let digest = Digest::of(b"x");
    let entry = |kind: &str| {
        format!(
            r#"{{"mediaType":"text/x","digest":"{}","size":1,"artifactType":"{kind}"}}"#,
            Digest::of(kind.as_bytes())
        )
    };
    let page = |entry: String| format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#).into_bytes();
    let (first, second) = (page(entry("one")), page(entry("two")));
    let fake = Fake::start(move |request, _| {
        let list = format!("/v2/a/b/referrers/{}", Digest::of(b"x"));
        match request.path.strip_prefix(&list) {
            Some("") => Answer { body: first.clone(), ..link(&format!("{list}?page=2")) },
            // A registry need not sift.
            Some("?page=2" | "?artifactType=two" | "?artifactType=three") => ok(&second),
            _ => status(404),
        }
    });
    let registry = registry(&[]);
    let types = |kind: Option<&str>| {
        let found = registry.referrers(&name(&fake), &digest, kind).unwrap();
        found.into_iter().filter_map(|entry| entry.artifact_type).collect::<Vec<_>>()
    };
    assert_eq!(types(None), ["one", "two"]);
    assert_eq!(types(Some("two")), ["two"]);
    assert!(types(Some("three")).is_empty());
    let other = Digest::of(b"other");
    assert!(registry.referrers(&name(&fake), &other, None).unwrap().is_empty(), "neither a list nor a tag");
}

#[test]
fn a_tag_goes_alone_where_the_registry_can_do_that() {
    let fake = Fake::start(|request, _| match request.path.as_str() {
        "/v2/a/b/manifests/1" => status(202),
        "/v2/old/manifests/1" => status(405),
        "/v2/shut/manifests/1" => status(403),
        _ => status(404),
    });
    let registry = registry(&[]);
    let delete = |repository: &str| registry.delete_tag(&format!("{}/{repository}:1", fake.address).parse().unwrap());
    assert!(delete("a/b").unwrap());
    assert!(!delete("old").unwrap());
    assert!(matches!(delete("absent").unwrap_err(), Error::NotFound { .. }));
    let denied = delete("shut").unwrap_err();
    assert!(denied.to_string().contains("delete access denied") && denied.help().unwrap().contains("may delete"));
}
