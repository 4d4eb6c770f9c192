//! COPY, ADD and CONFIG: what stands in the image.

use super::{built, content, scratch};
use crate::kit::Kit;

#[test]
fn copy_61_a_heredoc_is_one_word() {
    let mut kit = Kit::new();
    kit.file("EOF", "a file").file("<<", "another");
    let image = kit.dockerfile("FROM scratch\nCOPY << EOF /d/\nx\nEOF\n").build().succeeds();
    assert_eq!((content(&image, "/d/EOF").as_str(), content(&image, "/d/<<").as_str()), ("a file", "another"));
}

#[test]
fn config_3_and_6_one_entry_of_history_for_each_layer() {
    let Some(image) = built("FROM busybox\nLABEL a=b\nRUN true\nWORKDIR /w\nCMD x\n", &[]) else { return };
    let config = image.config();
    let history = config["history"].as_array().unwrap();
    assert_eq!(history[0]["created_by"], "busybox", "the base's comes first, unchanged");
    assert_eq!(history[0].get("comment"), None);
    for (entry, empty) in history[1..].iter().zip([true, false, false, true]) {
        assert_eq!(entry["comment"], "buildkit.dockerfile.v0");
        assert_eq!(entry.get("empty_layer"), empty.then_some(&serde_json::Value::Bool(true)));
        assert!(entry["created"].is_string());
    }
    assert_eq!(config["rootfs"]["type"], "layers");
    let layers = history.iter().filter(|entry| entry.get("empty_layer").is_none()).count();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), layers);
}

#[test]
fn config_5_created_is_that_of_the_last_entry() {
    let image = scratch("FROM scratch\nLABEL a=b\nLABEL c=d\n", &["--build-arg", "SOURCE_DATE_EPOCH=86400"]);
    assert_eq!(image.config()["created"], "1970-01-02T00:00:00Z");
    let Some(image) = built("FROM busybox\nLABEL a=b\n", &["--build-arg", "SOURCE_DATE_EPOCH=86400"]) else { return };
    assert_eq!(image.config()["created"], "1970-01-02T00:00:00Z", "the base is younger");
    let image = scratch("FROM scratch\nLABEL a=b\nRUN_LATER=1\n".replace("RUN_LATER=1", "LABEL c=d").as_str(), &[]);
    let config = image.config();
    assert_eq!(config["created"], config["history"].as_array().unwrap().last().unwrap()["created"]);
}

#[test]
fn config_10_os_and_architecture_are_always_there() {
    let image = scratch("FROM scratch\nLABEL a=b\n", &[]);
    for field in ["os", "architecture"] {
        assert!(image.config()[field].as_str().is_some_and(|value| !value.is_empty()), "{field}");
    }
}
