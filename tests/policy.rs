//! What a policy demands of bases, with keys and signatures made on the spot, as cosign lays them down.

use std::fs;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::kit::{Kit, Registry, hex, text};

/// Somebody with a key of ECDSA P-256.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap())
    }

    fn pem(&self) -> String {
        let before = BASE64_STANDARD.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=").unwrap();
        let body = BASE64_STANDARD.encode([&before[..], self.0.public_key().as_ref()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }
}

/// Where a signature is laid down.
enum Place {
    /// Under the tag `sha256-….sig`.
    Tag,
    /// As a referrer (OCI 1.1).
    Referrer,
}

struct Ground {
    kit: Kit,
    registry: Registry,
    signer: Signer,
}

impl Ground {
    fn new() -> Option<Self> {
        let kit = Kit::new();
        let registry = Registry::start(&kit.path("registry"))?;
        let signer = Signer::new();
        fs::write(kit.path("team.pub"), signer.pem()).unwrap();
        Some(Self { kit, registry, signer })
    }

    /// Pushes an image to `repository:1`, and gives its digest.
    fn push(&self, repository: &str) -> String {
        let mut kit = Kit::new();
        kit.file("a", repository).dockerfile("FROM scratch\nCOPY a /a\n");
        let metadata = kit.path("metadata");
        let output = format!("type=registry,name={}/{repository}:1", self.registry.address);
        let pushed = kit.run(&["-o", &output, "--metadata-file", text(&metadata)]);
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        let metadata: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
        metadata["containerimage.digest"].as_str().unwrap().to_owned()
    }

    /// Signs `digest` as of the repository `identity`, and lays the signature down in `repository`.
    fn sign(&self, by: &Signer, repository: &str, digest: &str, identity: &str, place: &Place) {
        self.lay(by, repository, digest, identity, place, digest);
    }

    /// The same beside the image `beside`.
    fn lay(&self, by: &Signer, repository: &str, digest: &str, identity: &str, place: &Place, beside: &str) {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": identity },
                "image": { "docker-manifest-digest": digest },
                "type": "cosign container image signature",
            },
            "optional": null,
        })
        .to_string();
        let signature = by.0.sign(&SystemRandom::new(), payload.as_bytes()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        let put = |kind: &str, bytes: &[u8]| {
            fs::write(dir.path().join("blobs/sha256").join(hex(bytes)), bytes).unwrap();
            json!({ "mediaType": kind, "digest": format!("sha256:{}", hex(bytes)), "size": bytes.len() })
        };
        let mut layer = put("application/vnd.dev.cosign.simplesigning.v1+json", payload.as_bytes());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": BASE64_STANDARD.encode(signature) });
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let config = match place {
            Place::Tag => "application/vnd.oci.image.config.v1+json",
            Place::Referrer => "application/vnd.dev.cosign.artifact.sig.v1+json",
        };
        let mut manifest =
            json!({ "schemaVersion": 2, "mediaType": kind, "config": put(config, b"{}"), "layers": [layer] });
        if let Place::Referrer = place {
            manifest["subject"] = json!({ "mediaType": kind, "digest": beside, "size": 1 });
        }
        let entry = put(kind, manifest.to_string().as_bytes());
        fs::write(dir.path().join("index.json"), json!({ "schemaVersion": 2, "manifests": [entry] }).to_string())
            .unwrap();
        fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let which = match place {
            Place::Tag => format!(":{}.sig", beside.replace(':', "-")),
            Place::Referrer => format!("@{}", entry["digest"].as_str().unwrap()),
        };
        let to = format!("docker://{}/{repository}{which}", self.registry.address);
        let from = format!("oci:{}", dir.path().display());
        let copied = self.kit.kiln(&["copy", "--store", text(&self.kit.path("signing")), &from, &to]);
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }

    fn policy(&self, rules: &str) -> String {
        let path = self.kit.path("policy.toml");
        fs::write(&path, rules.replace("REGISTRY", &self.registry.address)).unwrap();
        text(&path).to_owned()
    }

    /// What a build says that fails under the policy; nothing where it succeeds.
    fn build(&mut self, dockerfile: &str, policy: &str) -> Option<String> {
        let policy = self.policy(policy);
        self.kit.dockerfile(&dockerfile.replace("REGISTRY", &self.registry.address));
        let output = self.kit.run(&["--policy", &policy, "-o", text(&self.kit.path("out"))]);
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn assert_refused(said: Option<String>, parts: &[&str]) {
    let said = said.expect("it was built");
    for part in parts {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

#[test]
fn digests_may_be_required_and_registries_be_refused() {
    let Some(mut ground) = Ground::new() else { return };
    let digest = ground.push("team/base");
    let rules = "[images.\"*\"]\nrequire = \"digest\"\n[images.\"REGISTRY/other\"]\nrequire = \"refuse\"\n";
    let refused = ground.build("# one\nFROM REGISTRY/team/base:1\n", rules);
    assert_refused(refused, &["Dockerfile:2:", "policy.toml requires a digest", "`kiln pin` writes its digest"]);
    let refused = ground.build("FROM scratch\nCOPY --from=REGISTRY/team/base:1 /a /\n", rules);
    assert_refused(refused, &["Dockerfile:2:", "requires a digest"]);
    let refused = ground.build(&format!("FROM REGISTRY/other/base@{digest}\n"), rules);
    assert_refused(refused, &["Dockerfile:1:", "refuses images from there"]);
    assert_eq!(ground.build(&format!("FROM REGISTRY/team/base@{digest}\n"), rules), None);
    assert_eq!(
        ground.build("FROM scratch AS base\nFROM scratch\nCOPY --from=base / /\n", rules),
        None,
        "stages are no images"
    );
    // A lock file will do.
    let dockerfile = ground.kit.path("Dockerfile");
    fs::write(&dockerfile, format!("FROM {}/team/base:1\n", ground.registry.address)).unwrap();
    assert!(ground.kit.kiln(&["pin", "--lock", text(&dockerfile)]).status.success());
    let policy = ground.policy(rules);
    let built = ground.kit.run(&["--policy", &policy, "--locked", "-o", text(&ground.kit.path("locked"))]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[test]
fn signatures_may_be_required() {
    let Some(mut ground) = Ground::new() else { return };
    let digest = ground.push("team/base");
    let (from, rules) = (
        "FROM REGISTRY/team/base:1\n",
        "[images.\"REGISTRY\"]\nrequire = \"signature\"\nkeys = [\"team.pub\"]\n[images.\"REGISTRY/free\"]\nrequire = \"nothing\"\n",
    );
    let identity = format!("{}/team/base", ground.registry.address);
    let refused = ground.build(from, rules);
    assert_refused(refused, &["Dockerfile:1:", "requires a signature", &digest, "has none", "cosign sign"]);
    let stranger = Signer::new();
    ground.sign(&stranger, "team/base", &digest, &identity, &Place::Tag);
    assert_refused(ground.build(from, rules), &["none of those of sha256:", "none of the keys has made it"]);
    // A good signature of something else.
    let other = format!("sha256:{}", "0".repeat(64));
    for (about, named, want) in
        [(&other, &identity, "it is about sha256:000"), (&digest, &(identity.clone() + "2"), "base2`")]
    {
        ground.lay(&ground.signer, "team/base", about, named, &Place::Tag, &digest);
        assert_refused(ground.build(from, rules), &[want]);
    }
    ground.sign(&ground.signer, "team/base", &digest, &identity, &Place::Tag);
    assert_eq!(ground.build(from, rules), None);
    // What the store knows already is checked all the same.
    assert_eq!(ground.build(from, rules), None);
    let forgotten = format!("{identity}:{}.sig", digest.replace(':', "-"));
    assert!(ground.kit.kiln(&["delete", "--manifest", &forgotten]).status.success());
    assert_refused(ground.build(from, rules), &["has none"]);
    // Referrers.
    ground.sign(&ground.signer, "team/base", &digest, &identity, &Place::Referrer);
    assert_eq!(ground.build(from, rules), None);
    // What needs none.
    let free = ground.push("free/base");
    assert_eq!(ground.build("FROM REGISTRY/free/base:1\n", rules), None);
    assert_ne!(free, digest);
}

#[test]
fn an_image_that_was_copied_has_the_identity_of_where_it_was_signed() {
    let Some(mut ground) = Ground::new() else { return };
    let digest = ground.push("mirror/base");
    ground.sign(&ground.signer, "mirror/base", &digest, "registry.example/up/base", &Place::Tag);
    let from = "FROM REGISTRY/mirror/base:1\n";
    let rules = |identity: &str| {
        format!("[images.\"*\"]\nrequire = \"signature\"\nkeys = [\"team.pub\"]\nidentity = \"{identity}\"\n")
    };
    assert_refused(ground.build(from, &rules("same")), &["it is about `registry.example/up/base`"]);
    assert_refused(ground.build(from, &rules("registry.example/other")), &["it is about `registry.example/up/base`"]);
    for identity in ["registry.example/up", "any"] {
        assert_eq!(ground.build(from, &rules(identity)), None, "{identity}");
    }
    // The form of other tools.
    let key = BASE64_STANDARD.encode(ground.signer.pem());
    let signed = |repository: &str| {
        json!([{
            "type": "sigstoreSigned", "keyData": key,
            "signedIdentity": { "type": "exactRepository", "dockerRepository": repository },
        }])
    };
    for (repository, good) in [("registry.example/up/base", true), ("registry.example/up/other", false)] {
        let policy = json!({
            "default": [{ "type": "reject" }],
            "transports": { "docker": { &ground.registry.address: signed(repository) } },
        });
        let path = ground.kit.path("policy.json");
        fs::write(&path, policy.to_string()).unwrap();
        let built = ground.kit.run(&["--policy", text(&path), "-o", text(&ground.kit.path("json"))]);
        assert_eq!(built.status.success(), good, "{}", String::from_utf8_lossy(&built.stderr));
    }
}

#[test]
fn a_policy_is_found_where_the_configuration_is() {
    let Some(mut ground) = Ground::new() else { return };
    ground.push("team/base");
    ground.kit.dockerfile(&format!("FROM {}/team/base:1\n", ground.registry.address));
    let out = ground.kit.path("out");
    let run = |kit: &Kit, more: &[&str]| {
        let output = kit.run(&[more, &["-o", text(&out)]].concat());
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(run(&ground.kit, &[]).0);
    let (built, said) = run(&ground.kit, &["--policy", "/absent/policy.toml"]);
    assert!(!built && said.contains("cannot read /absent/policy.toml"), "{said}");
    let (built, said) = run(&ground.kit, &["--policy", "filename=x.rego,strict=true"]);
    assert!(!built && said.contains("source policies of the reference is not supported"), "{said}");
    fs::create_dir_all(ground.kit.path(".config/kiln")).unwrap();
    fs::write(ground.kit.path(".config/kiln/policy.toml"), "[images.\"*\"]\nrequire = \"digest\"\n").unwrap();
    let (built, said) = run(&ground.kit, &[]);
    assert!(!built && said.contains("requires a digest"), "{said}");
    fs::write(ground.kit.path("open.toml"), "").unwrap();
    ground.kit.env("KILN_POLICY", text(&ground.kit.path("open.toml").clone()));
    assert!(run(&ground.kit, &[]).0);
}
