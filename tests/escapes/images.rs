//! Images that lie: in their layout, manifest or config.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::stage::{Holes, Stage, turns};
use super::tar::{Entry, tar};

/// What is changed in an image's documents before they get their digests.
pub(super) struct Lies {
    pub(super) config: fn(&mut Value),
    pub(super) manifest: fn(&mut Value),
    pub(super) index: fn(&mut Value),
}

impl Default for Lies {
    fn default() -> Self {
        Self { config: |_| {}, manifest: |_| {}, index: |_| {} }
    }
}

/// Writes a layout of the image in `base` with further layers.
pub(super) fn layout(dir: &Path, base: &Path, layers: &[&[u8]], lies: &Lies) {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob_of = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        base.join("blobs/sha256").join(digest)
    };
    let put = |media_type: &str, bytes: &[u8]| {
        let hex = hex(bytes);
        fs::write(blobs.join(&hex), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() })
    };
    let mut index = read(&base.join("index.json"));
    let mut manifest = read(&blob_of(&index["manifests"][0]));
    let mut config = read(&blob_of(&manifest["config"]));
    let below = fs::read(blob_of(&manifest["layers"][0])).unwrap();
    put("application/vnd.oci.image.layer.v1.tar", &below);
    for layer in layers {
        let (media_type, plain) = match layer {
            [0x1f, 0x8b, ..] => ("application/vnd.oci.image.layer.v1.tar+gzip", unzipped_digest(layer)),
            _ => ("application/vnd.oci.image.layer.v1.tar", hex(layer)),
        };
        manifest["layers"].as_array_mut().unwrap().push(put(media_type, layer));
        config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(format!("sha256:{plain}")));
        config["history"].as_array_mut().unwrap().push(json!({ "created_by": "hostile" }));
    }
    (lies.config)(&mut config);
    manifest["config"] = put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    (lies.manifest)(&mut manifest);
    let mut entry = put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    entry["annotations"] = index["manifests"][0]["annotations"].clone();
    entry["platform"] = index["manifests"][0]["platform"].clone();
    index["manifests"][0] = entry;
    (lies.index)(&mut index);
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// An honest image of one more layer.
pub(super) fn based(dir: &Path, base: &Path, entries: &[Entry]) {
    layout(dir, base, &[&tar(entries)], &Lies::default());
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unzipped_digest(bytes: &[u8]) -> String {
    let mut plain = Vec::new();
    // A bomb's end may be missing.
    let _cut = flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain);
    hex(&plain)
}

fn config(change: fn(&mut Value)) -> Lies {
    Lies { config: change, ..Lies::default() }
}

fn manifest(change: fn(&mut Value)) -> Lies {
    Lies { manifest: change, ..Lies::default() }
}

fn index(change: fn(&mut Value)) -> Lies {
    Lies { index: change, ..Lies::default() }
}

/// What an image tries; its lies; and whether the build must be refused, where it is not merely contained.
fn images() -> Vec<(&'static str, Lies, Option<bool>)> {
    configs().into_iter().chain(onbuilds()).chain(documents()).collect()
}

fn configs() -> Vec<(&'static str, Lies, Option<bool>)> {
    vec![
        ("runs as a user of the machine", config(|c| c["config"]["User"] = json!("outsider")), Some(true)),
        (
            "runs as a user beyond all ids",
            config(|c| c["config"]["User"] = json!("99999999999999999999:-1")),
            Some(true),
        ),
        ("has a user with a path", config(|c| c["config"]["User"] = json!("../../root")), Some(true)),
        (
            "works in a directory that climbs",
            config(|c| c["config"]["WorkingDir"] = json!("/../../../../../../..")),
            Some(false),
        ),
        (
            "works in a descriptor of the builder",
            config(|c| c["config"]["WorkingDir"] = json!("/proc/self/fd/8/../..")),
            Some(false),
        ),
        (
            "works in a directory with a zero byte",
            config(|c| c["config"]["WorkingDir"] = json!("/a\u{0}b")),
            Some(true),
        ),
        ("has a variable with a zero byte", config(|c| c["config"]["Env"] = json!(["A=b\u{0}c"])), Some(true)),
        (
            "has variables without a name or a value",
            config(|c| c["config"]["Env"] = json!(["=", "A", "", "PATH=/bin"])),
            Some(false),
        ),
        (
            "loads a library into the builder",
            config(|c| c["config"]["Env"] = json!(["LD_PRELOAD=/evil.so", "PATH=/bin"])),
            Some(false),
        ),
        (
            "has volumes outside",
            config(|c| c["config"]["Volumes"] = json!({"/../../../outside": {}, "": {}, "x": {}})),
            Some(false),
        ),
    ]
}

