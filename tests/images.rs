//! The images of the store: listed, named, described, saved and loaded.

use std::fs;

use serde_json::Value;

use crate::kit::{Image, Kit, text};

/// A store with the image `app:1`, of two layers.
fn kit() -> Kit {
    let mut kit = Kit::new();
    kit.env("SOURCE_DATE_EPOCH", "1700000000");
    kit.file("a", "one").file("b", "two").dockerfile("FROM scratch\nCOPY a /a\nENV X=y\nCOPY b /b\nCMD [\"x\"]\n");
    let output = kit.run(&["-t", "app:1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kit
}

/// Runs a command on the kit's store, and gives its standard output.
fn kiln(kit: &Kit, words: &[&str]) -> String {
    let output = kit.on_store(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(kit: &Kit, words: &[&str]) -> Value {
    serde_json::from_str(&kiln(kit, words)).unwrap()
}

/// What a command that must fail says.
fn refusal(kit: &Kit, words: &[&str]) -> String {
    let output = kit.on_store(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn images_are_listed_under_all_their_names() {
    let kit = kit();
    kiln(&kit, &["tag", "app:1", "app:2", "quay.io/team/app:stable"]);
    let list = json(&kit, &["images", "--format", "json"]);
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["docker.io/library/app:1", "docker.io/library/app:2", "quay.io/team/app:stable"]);
    assert_eq!(list[0]["created"], "2023-11-14T22:13:20Z");
    let table = kiln(&kit, &["images"]);
    let first = table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    let id = list[0]["id"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    assert!(table.starts_with("REPOSITORY"), "{table}");
    assert_eq!(first[..3], ["app", "1", &id[..12]], "{table}");
    assert_eq!(kiln(&kit, &["images", "app"]).lines().count(), 3);
    assert_eq!(kiln(&kit, &["images", "app:2"]).lines().count(), 2);
    assert_eq!(kiln(&kit, &["images", "-q"]), format!("{}\n", &id[..12]));
}

#[test]
fn an_image_is_found_by_name_and_id_and_told_of() {
    let kit = kit();
    let image = &json(&kit, &["inspect", "app:1"])[0];
    assert_eq!(image["RepoTags"][0], "app:1");
    assert_eq!(image["Config"]["Env"][1], "X=y");
    assert_eq!(image["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    let id = image["Id"].as_str().unwrap();
    for name in [id, &id[7..], &id[7..19]] {
        assert_eq!(json(&kit, &["inspect", name])[0]["Id"], id);
    }
    let points = kiln(&kit, &["inspect", "--format", "text", "app:1"]);
    assert!(points.contains("variable    X=y\n") && points.contains("command     [\"x\"]\n"), "{points}");
    let past = json(&kit, &["history", "--format", "json", "app:1"]);
    let told: Vec<String> = past
        .as_array()
        .unwrap()
        .iter()
        .map(|line| format!("{} {}", line["created_by"].as_str().unwrap(), line["size"].as_u64().unwrap() > 0))
        .collect();
    assert_eq!(told, ["CMD [\"x\"] false", "COPY b /b # buildkit true", "ENV X=y false", "COPY a /a # buildkit true",]);
    assert_eq!(kiln(&kit, &["history", "app:1"]).lines().count(), 5);
}

#[test]
fn what_is_not_there_is_told_with_the_nearest_name() {
    let kit = kit();
    for (words, want) in [
        (&["inspect", "ap:1"][..], "there is no image `ap:1` in the store\nhint: did you mean `app:1`?"),
        (&["tag", "app", "x"], "did you mean `app:1`?"),
        (&["rmi", "app:2"], "did you mean `app:1`?"),
        (&["history", "zzzzzz"], "`kiln images` lists what there is"),
        (&["save", "-o", "x", "aqp:1"], "did you mean `app:1`?"),
        (&["push", "aqp:1"], "did you mean `app:1`?"),
        (&["inspect", "A b"], "invalid reference format"),
        (&["inspect", "--platform", "linux/s390x", "app:1"], "is not for linux/s390x"),
    ] {
        let message = refusal(&kit, words);
        assert!(message.contains(want), "{words:?}: {message}");
    }
}

#[test]
fn a_name_is_taken_away_and_the_image_stays_under_the_others() {
    let kit = kit();
    kiln(&kit, &["tag", "app:1", "app:2"]);
    let id = json(&kit, &["inspect", "app:1"])[0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(kiln(&kit, &["rmi", "app:1"]), "Untagged: app:1\n");
    kiln(&kit, &["tag", &id, "app:3"]);
    let message = refusal(&kit, &["rmi", &id]);
    assert!(message.contains("has 2 names: `app:2`, `app:3`"), "{message}");
    assert_eq!(kiln(&kit, &["rmi", "--force", &id]), "Untagged: app:2\nUntagged: app:3\n");
    assert_eq!(kiln(&kit, &["images"]).lines().count(), 1);
    assert_eq!(kiln(&kit, &["rmi", "-f", "app:1"]), "");
    // The image has no name any more, and is still there.
    kiln(&kit, &["tag", &id, "again"]);
}

#[test]
fn what_is_saved_can_be_loaded_in_every_format() {
    let kit = kit();
    kiln(&kit, &["tag", "app:1", "other:2"]);
    let digest = json(&kit, &["inspect", "app:1"])[0]["Digest"].as_str().unwrap().to_owned();
    for format in ["docker", "oci", "oci-dir"] {
        let path = kit.path(&format!("saved-{format}"));
        kiln(&kit, &["save", "--format", format, "-o", text(&path), "app:1", "other:2"]);
        let store = kit.path(&format!("store-{format}"));
        let load = ["load", "--store", text(&store), "-i", text(&path)];
        let loaded = kit.kiln(&load);
        assert_eq!(String::from_utf8_lossy(&loaded.stdout), "Loaded image: app:1\nLoaded image: other:2\n", "{format}");
        let again = kit.kiln(&["inspect", "--store", text(&store), "other:2"]);
        let again: Value = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!(again[0]["Digest"], digest.as_str(), "{format}");
    }
    // Docker's own form, without a layout beside it, in gzip, on standard input.
    let image = Image::read(&kit.path("saved-docker"));
    let mut old = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, bytes) in image.files().filter(|(name, _)| *name != "index.json" && *name != "oci-layout") {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        old.append_data(&mut header, name, bytes).unwrap();
    }
    let old = old.into_inner().unwrap().finish().unwrap();
    let store = kit.path("store-old");
    let loaded = kit.kiln_fed(&["load", "--store", text(&store)], &old);
    assert_eq!(String::from_utf8_lossy(&loaded.stdout), "Loaded image: app:1\nLoaded image: other:2\n");
    let layers = |store: &std::path::Path| {
        let output = kit.kiln(&["inspect", "--store", text(store), "app:1"]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()[0]["RootFS"].clone()
    };
    assert_eq!(layers(&store), layers(&kit.path("store")));
}

#[test]
fn arc_8_a_damaged_archive_leaves_no_name_behind() {
    let kit = kit();
    let path = kit.path("layout");
    kiln(&kit, &["save", "--format", "oci-dir", "-o", text(&path), "app:1"]);
    let image = json(&kit, &["inspect", "app:1"]);
    let layer = image[0]["Layers"][0]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let blob = path.join("blobs/sha256").join(&layer);
    let good = fs::read(&blob).unwrap();
    for (row, bad) in [("changed", vec![0; good.len()]), ("short", good[1..].to_vec()), ("gone", Vec::new())] {
        if bad.is_empty() {
            fs::remove_file(&blob).unwrap();
        } else {
            fs::write(&blob, bad).unwrap();
        }
        let store = kit.path(&format!("store-{row}"));
        let loaded = kit.kiln(&["load", "--store", text(&store), "-i", text(&path)]);
        assert_eq!(loaded.status.code(), Some(1), "{row}");
        assert!(!store.join("blobs/sha256").join(&layer).exists(), "{row}");
        let listed = kit.kiln(&["images", "--store", text(&store), "-q"]);
        assert!(listed.status.success() && listed.stdout.is_empty(), "{row}");
    }
}
