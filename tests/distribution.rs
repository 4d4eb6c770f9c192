//! The distribution specification's endpoints, each asked by the command that needs it, against Debian's `docker-registry`:
//! what it was asked, what it answered, and what came of it by another tool's word.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::{Value, json};

use crate::kit::{Kit, Registry, Wire, hex, installed, noise, output_of, text};

/// A registry, a store with an image of two layers, and commands on both.
struct Ground {
    kit: Kit,
    registry: Registry,
    /// `localhost:PORT/team/app`
    app: String,
}

impl Ground {
    fn new() -> Option<Self> {
        let mut kit = Kit::new();
        if !installed("skopeo") {
            return None;
        }
        let registry = Registry::start(&kit.path("registry"))?;
        let app = format!("{}/team/app", registry.address);
        kit.file("a", &noise(200_000)).file("b", "two").dockerfile("FROM scratch\nCOPY a /a\nCOPY b /b\n");
        let built = kit.run(&["-t", "app"]);
        assert!(built.status.success(), "{}", said(&built));
        Some(Self { kit, registry, app })
    }

    /// Runs a command that must succeed, on the store where it has one.
    fn kiln(&self, words: &[&str]) -> String {
        let has_store = !matches!(words[0], "tags" | "referrers" | "delete" | "login");
        let output = if has_store { self.kit.on_store(words) } else { self.kit.kiln(words) };
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Pulls into a store where there is nothing yet.
    fn pull(&self, name: &str) -> Output {
        let _absent = fs::remove_dir_all(self.kit.path("other"));
        self.kit.kiln(&["pull", "--store", text(&self.kit.path("other")), name])
    }

    fn tags(&self, more: &[&str]) -> Vec<String> {
        let words = [&["tags", &self.app][..], more].concat();
        self.kiln(&words).lines().map(str::to_owned).collect()
    }

    /// A layout with one manifest that says something of `subject`; gives its digest.
    fn layout_about(&self, subject: &str) -> String {
        let dir = self.kit.path("about");
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        let put = |kind: &str, bytes: &[u8]| {
            let hex = hex(bytes);
            fs::write(dir.join("blobs/sha256").join(&hex), bytes).unwrap();
            json!({ "mediaType": kind, "digest": format!("sha256:{hex}"), "size": bytes.len() })
        };
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": kind,
            "artifactType": "text/sbom",
            "config": put("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [put("text/plain", b"what is in it")],
            "subject": { "mediaType": kind, "digest": subject, "size": 1 },
            "annotations": { "by": "the test" },
        });
        let entry = put(kind, manifest.to_string().as_bytes());
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        fs::write(dir.join("index.json"), index.to_string()).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        entry["digest"].as_str().unwrap().to_owned()
    }
}

