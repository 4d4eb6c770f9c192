//! Images to registries: Debian's `docker-registry` on loopback.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::kit::{HTPASSWD, Kit, Registry, Wire, installed, noise, output_of, text};

/// What the registry says of an image, read by another tool.
fn inspect(name: &str) -> Value {
    let output = output_of("skopeo", &["inspect", "--no-tags", "--tls-verify=false", &format!("docker://{name}")]);
    serde_json::from_str(&output).unwrap()
}

fn build(kit: &Kit, flags: &[&str]) -> String {
    let output = kit.run(flags);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

fn machine() -> Option<(Kit, Registry)> {
    let kit = Kit::new();
    if !installed("skopeo") {
        return None;
    }
    let registry = Registry::start(&kit.path("registry"))?;
    Some((kit, registry))
}

/// A base of one layer of random bytes, in `first/base:1` of the registry.
fn push_base(registry: &Registry, size: usize) {
    let mut base = Kit::new();
    base.file("big", &noise(size)).dockerfile("FROM scratch\nCOPY big /big\n");
    build(&base, &["-o", &format!("type=registry,name={}/first/base:1", registry.address)]);
}

#[test]
fn out_cli_2_a_build_is_pushed_under_all_its_names() {
    let Some((mut kit, registry)) = machine() else { return };
    let (one, two) = (format!("{}/a/app:1", registry.address), format!("{}/b/app:2", registry.address));
    let metadata = kit.path("metadata.json");
    kit.file("a", "x").dockerfile("FROM scratch\nCOPY a /a\n");
    build(&kit, &["--push", "-t", &one, "-t", &two, "--metadata-file", text(&metadata)]);
    let metadata: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    assert_eq!(metadata["image.name"], format!("{one},{two}"));
    for name in [&one, &two] {
        assert_eq!(inspect(name)["Digest"], metadata["containerimage.digest"], "{name}");
    }
    // By digest alone, no tag is made.
    let name = format!("{}/c/app", registry.address);
    build(&kit, &["-o", &format!("type=image,push=true,push-by-digest=true,name={name}")]);
    let pinned = format!("{name}@{}", metadata["containerimage.digest"].as_str().unwrap());
    assert_eq!(inspect(&pinned)["Digest"], metadata["containerimage.digest"]);
}

#[test]
fn a_base_is_mounted_and_its_layers_are_not_sent() {
    let Some((mut kit, registry)) = machine() else { return };
    push_base(&registry, 1 << 20);
    let wire = Wire::tap(&registry.address);
    let app = format!("{}/second/app:1", wire.address);
    kit.dockerfile(&format!("FROM {}/first/base:1\nLABEL a=b\nCMD [\"x\"]\n", wire.address));
    let log = build(&kit, &["--push", "-t", &app]);
    assert!(log.contains("mounted from another repository"), "{log}");
    assert!(wire.received() < 20_000 && wire.sent() < 20_000, "{} and {} bytes", wire.received(), wire.sent());
    assert_eq!(inspect(&format!("{}/second/app:1", registry.address))["Labels"]["a"], "b");

    // A change of one line moves that layer and documents.
    kit.file("line", "one").dockerfile(&format!("FROM {}/first/base:1\nCOPY --link line /\n", wire.address));
    build(&kit, &["--push", "-t", &app]);
    let again = build(&kit, &["--push", "-t", &app]);
    assert!(!again.contains("mounted"), "all is there: {again}");

    // What was pushed without its base is whole for somebody else, and for whoever wants it here.
    let other = kit.path("other");
    let pulled = kit.kiln(&["pull", "--store", text(&other), &app]);
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    let elsewhere = format!("{}/third/app:1", registry.address);
    let pushed = kit.kiln(&["push", "--store", text(&kit.path("store")), &app, &elsewhere]);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let layers = |name: &str| inspect(name)["Layers"].as_array().unwrap().len();
    assert_eq!(layers(&elsewhere), 2);
}

/// Mebibytes of the base in [`a_change_of_one_line_moves_no_layer_of_its_base`], where it is to be another size.
const BASE_MIB: &str = "KILN_TEST_BASE_MIB";

/// A base of four layers that no compression makes smaller, in `first/base:1` of the registry; gives its bytes.
fn push_large_base(registry: &Registry) -> u64 {
    let mib: usize = std::env::var(BASE_MIB).map_or(8, |text| text.parse().unwrap());
    let mut base = Kit::new();
    for number in 0..4 {
        // Each layer its own: not one blob four times.
        base.file(&format!("big{number}"), &(number.to_string() + &noise((mib << 20) / 4)));
    }
    base.dockerfile("FROM scratch\nCOPY big0 /\nCOPY big1 /\nCOPY big2 /\nCOPY big3 /\n");
    build(&base, &["-o", &format!("type=registry,compression=uncompressed,name={}/first/base:1", registry.address)]);
    (mib << 20) as u64
}

/// The instruction, and whether another registry, which has the base's layers in the repository that is pushed to, is the one
/// that gets it.
const CHANGES: &[(&str, bool)] = &[
    ("LABEL a=b", false),
    ("ENV A=b\nUSER 5\nWORKDIR /\nCMD [\"x\"]", false),
    ("COPY --link line /", false),
    ("COPY --link --chown=5:6 line /a/b/\nLABEL a=b\nCOPY --link line /c\nENV A=b", false),
    ("ADD --link line /a", false),
    ("COPY --link <<END /a\nx\nEND", false),
    ("FROM scratch AS other\nCOPY line /\nFROM base\nCOPY --link --from=other /line /", false),
    ("COPY --link line /", true),
];

#[test]
fn a_change_of_one_line_moves_no_layer_of_its_base() {
    let Some((mut kit, registry)) = machine() else { return };
    let Some(second) = Registry::start(&kit.path("second")) else { return };
    let size = push_large_base(&registry);
    let base = format!("{}/first/base:1", registry.address);
    let (from, to) = (format!("docker://{base}"), format!("docker://{}/app/app:0", second.address));
    let copied = kit.kiln(&["copy", "--store", text(&kit.path("copied")), &from, &to]);
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    kit.file("line", "one");
    for (change, elsewhere) in CHANGES {
        // Each on a machine that has never seen the base.
        kit.new_store();
        let (source, target) = (Wire::tap(&registry.address), Wire::tap(&second.address));
        let base = format!("FROM {}/first/base:1 AS base\n", source.address);
        kit.dockerfile(&format!("{base}{}{change}\n", if change.starts_with("FROM") { "" } else { "FROM base\n" }));
        let to = if *elsewhere { &target } else { &source };
        let (app, tag) = (if *elsewhere { "app/app" } else { "second/app" }, noise(16));
        build(&kit, &["--push", "-t", &format!("{}/{app}:{tag}", to.address)]);
        let moved = [source.received(), source.sent(), target.received(), target.sent()];
        assert!(moved.iter().all(|bytes| *bytes < 20_000), "{change}: {moved:?} bytes of a base of {size}");
        let there = if *elsewhere { &second } else { &registry };
        let pushed = inspect(&format!("{}/{app}:{tag}", there.address));
        assert!(pushed["Layers"].as_array().unwrap().len() >= 4, "{pushed}");
    }
}

#[test]
fn a_transfer_over_a_bad_line_ends_well() {
    let Some((kit, registry)) = machine() else { return };
    push_base(&registry, 12 << 20);
    let good = format!("{}/first/base:1", registry.address);
    let digest = inspect(&good)["Digest"].as_str().unwrap().to_owned();
    // Each connection is cut after 3 MiB, in both directions.
    let wire = Wire::cutting(&registry.address, 3 << 20);
    let store = kit.path("pulled");
    let from = format!("{}/first/base:1", wire.address);
    let pulled = kit.kiln(&["pull", "--store", text(&store), &from]);
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    assert_eq!(String::from_utf8_lossy(&pulled.stdout).trim(), digest);
    let received = wire.received();
    assert!(received < 14 << 20, "what had come came again: {received} bytes");
    assert_eq!(sound(&store), 3);

    // An upload that breaks off goes on in chunks.
    let wire = Wire::cutting(&registry.address, 5 << 20);
    let to = format!("{}/fourth/base:1", wire.address);
    fs::write(store.join("kiln/sources").join(layer_of(&good)), "").unwrap();
    let pushed = kit.kiln(&["push", "--store", text(&store), &from, &to]);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    assert_eq!(inspect(&format!("{}/fourth/base:1", registry.address))["Digest"], digest.as_str());
}

fn layer_of(name: &str) -> String {
    inspect(name)["Layers"][0].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned()
}

/// The number of blobs in a store, each of which must have the bytes that its name promises.
fn sound(store: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(store.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let sum = output_of("sha256sum", &[text(&path)]);
        assert!(sum.starts_with(path.file_name().unwrap().to_str().unwrap()), "{}", path.display());
        count += 1;
    }
    count
}

#[test]
fn auth_5_pushing_without_leave_is_told_with_the_way_out() {
    let mut kit = Kit::new();
    fs::write(kit.path("htpasswd"), HTPASSWD).unwrap();
    let auth = format!("auth:\n  htpasswd: {{realm: x, path: {}}}\n", kit.path("htpasswd").display());
    let Some(registry) = Registry::with(&kit.path("registry"), "", &auth) else { return };
    let app = format!("{}/a/app:1", registry.address);
    kit.dockerfile("FROM scratch\nLABEL a=b\n");
    let output = kit.run(&["--push", "-t", &app]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in ["push access denied", "hint: log in as somebody who may push there with `kiln login localhost:"] {
        assert!(stderr.contains(part), "no {part:?} in:\n{stderr}");
    }
}

/// An image that was pushed from here lacks layers that only its base's repository has; it can be built upon all the same.
#[test]
fn an_image_that_was_only_pushed_is_a_base() {
    let Some((mut kit, registry)) = machine() else { return };
    push_base(&registry, 1 << 16);
    kit.dockerfile(&format!("FROM {}/first/base:1\nLABEL a=b\n", registry.address));
    build(&kit, &["-t", "only-pushed", "-o", &format!("type=registry,name={}/second/app:1", registry.address)]);
    kit.file("a", "x").dockerfile("FROM only-pushed\nCOPY a /a\n");
    let image = kit.build().succeeds();
    assert_eq!(image.layer_digests().len(), 2);
    assert!(image.file_of_image("/big").is_some());
}
