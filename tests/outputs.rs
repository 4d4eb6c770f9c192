//! Where an image goes.

use std::fs;

use serde_json::Value;

use crate::kit::{Image, Kit, Registry, installed, noise, output_of, text};

fn kit() -> Kit {
    let mut kit = Kit::new();
    kit.file("dir/file", "text").dockerfile("FROM scratch\nCOPY . /\n").flag(&["-t", "app:1", "-t", "app:2"]);
    kit
}

fn run(kit: &Kit, flags: &[&str]) -> Vec<u8> {
    let output = kit.run(flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn arc_1_a_docker_archive_is_an_oci_layout_as_well() {
    let kit = kit();
    let path = kit.path("docker.tar");
    run(&kit, &["-o", &format!("type=docker,dest={}", text(&path))]);
    let image = Image::read(&path);
    let manifest: Value = serde_json::from_slice(image.archived("manifest.json").unwrap()).unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["app:1", "app:2"]));
    assert_eq!(image.index_entry()["annotations"]["io.containerd.image.name"], "docker.io/library/app:1");
    assert_eq!(image.index_entry()["annotations"]["org.opencontainers.image.ref.name"], "1");
    assert!(image.archived("oci-layout").is_some());
}

#[test]
fn several_outputs_of_one_build_hold_the_same_image() {
    let kit = kit();
    let (archive, layout, dir) = (kit.path("a.tar"), kit.path("layout"), kit.path("files"));
    let flags = [
        format!("type=oci,dest={}", text(&archive)),
        format!("type=oci-layout,dest={}", text(&layout)),
        format!("type=local,dest={}", text(&dir)),
    ];
    let tar = run(&kit, &["-o", &flags[0], "-o", &flags[1], "-o", &flags[2], "-o", "-"]);
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["digest"], Image::read(&archive).manifest_digest());
    assert_eq!(fs::read(dir.join("dir/file")).unwrap(), b"text");
    let mut files = tar::Archive::new(&tar[..]);
    let names: Vec<String> =
        files.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["dir/", "dir/file"]);
}