fn onbuilds() -> Vec<(&'static str, Lies, Option<bool>)> {
    vec![
        (
            "allows itself everything in an ONBUILD",
            config(|c| c["config"]["OnBuild"] = json!(["RUN --security=insecure true"])),
            Some(true),
        ),
        (
            "takes the machine's network in an ONBUILD",
            config(|c| c["config"]["OnBuild"] = json!(["RUN --network=host true"])),
            Some(true),
        ),
        (
            "copies from above the context in an ONBUILD",
            config(|c| c["config"]["OnBuild"] = json!(["COPY ../../../../../../etc/passwd /stolen"])),
            Some(true),
        ),
        (
            "mounts what is above the context in an ONBUILD",
            config(|c| {
                c["config"]["OnBuild"] = json!(["RUN --mount=type=bind,source=../../..,target=/m ls -R /m > /stolen"]);
            }),
            Some(false),
        ),
        (
            "asks for a secret in an ONBUILD",
            config(|c| {
                c["config"]["OnBuild"] = json!(["RUN --mount=type=secret,id=../../outside/secret,required=true true"]);
            }),
            Some(true),
        ),
        (
            "starts another image in an ONBUILD",
            config(|c| c["config"]["OnBuild"] = json!(["FROM busybox"])),
            Some(true),
        ),
        (
            "has an ONBUILD within an ONBUILD",
            config(|c| c["config"]["OnBuild"] = json!(["ONBUILD RUN true"])),
            Some(false),
        ),
        ("has 20000 ONBUILDs of nothing", config(|c| c["config"]["OnBuild"] = json!(vec![""; 20000])), Some(true)),
    ]
}

/// Layers, manifests and indexes; and what of a config tells of them.
fn documents() -> Vec<(&'static str, Lies, Option<bool>)> {
    vec![
        (
            "has a shell that is the builder's program",
            config(|c| c["config"]["Shell"] = json!(["/proc/self/exe"])),
            Some(true),
        ),
        ("has no shell", config(|c| c["config"]["Shell"] = json!([])), Some(false)),
        ("has numbers for words", config(|c| c["config"]["Env"] = json!([1, {}])), Some(true)),
        ("has a list for a config", config(|c| c["config"] = json!([])), None),
        ("has no root filesystem", config(|c| c["rootfs"] = json!(null)), Some(true)),
        ("has more layers than diff_ids", config(|c| c["rootfs"]["diff_ids"] = json!([])), Some(true)),
        (
            "lies about what is in its layer",
            config(|c| c["rootfs"]["diff_ids"][0] = json!(format!("sha256:{}", "0".repeat(64)))),
            Some(true),
        ),
        ("is of the year 300000", config(|c| c["created"] = json!("300000-01-01T00:00:00Z")), Some(false)),
        ("says that its layer is smaller", manifest(|m| m["layers"][0]["size"] = json!(7)), Some(true)),
        ("says that its layer is larger", manifest(|m| m["layers"][0]["size"] = json!(u64::MAX)), Some(true)),
        ("says that its layer has fewer than no bytes", manifest(|m| m["layers"][0]["size"] = json!(-1)), Some(true)),
        (
            "names a file of the machine as its layer",
            manifest(|m| m["layers"][0]["digest"] = json!("sha256:../../../outside/secret")),
            Some(true),
        ),
        (
            "names a file of the machine as its config",
            manifest(|m| m["config"]["digest"] = json!("../../outside/secret")),
            Some(true),
        ),
        (
            "names a digest of another kind",
            manifest(|m| m["config"]["digest"] = json!("../../outside:secret")),
            Some(true),
        ),
        (
            "has a layer from elsewhere",
            manifest(|m| m["layers"][0]["urls"] = json!(["file:///etc/passwd", "http://127.0.0.1:1/x"])),
            Some(false),
        ),
        (
            "has a layer of an unknown kind",
            manifest(|m| m["layers"][0]["mediaType"] = json!("text/x-shellscript")),
            None,
        ),
        ("has its manifest for a config", manifest(|m| m["config"] = json!({"mediaType": "x", "size": 1})), Some(true)),
        (
            "names a file of the machine as its manifest",
            index(|i| i["manifests"][0]["digest"] = json!("sha256:../../../outside/secret")),
            Some(true),
        ),
        ("says that its manifest is larger", index(|i| i["manifests"][0]["size"] = json!(1u64 << 40)), Some(true)),
        ("has no manifests", index(|i| i["manifests"] = json!([])), Some(true)),
        (
            "has two images of one name",
            index(|i| {
                let entry = i["manifests"][0].clone();
                i["manifests"].as_array_mut().unwrap().push(entry);
            }),
            Some(false),
        ),
    ]
}

#[test]
fn no_image_gets_away_with_a_lie() {
    let mut holes = Holes::default();
    let mut stages = Stage::all();
    for stage in &mut stages {
        let layout = format!("evil=oci-layout://{}", stage.kit.path("evil").display());
        stage.kit.flag(&["--build-context", &layout]).file("a", "x");
        stage.kit.dockerfile("FROM evil\nRUN id > /id; ls / > /list\nCOPY a /a\n");
    }
    for (row, (tries, lies, refused)) in images().into_iter().enumerate() {
        for stage in turns(row, 1).filter_map(|rung| stages.get(rung)) {
            // Nothing of an honest image before it may hide the lie.
            for dir in ["evil", "store"] {
                let _absent = fs::remove_dir_all(stage.kit.path(dir));
                fs::create_dir(stage.kit.path(dir)).unwrap();
            }
            layout(&stage.kit.path("evil"), &stage.kit.path("base"), &[], &lies);
            let output = stage.build(&[]);
            holes.note(&format!("an image that {tries}"), stage.rung(), stage.is_contained(&output, refused));
        }
    }
    holes.none();
}