/// The digest of the manifest, as another tool sees it.
fn digest(name: &str) -> String {
    let words = ["inspect", "--no-tags", "--tls-verify=false", "--format", "{{.Digest}}"];
    output_of("skopeo", &[&words[..], &[&format!("docker://{name}")]].concat()).trim().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The endpoint; what is shown; what is done, in the order of the rows; and what the registry must have been asked and have
/// answered, as patterns of `METHOD PATH STATUS`.
type Row = (&'static str, &'static str, fn(&Ground), &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "end-1",
        "is there a registry that takes this user",
        |ground| {
            let login = ["login", "-u", "anybody", "--password-stdin", &ground.registry.address];
            assert!(ground.kit.kiln_fed(&login, b"secret").status.success());
        },
        &["GET /v2/ 200"],
    ),
    (
        "end-2 end-4a end-6 end-7",
        "push: blobs that are not there in one piece each, then the manifest under its tag",
        |ground| {
            let pushed = ground.kiln(&["push", "app", &format!("{}:one", ground.app)]);
            assert_eq!(pushed.trim(), digest(&format!("{}:one", ground.app)));
        },
        &[
            "HEAD /v2/team/app/blobs/sha256:.* 404",
            "POST /v2/team/app/blobs/uploads/ 202",
            "PUT /v2/team/app/blobs/uploads/.*digest=sha256.* 201",
            "PUT /v2/team/app/manifests/one 201",
        ],
    ),
    (
        "end-2 end-7",
        "push again: blobs that are there are not sent",
        |ground| drop(ground.kiln(&["push", "app", &format!("{}:two", ground.app), &format!("{}:three", ground.app)])),
        &[
            "HEAD /v2/team/app/blobs/sha256:.* 200",
            "PUT /v2/team/app/manifests/two 201",
            "PUT /v2/team/app/manifests/three 201",
        ],
    ),
    (
        "end-7",
        "push by digest alone",
        |ground| {
            let output = format!("type=image,push=true,push-by-digest=true,name={}/by-digest", ground.registry.address);
            assert!(ground.kit.run(&["-o", &output]).status.success());
        },
        &["PUT /v2/by-digest/manifests/sha256:.* 201"],
    ),
    (
        "end-3 end-2",
        "pull by tag: the manifest, then its blobs",
        |ground| {
            let pulled = ground.pull(&format!("{}:one", ground.app));
            assert_eq!(String::from_utf8_lossy(&pulled.stdout).trim(), digest(&format!("{}:one", ground.app)));
        },
        &["GET /v2/team/app/manifests/one 200", "GET /v2/team/app/blobs/sha256:.* 200"],
    ),
    (
        "end-3",
        "pull by digest",
        |ground| {
            let name = format!("{}@{}", ground.app, digest(&format!("{}:one", ground.app)));
            assert!(ground.pull(&name).status.success());
        },
        &["GET /v2/team/app/manifests/sha256:.* 200"],
    ),
    (
        "end-3",
        "a base that has not changed is asked after, and not read",
        |ground| {
            let mut kit = Kit::new();
            kit.dockerfile(&format!("FROM {}:one\nLABEL a=b\n", ground.app));
            assert!(kit.run(&["-o", "type=cacheonly"]).status.success());
            let before = ground.registry.requests().len();
            assert!(kit.run(&["--pull", "-o", "type=cacheonly"]).status.success());
            let asked = ground.registry.requests();
            assert!(!asked[before..].iter().any(|line| line.starts_with("GET /v2/team/app/manifests")), "{asked:?}");
        },
        &["GET /v2/team/app/manifests/one 200", "HEAD /v2/team/app/manifests/one 200"],
    ),
    (
        "end-3",
        "what is not there is told as such",
        |ground| {
            let pulled = ground.pull(&format!("{}:absent", ground.app));
            assert!(!pulled.status.success() && said(&pulled).contains("absent: not found"), "{}", said(&pulled));
        },
        &["GET /v2/team/app/manifests/absent 404"],
    ),
    (
        "end-2",
        "a blob that breaks off goes on by a range",
        |ground| {
            let wire = Wire::cutting(&ground.registry.address, 60_000);
            let pulled = ground.pull(&format!("{}/team/app:one", wire.address));
            assert!(pulled.status.success(), "{}", said(&pulled));
        },
        &["GET /v2/team/app/blobs/sha256:.* 206"],
    ),
    (
        "end-11",
        "a blob of another repository is mounted",
        |ground| drop(ground.kiln(&["push", "app", &format!("{}/mounted/app:1", ground.registry.address)])),
        &["POST /v2/mounted/app/blobs/uploads/\\?mount=sha256.*&from=.* 201", "PUT /v2/mounted/app/manifests/1 201"],
    ),
    (
        "end-11 end-4a",
        "a blob that cannot be mounted is sent after all",
        |ground| {
            for blob in fs::read_dir(ground.kit.path("store/kiln/sources")).unwrap() {
                fs::write(blob.unwrap().path(), format!("{}/never/there\n", ground.registry.address)).unwrap();
            }
            ground.kiln(&["push", "app", &format!("{}/unmounted/app:1", ground.registry.address)]);
        },
        &["POST /v2/unmounted/app/blobs/uploads/\\?mount=.* 202", "PUT /v2/unmounted/app/blobs/uploads/.* 201"],
    ),
    (
        "end-13 end-5 end-6",
        "an upload that breaks off: the registry is asked how far it came, and what it does not have follows in chunks",
        |ground| {
            let mut kit = Kit::new();
            kit.file("a", &noise(12 << 20)).dockerfile("FROM scratch\nCOPY a /a\n");
            let wire = Wire::cutting(&ground.registry.address, 7 << 20);
            let output = format!("type=registry,compression=uncompressed,name={}/cut/app:1", wire.address);
            let pushed = kit.run(&["-o", &output]);
            assert!(pushed.status.success(), "{}", said(&pushed));
            assert!(ground.pull(&format!("{}/cut/app:1", ground.registry.address)).status.success());
        },
        &[
            // 404: this one forgets what has broken off.
            "GET /v2/cut/app/blobs/uploads/.* (204|404)",
            "PATCH /v2/cut/app/blobs/uploads/.* 202",
            "PUT /v2/cut/app/blobs/uploads/.*digest=sha256.* 201",
        ],
    ),
    (
        "end-8a",
        "the tags of a repository",
        |ground| assert_eq!(ground.tags(&[]), ["one", "three", "two"]),
        &["GET /v2/team/app/tags/list 200"],
    ),
    (
        "end-8b",
        "a part of them, also of a registry that always sends all",
        |ground| {
            assert_eq!(ground.tags(&["--limit", "2"]), ["one", "three"]);
            assert_eq!(ground.tags(&["--limit", "1", "--last", "one"]), ["three"]);
        },
        &["GET /v2/team/app/tags/list\\?n=2 200", "GET /v2/team/app/tags/list\\?n=1&last=one 200"],
    ),
    (
        "end-12a end-7",
        "referrers: a manifest with a subject is listed under the tag that stands for the list",
        |ground| {
            let subject = digest(&format!("{}:one", ground.app));
            let about = ground.layout_about(&subject);
            let place = format!("docker://{}@{about}", ground.app);
            ground.kiln(&["copy", &format!("oci:{}", ground.kit.path("about").display()), &place]);
            let one = format!("{}:one", ground.app);
            let found: Value = serde_json::from_str(&ground.kiln(&["referrers", &one, "--format", "json"])).unwrap();
            assert_eq!(found["subject"], subject);
            assert_eq!(found["referrers"][0]["digest"], about);
            assert_eq!(found["referrers"][0]["artifactType"], "text/sbom");
            assert_eq!(found["referrers"][0]["annotations"]["by"], "the test");
            let tag = format!("docker://{}:{}", ground.app, subject.replace(':', "-"));
            let raw = output_of("skopeo", &["inspect", "--raw", "--tls-verify=false", &tag]);
            assert!(raw.contains(&about), "{raw}");
        },
        &[
            "PUT /v2/team/app/manifests/sha256:.* 201",
            "PUT /v2/team/app/manifests/sha256-.* 201",
            "GET /v2/team/app/referrers/sha256:.* 404",
            "GET /v2/team/app/manifests/sha256-.* 200",
        ],
    ),
    (
        "end-12b",
        "referrers of one type",
        |ground| {
            let one = format!("{}:one", ground.app);
            assert!(ground.kiln(&["referrers", &one, "--artifact-type", "text/sbom"]).contains("text/sbom"));
            assert_eq!(ground.kiln(&["referrers", &one, "--artifact-type", "text/other"]), "");
        },
        &["GET /v2/team/app/referrers/sha256:.*\\?artifactType=text%2Fsbom 404"],
    ),
    (
        "end-9",
        "a referrer is removed, and leaves the list",
        |ground| {
            let about = ground.layout_about(&digest(&format!("{}:one", ground.app)));
            ground.kiln(&["delete", &format!("{}@{about}", ground.app)]);
            assert_eq!(ground.kiln(&["referrers", &format!("{}:one", ground.app)]), "");
        },
        &["DELETE /v2/team/app/manifests/sha256:.* 202", "PUT /v2/team/app/manifests/sha256-.* 201"],
    ),
    (
        "end-9",
        "a tag alone, which this registry cannot remove; and what it leads to, with all tags",
        |ground| {
            let two = format!("{}:two", ground.app);
            let refused = ground.kit.kiln(&["delete", &two]);
            assert!(said(&refused).contains("cannot remove a tag alone"), "{}", said(&refused));
            assert_eq!(ground.tags(&[]).iter().filter(|tag| !tag.starts_with("sha256-")).count(), 3);
            ground.kiln(&["delete", "--manifest", &two]);
            assert!(!ground.pull(&format!("{}:one", ground.app)).status.success());
        },
        &["DELETE /v2/team/app/manifests/two 400", "DELETE /v2/team/app/manifests/sha256:.* 202"],
    ),
    (
        "end-10",
        "a blob",
        |ground| {
            let name = format!("{}/mounted/app:1", ground.registry.address);
            let words = ["inspect", "--no-tags", "--tls-verify=false", &format!("docker://{name}")];
            let inspected: Value = serde_json::from_str(&output_of("skopeo", &words)).unwrap();
            let layer = inspected["Layers"][0].as_str().unwrap();
            ground.kiln(&["delete", "--blob", &format!("{}/mounted/app@{layer}", ground.registry.address)]);
            assert!(!ground.pull(&name).status.success());
        },
        &["DELETE /v2/mounted/app/blobs/sha256:.* 202"],
    ),
];