#[test]
fn meta_1_and_the_iidfile_name_what_was_built() {
    let mut kit = kit();
    let (metadata, iid) = (kit.path("metadata.json"), kit.path("iid"));
    kit.flag(&["--metadata-file", text(&metadata), "--iidfile", text(&iid)]);
    let image = kit.build().succeeds();
    let metadata: Value = serde_json::from_slice(&fs::read(metadata).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.digest"], image.manifest_digest());
    assert_eq!(metadata["containerimage.config.digest"], fs::read_to_string(iid).unwrap());
    assert_eq!(metadata["image.name"], "docker.io/library/app:1,docker.io/library/app:2");
}

#[test]
fn the_same_input_gives_the_same_archive() {
    let mut kit = kit();
    kit.env("SOURCE_DATE_EPOCH", "1000000000");
    kit.build().succeeds();
    let first = fs::read(kit.path("out.tar")).unwrap();
    kit.new_store().build().succeeds();
    assert!(first == fs::read(kit.path("out.tar")).unwrap(), "the archives differ");
}

#[test]
fn outputs_that_cannot_be_are_refused_before_anything_is_built() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN exit 9\n");
    for (output, message) in [
        ("type=registry", "tag is needed when pushing to registry"),
        ("dest=x", "type is required for output"),
        ("type=local", "dest directory is required"),
    ] {
        let output = kit.run(&["-o", output]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}

/// Options of an output; the types of the base's layer and the new one.
const COMPRESSIONS: &[(&str, [&str; 2])] = &[
    ("type=oci", ["tar", "tar+gzip"]),
    ("type=oci,compression=zstd", ["tar", "tar+zstd"]),
    ("type=docker,compression=uncompressed", ["tar", "tar"]),
    ("type=oci,compression=gzip,compression-level=9", ["tar", "tar+gzip"]),
    ("type=oci,compression=zstd,compression-level=19,force-compression=true", ["tar+zstd", "tar+zstd"]),
    ("type=docker,force-compression=true", ["tar+gzip", "tar+gzip"]),
    ("type=oci,compression=gzip,compression-level=1,force-compression=true", ["tar+gzip", "tar+gzip"]),
    ("type=oci", ["tar", "tar+gzip"]),
];

#[test]
fn mt_2_each_output_of_one_build_has_the_compression_that_it_asks_for() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.file("file", &noise(300_000)).dockerfile("FROM busybox\nCOPY file /\n");
    kit.env("SOURCE_DATE_EPOCH", "1000000000");
    let path = |number: usize| kit.path(&format!("{number}.tar"));
    let metadata = kit.path("metadata.json");
    let mut flags = vec!["--metadata-file".to_owned(), text(&metadata).to_owned()];
    for (number, (options, _)) in COMPRESSIONS.iter().enumerate() {
        flags.extend(["-o".to_owned(), format!("{options},dest={}", text(&path(number)))]);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // Once as built, once out of the cache.
    for _ in 0..2 {
        run(&kit, &flags);
        let images: Vec<Image> = (0..COMPRESSIONS.len()).map(|number| Image::read(&path(number))).collect();
        for ((options, types), image) in COMPRESSIONS.iter().zip(&images) {
            assert_eq!(image.layer_types(), types, "{options}");
            assert_eq!(image.config(), images[0].config(), "DIG-3: the image stays the same: {options}");
            assert!(
                image.file_of_image("/file").is_some() && image.file_of_image("/bin/busybox").is_some(),
                "{options}"
            );
        }
        let size = |number: usize| fs::metadata(path(number)).unwrap().len();
        assert!(size(2) > size(0) && size(6) > size(4), "compressed is smaller, and zstd 19 smaller than gzip 1");
        let last = images.last().unwrap();
        assert_eq!(images[0].manifest_digest(), last.manifest_digest(), "what was forced is not remembered");
        let metadata: Value = serde_json::from_slice(&fs::read(&metadata).unwrap()).unwrap();
        assert_eq!(metadata["containerimage.digest"], last.manifest_digest());
    }
}

#[test]
fn meta_1_the_digest_is_that_of_what_was_pushed() {
    let mut kit = Kit::new();
    let Some(registry) = Registry::start(&kit.path("registry")) else { return };
    let metadata = kit.path("metadata.json");
    kit.file("a", "x").dockerfile("FROM scratch\nCOPY a /\n");
    for (options, kind) in [
        ("oci-mediatypes=false", "application/vnd.docker.distribution.manifest.v2+json"),
        ("oci-mediatypes=true", "application/vnd.oci.image.manifest.v1+json"),
        ("compression=zstd", "application/vnd.oci.image.manifest.v1+json"),
    ] {
        let name = format!("{}/app:{}", registry.address, kind.len());
        run(&kit, &["-o", &format!("type=registry,{options},name={name}"), "--metadata-file", text(&metadata)]);
        let told: Value = serde_json::from_slice(&fs::read(&metadata).unwrap()).unwrap();
        let pulled = kit.kiln(&["pull", "--store", text(&kit.path("pulled")), &name]);
        assert_eq!(told["containerimage.digest"], String::from_utf8_lossy(&pulled.stdout).trim(), "{options}");
        assert_eq!(told["containerimage.descriptor"]["mediaType"], kind, "{options}");
        assert_eq!(told["containerimage.descriptor"]["digest"], told["containerimage.digest"], "{options}");
        assert_eq!(told["image.name"], name.as_str(), "{options}");
        for member in ["size", "platform", "annotations"] {
            assert!(!told["containerimage.descriptor"][member].is_null(), "{options}: {member}");
        }
    }
}

/// What names an image in an archive or layout, as skopeo takes it.
const ADDRESSES: &[(&str, &[&str])] = &[
    (
        "type=docker",
        &["docker-archive:DEST:app:1", "docker-archive:DEST:app:2", "oci-archive:DEST:1", "oci-archive:DEST:2"],
    ),
    ("type=oci", &["oci-archive:DEST:1", "oci-archive:DEST:2"]),
    ("type=oci-layout", &["oci:DEST:1", "oci:DEST:2"]),
    ("type=oci,tar=false", &["oci:DEST:1", "oci:DEST:2"]),
];

#[test]
fn every_name_leads_to_the_image_in_archives_and_layouts() {
    let kit = kit();
    if !installed("skopeo") {
        return;
    }
    for (number, (options, addresses)) in ADDRESSES.iter().enumerate() {
        let dest = kit.path(&format!("out{number}"));
        run(&kit, &["-o", &format!("{options},dest={}", text(&dest))]);
        for address in *addresses {
            let address = address.replace("DEST", text(&dest));
            let found: Value = serde_json::from_str(&output_of("skopeo", &["inspect", &address])).unwrap();
            assert_eq!(found["Layers"].as_array().unwrap().len(), 1, "{address}");
        }
        let store = kit.path(&format!("store{number}"));
        let loaded = kit.kiln(&["load", "--store", text(&store), "-i", text(&dest)]);
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        let listed = kit.kiln(&["images", "--format", "json", "--store", text(&store)]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 2, "{options}: {listed}");
    }
}
