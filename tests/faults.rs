//! Registries and lines that fail: nothing wrong is ever stored, and each ends in success or in one clear error.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::kit::{Fault, Faulty, HTPASSWD, Kit, Registry, installed, noise, output_of, text};

/// Bytes of the layer: several pieces, whatever the piece.
const SIZE: usize = 300_000;

/// The number of blobs in a store, each of which must have the bytes that its name promises.
fn sound(store: &Path) -> usize {
    let Ok(blobs) = fs::read_dir(store.join("blobs/sha256")) else { return 0 };
    let mut count = 0;
    for entry in blobs {
        let path = entry.unwrap().path();
        let sum = output_of("sha256sum", &[text(&path)]);
        assert!(sum.starts_with(path.file_name().unwrap().to_str().unwrap()), "{}", path.display());
        count += 1;
    }
    count
}

fn push(kit: &mut Kit, name: &str) {
    kit.file("a", &noise(SIZE)).dockerfile("FROM scratch\nCOPY a /a\n");
    let output = kit.run(&["-o", &format!("type=registry,name={name}")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

const SMALL_MANIFEST: &[u8] = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;

type Harm = fn(&str, &str, usize) -> Fault;

fn first(count: usize, times: usize, fault: Fault) -> Fault {
    if count < times { fault } else { Fault::None }
}

#[test]
fn pulls_over_bad_lines_end_well_or_with_one_error() {
    let mut kit = Kit::new();
    let Some(registry) = Registry::start(&kit.path("registry")) else { return };
    push(&mut kit, &format!("{}/a/app:1", registry.address));
    let manifest = output_of(
        "skopeo",
        &["inspect", "--raw", "--tls-verify=false", &format!("docker://{}/a/app:1", registry.address)],
    );
    fs::write(kit.path("manifest"), manifest).unwrap();
    let digest = format!("sha256:{}", &output_of("sha256sum", &[text(&kit.path("manifest"))])[..64]);
    let rows: &[(&str, &str, Harm, &str)] = &[
        ("dropped", "", |_, _, count| first(count, 2, Fault::Drop), ""),
        ("answers lost", "", |_, _, count| first(count, 2, Fault::Lose), ""),
        (
            "too many requests",
            "",
            |_, path, count| {
                if path.contains("/manifests/") {
                    first(count, 1, Fault::Answer(429, "Retry-After: 1\r\n"))
                } else {
                    Fault::None
                }
            },
            "",
        ),
        ("server errors", "", |_, _, count| first(count, 2, Fault::Answer(500, "")), ""),
        (
            "cut off, twice",
            "",
            |_, path, count| if path.contains("/blobs/") { first(count, 2, Fault::Cut(100)) } else { Fault::None },
            "",
        ),
        ("dripping", "", |_, _, _| Fault::Drip(10_000), ""),
        (
            "a bit wrong, once",
            "",
            |_, path, count| if path.contains("/blobs/") { first(count, 1, Fault::Flip) } else { Fault::None },
            "",
        ),
        (
            "a bit wrong, always",
            "",
            |_, path, _| if path.contains("/blobs/") { Fault::Flip } else { Fault::None },
            "expected a blob of digest",
        ),
        (
            "too long",
            "",
            |_, path, _| if path.contains("/blobs/") { Fault::More } else { Fault::None },
            "has more bytes than",
        ),
        (
            "blobs gone",
            "",
            |_, path, _| if path.contains("/blobs/") { Fault::Answer(404, "") } else { Fault::None },
            "not found",
        ),
        ("errors for ever", "", |_, _, _| Fault::Answer(503, ""), "it answered 503"),
        ("told to wait for an hour", "", |_, _, _| Fault::Answer(429, "Retry-After: 3600\r\n"), "it answered 429"),
        (
            "another manifest, by tag",
            "",
            |_, path, _| if path.contains("/manifests/") { Fault::Other(b"{}") } else { Fault::None },
            "not an image that kiln can read",
        ),
        (
            "another manifest, by digest",
            "@",
            |_, path, _| if path.contains("/manifests/") { Fault::Other(SMALL_MANIFEST) } else { Fault::None },
            "expected a manifest of digest",
        ),
        (
            "a manifest a bit wrong, by digest",
            "@",
            |_, path, _| if path.contains("/manifests/") { Fault::Flip } else { Fault::None },
            "expected a manifest of digest",
        ),
    ];
    std::thread::scope(|scope| {
        for (row, by, harm, want) in rows {
            let (kit, registry, digest) = (&kit, &registry, &digest);
            scope.spawn(move || {
                let line = Faulty::start(&registry.address, *harm);
                let name = match *by {
                    "@" => format!("{}/a/app@{digest}", line.address),
                    _ => format!("{}/a/app:1", line.address),
                };
                let store = kit.path(&row.replace(' ', "-"));
                let began = Instant::now();
                let output = kit.kiln(&["pull", "--progress", "quiet", "--store", text(&store), &name]);
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.success(), want.is_empty(), "{row}: {stderr}");
                assert!(stderr.contains(want), "{row}: {stderr}");
                assert!(want.is_empty() || stderr.matches("error:").count() == 1, "{row}: {stderr}");
                assert!(began.elapsed() < Duration::from_secs(30), "{row}");
                assert!(began.elapsed() > Duration::from_secs(1) || *row != "too many requests", "it did not wait");
                let count = sound(&store);
                let listed = kit.kiln(&["images", "-q", "--store", text(&store)]);
                assert_eq!(
                    (listed.stdout.is_empty(), count == 3),
                    (!want.is_empty(), want.is_empty()),
                    "{row}: {count}"
                );
            });
        }
    });
}

#[test]
fn pushes_over_bad_lines_end_well_or_with_one_error() {
    let mut kit = Kit::new();
    let Some(registry) = Registry::start(&kit.path("registry")) else { return };
    if !installed("skopeo") {
        return;
    }
    kit.file("a", &noise(SIZE)).dockerfile("FROM scratch\nCOPY a /a\n");
    assert!(kit.run(&["-t", "app"]).status.success());
    let rows: &[(&str, Harm, &str)] = &[
        ("dropped", |_, _, count| first(count, 2, Fault::Drop), ""),
        ("server-errors", |_, _, count| first(count, 2, Fault::Answer(500, "")), ""),
        ("answers-lost", |_, _, count| first(count, 1, Fault::Lose), ""),
        (
            "too-many-requests",
            |method, _, count| {
                if method == "PUT" { first(count, 1, Fault::Answer(429, "Retry-After: 1\r\n")) } else { Fault::None }
            },
            "",
        ),
        ("dripping", |_, _, _| Fault::Drip(10), ""),
        (
            "refused-for-ever",
            |method, _, _| if method == "PUT" { Fault::Answer(500, "") } else { Fault::None },
            "it answered 500",
        ),
        (
            "wrong-digest",
            |method, path, _| {
                if method == "PUT" && path.contains("/manifests/") {
                    Fault::Answer(
                        201,
                        "Docker-Content-Digest: sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\r\n",
                    )
                } else {
                    Fault::None
                }
            },
            "it took manifest",
        ),
    ];
    std::thread::scope(|scope| {
        for (row, harm, want) in rows {
            let (kit, registry) = (&kit, &registry);
            scope.spawn(move || {
                let line = Faulty::start(&registry.address, *harm);
                let name = format!("{}/{row}/app:1", line.address);
                let output = kit.on_store(&["push", "--progress", "quiet", "app", &name]);
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert_eq!(output.status.success(), want.is_empty(), "{row}: {stderr}");
                assert!(stderr.contains(want), "{row}: {stderr}");
                assert!(want.is_empty() || stderr.matches("error:").count() == 1, "{row}: {stderr}");
                if want.is_empty() {
                    let place = format!("docker://{}/{row}/app:1", registry.address);
                    let digest = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                    let told = output_of(
                        "skopeo",
                        &["inspect", "--no-tags", "--tls-verify=false", "--format", "{{.Digest}}", &place],
                    );
                    assert_eq!(told.trim(), digest, "{row}");
                }
            });
        }
    });
}

#[test]
fn auth_7_a_registry_with_a_certificate_of_ones_own_and_a_password() {
    let mut kit = Kit::new();
    if !installed("openssl") {
        return;
    }
    let dir = kit.path("");
    let path = |name: &str| dir.join(name).display().to_string();
    let (ca, key, certificate) = (path("ca.pem"), path("key.pem"), path("certificate.pem"));
    let authority =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    let subject = ["-subj", "/CN=tests", "-keyout", &path("ca.key"), "-out", &ca];
    output_of("openssl", &[&authority[..], &subject].concat());
    let request =
        ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"];
    output_of("openssl", &[&request[..], &["-keyout", &key, "-out", &path("request.pem")]].concat());
    fs::write(kit.path("names"), "subjectAltName=DNS:localhost\n").unwrap();
    let sign = ["x509", "-req", "-in", &path("request.pem"), "-CA", &ca, "-CAkey", &path("ca.key"), "-CAcreateserial"];
    output_of("openssl", &[&sign[..], &["-days", "2", "-extfile", &path("names"), "-out", &certificate]].concat());
    fs::write(kit.path("htpasswd"), HTPASSWD).unwrap();
    let tls = format!("  tls: {{certificate: {certificate}, key: {key}}}\n");
    let auth = format!("auth:\n  htpasswd: {{realm: x, path: {}}}\n", path("htpasswd"));
    let Some(registry) = Registry::with(&kit.path("registry"), &tls, &auth) else { return };
    let host = &registry.address;
    let config = |text: &str| fs::write(path("config.toml"), format!("[registry.\"{host}\"]\n{text}\n")).unwrap();
    let login = |kit: &Kit| kit.kiln_fed(&["login", "-u", "user", "--password-stdin", host], b"secret");
    kit.env("KILN_CONFIG", &path("config.toml"));
    fs::write(kit.path("other.pem"), "no certificate").unwrap();
    config(&format!("ca = \"{}\"", kit.path("other.pem").display()));
    let refused = login(&kit);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("cannot use the certificates in"), "{refused:?}");
    output_of(
        "openssl",
        &[&authority[..], &["-subj", "/CN=others", "-keyout", &path("other.key"), "-out", &path("other.pem")]].concat(),
    );
    let refused = login(&kit);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no secure connection to registry"), "{refused:?}");
    assert!(!kit.path(".docker").exists());

    config(&format!("ca = \"{ca}\""));
    let accepted = login(&kit);
    assert!(accepted.status.success(), "{accepted:?}");
    let app = format!("{host}/a/app:1");
    push(&mut kit, &app);
    let pulled = kit.kiln(&["pull", "--store", text(&kit.path("pulled")), &app]);
    assert!(pulled.status.success(), "{pulled:?}");
    assert_eq!(sound(&kit.path("pulled")), 3);
}