/// Endpoints that no command asks, and why.
const NOT_ASKED: &[(&str, &str)] =
    &[("end-4b", "a registry that knows no upload in one request has read the body in vain: two requests serve all")];

/// The names of the endpoints in the specification's table (version 1.1).
const ENDPOINTS: [&str; 16] = [
    "end-1", "end-2", "end-3", "end-4a", "end-4b", "end-5", "end-6", "end-7", "end-8a", "end-8b", "end-9", "end-10",
    "end-11", "end-12a", "end-12b", "end-13",
];

#[test]
fn every_endpoint_is_asked_as_the_specification_says() {
    let shown: BTreeSet<&str> =
        ROWS.iter().flat_map(|(ends, ..)| ends.split(' ')).chain(NOT_ASKED.iter().map(|(end, _)| *end)).collect();
    assert_eq!(shown, BTreeSet::from(ENDPOINTS));
    let Some(ground) = Ground::new() else { return };
    for (ends, what, does, wanted) in ROWS {
        let before = ground.registry.requests().len();
        does(&ground);
        for pattern in *wanted {
            let pattern = Regex::new(&format!("^{pattern}$")).unwrap();
            let began = Instant::now();
            // The registry writes its log after the answer.
            while !ground.registry.requests()[before..].iter().any(|line| pattern.is_match(line)) {
                let asked = ground.registry.requests()[before..].join("\n");
                assert!(began.elapsed() < Duration::from_secs(3), "{ends}: {what}: no {pattern} in:\n{asked}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
