//! `kiln copy`: images between registries, layouts, archives and the store.

use std::fs;

use serde_json::{Value, json};

use crate::kit::{Kit, Registry, Wire, installed, noise, output_of, text};

fn copy(kit: &Kit, words: &[&str]) -> String {
    let output = kit.on_store(&[&["copy"], words].concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn raw(place: &str) -> Value {
    serde_json::from_str(&output_of("skopeo", &["inspect", "--raw", "--tls-verify=false", place])).unwrap()
}

/// A layout with an index of images for two platforms, `two`, and its digest.
fn two_platforms(kit: &mut Kit) -> String {
    let layout = kit.path("layout");
    for platform in ["linux/amd64", "linux/arm64"] {
        kit.file("a", platform).dockerfile("FROM scratch\nCOPY a /a\n");
        let output = format!("type=oci-layout,dest={},name=one:{}", text(&layout), &platform[6..]);
        let built = kit.run(&["--platform", platform, "-o", &output]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let strip = |entry: &Value| {
        let mut entry = entry.clone();
        entry.as_object_mut().unwrap().remove("annotations");
        entry
    };
    let entries: Vec<Value> = index["manifests"].as_array().unwrap().iter().map(strip).collect();
    let kind = "application/vnd.oci.image.index.v1+json";
    let list = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": entries }).to_string();
    fs::write(kit.path("list"), &list).unwrap();
    let digest = output_of("sha256sum", &[text(&kit.path("list"))])[..64].to_owned();
    fs::write(layout.join("blobs/sha256").join(&digest), &list).unwrap();
    let name = json!({ "org.opencontainers.image.ref.name": "two" });
    let top =
        json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": list.len(), "annotations": name });
    let index = json!({ "schemaVersion": 2, "manifests": [top] }).to_string();
    fs::write(layout.join("index.json"), index).unwrap();
    format!("sha256:{digest}")
}

#[test]
fn a_manifest_list_goes_round_whole_or_for_one_platform() {
    let mut kit = Kit::new();
    if !installed("skopeo") {
        return;
    }
    let Some(registry) = Registry::start(&kit.path("registry")) else { return };
    let digest = two_platforms(&mut kit);
    let layout = format!("oci:{}:two", text(&kit.path("layout")));
    let remote = |name: &str| format!("docker://{}/{name}", registry.address);
    kit.new_store();
    assert_eq!(copy(&kit, &["--all", &layout, &remote("a/all:1")]), digest);
    assert_eq!(raw(&remote("a/all:1"))["manifests"].as_array().unwrap().len(), 2);

    // From registry to registry, to archives, to the store and back: the same digest each time.
    kit.new_store();
    assert_eq!(copy(&kit, &["--all", &remote("a/all:1"), &remote("b/all:2")]), digest);
    let archive = format!("oci-archive:{}", text(&kit.path("all.tar")));
    assert_eq!(copy(&kit, &["--all", &remote("b/all:2"), &format!("{archive}:v1")]), digest);
    kit.new_store();
    assert_eq!(copy(&kit, &["--all", &archive, "store:mine:1"]), digest);
    assert_eq!(copy(&kit, &["--all", "store:mine:1", &remote("c/all:3")]), digest);
    assert_eq!(raw(&remote("c/all:3")), raw(&remote("a/all:1")));

    // One platform: its manifest alone.
    for (platform, want) in [("linux/arm64", "linux/arm64"), ("linux/amd64", "linux/amd64")] {
        kit.new_store();
        let one = remote(&format!("one/{}:1", &platform[6..]));
        let digest = copy(&kit, &["--platform", platform, &remote("a/all:1"), &one]);
        let manifest = raw(&one);
        assert!(manifest.get("manifests").is_none());
        assert!(raw(&remote("a/all:1"))["manifests"].to_string().contains(&digest));
        let config =
            output_of("skopeo", &["inspect", "--config", "--tls-verify=false", "--override-arch", &want[6..], &one]);
        assert_eq!(serde_json::from_str::<Value>(&config).unwrap()["architecture"], want[6..]);
    }
    let refused = kit.on_store(&["copy", "--platform", "linux/s390x", &remote("a/all:1"), "store:x"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr.contains("hint: there is: linux/amd64, linux/arm64"), "{stderr}");
    // As with pull, of which only the platform asked for is fetched.
    let pulled =
        kit.kiln(&["pull", "--store", text(&kit.path("arm")), "--platform", "linux/arm64", &remote("a/all:1")[9..]]);
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    assert_eq!(fs::read_dir(kit.path("arm/blobs/sha256")).unwrap().count(), 4, "index, manifest, config, layer");
}

#[test]
fn what_kiln_copies_other_tools_read_and_the_other_way_round() {
    let mut kit = Kit::new();
    if !installed("skopeo") {
        return;
    }
    kit.file("a", "x").dockerfile("FROM scratch\nCOPY a /a\n");
    assert!(kit.run(&["-t", "app:1"]).status.success());
    let path = |name: &str| text(&kit.path(name)).to_owned();
    let digest = copy(&kit, &["store:app:1", &format!("oci:{}:tag", path("layout"))]);
    for (kind, name, theirs) in [
        ("oci", "by-skopeo", "oci:{}:x"),
        ("oci-archive", "by-skopeo.tar", "oci-archive:{}:x"),
        ("docker-archive", "by-skopeo-docker.tar", "docker-archive:{}:app:2"),
    ] {
        let theirs = theirs.replace("{}", &path(name));
        output_of("skopeo", &["copy", "-q", &format!("oci:{}:tag", path("layout")), &theirs]);
        let store = format!("store:from-{kind}");
        let copied = copy(&kit, &[&theirs, &store]);
        assert!(kind == "docker-archive" || copied == digest, "{kind}");
        let ours = format!("{kind}:{}:app:3", path(&format!("by-kiln-{kind}")));
        copy(&kit, &[&store, &ours]);
        output_of("skopeo", &["inspect", &ours]);
    }
}

#[test]
fn within_a_registry_no_layer_moves() {
    let mut kit = Kit::new();
    let Some(registry) = Registry::start(&kit.path("registry")) else { return };
    kit.file("a", &noise(1 << 20)).dockerfile("FROM scratch\nCOPY a /a\n");
    assert!(kit.run(&["--push", "-t", &format!("{}/a/app:1", registry.address)]).status.success());
    kit.new_store();
    let wire = Wire::tap(&registry.address);
    let place = |name: &str| format!("docker://{}/{name}", wire.address);
    copy(&kit, &[&place("a/app:1"), &place("b/app:1")]);
    assert!(wire.received() < 20_000 && wire.sent() < 20_000, "{} and {} bytes", wire.received(), wire.sent());
}

#[test]
fn places_that_are_none_are_told_with_what_may_be_meant() {
    let kit = Kit::new();
    for (words, want) in [
        (["app:1", "store:x"], "`store:app:1`"),
        (["store:none", "store:x"], "there is no image `none` in the store"),
        (["oci:/none/there", "store:x"], "cannot read /none/there"),
        (["store:x", "ocj:y"], "did you mean `oci`?"),
    ] {
        let output = kit.on_store(&[&["copy"][..], &words[..]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(stderr.contains(want), "{words:?}: {stderr}");
    }
}
