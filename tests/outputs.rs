//! Where an image goes.

use std::fs;

use serde_json::Value;

use crate::kit::{Image, Kit, text};

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
