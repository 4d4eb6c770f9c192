//! Other tools read what kiln writes.

use serde_json::Value;

use crate::kit::{Kit, installed, output_of, root, text};

/// An image with something of each kind in it.
fn kit() -> Option<Kit> {
    let mut kit = Kit::with_busybox()?;
    kit.flag(&["-t", "app:1"]).file("a", "x").hard_link("a", "b").symlink("c", "a").mode("a", 0o640).dockerfile(
        concat!(
            "FROM busybox\nCOPY . /data/\nRUN rm /etc/group && echo made > /data/made && chown 7:8 /data/made\n",
            "CMD [\"cat\", \"/data/made\"]\n",
        ),
    );
    Some(kit)
}

#[test]
fn skopeo_copies_every_form_without_a_change() {
    if !installed("skopeo") {
        return;
    }
    let Some(kit) = kit() else { return };
    let (archive, layout, docker) = (kit.path("a.tar"), kit.path("layout"), kit.path("docker.tar"));
    let outputs = [
        format!("type=oci,dest={}", text(&archive)),
        format!("type=oci-layout,dest={}", text(&layout)),
        format!("type=docker,dest={}", text(&docker)),
    ];
    let output = kit.run(&["-o", &outputs[0], "-o", &outputs[1], "-o", &outputs[2]]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sources = [
        format!("oci-archive:{}", text(&archive)),
        format!("oci:{}:1", text(&layout)),
        format!("docker-archive:{}:app:1", text(&docker)),
    ];
    let mut configs = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let copy = format!("dir:{}", text(&kit.path(&format!("copy-{number}"))));
        output_of("skopeo", &["copy", "--insecure-policy", "-q", source, &copy]);
        configs.push(output_of("skopeo", &["inspect", "--config", "--raw", &copy]));
    }
    let config: Value = serde_json::from_str(&configs[0]).unwrap();
    assert_eq!(config["config"]["Cmd"][0], "cat");
    assert!(configs.iter().all(|other| *other == configs[0]), "one image id in all forms");
}

#[test]
fn umoci_unpacks_what_kiln_has_packed_and_runc_runs_it() {
    if !installed("umoci") || !root() {
        return;
    }
    let Some(kit) = kit() else { return };
    let (layout, bundle) = (kit.path("layout"), kit.path("bundle"));
    let output = kit.run(&["-o", &format!("type=oci-layout,dest={}", text(&layout))]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output_of("umoci", &["unpack", "--image", &format!("{}:1", text(&layout)), text(&bundle)]);
    let data = bundle.join("rootfs/data");
    let listing = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::symlink_metadata(data.join(name)).unwrap();
        (meta.mode() & 0o7777, meta.uid(), meta.gid(), meta.nlink())
    };
    assert_eq!(listing("a"), (0o640, 0, 0, 2), "TAR-8: a link entry must not spoil its file");
    assert_eq!(listing("b"), (0o640, 0, 0, 2));
    assert_eq!(listing("made"), (0o644, 7, 8, 1));
    assert!(!bundle.join("rootfs/etc/group").exists());
    if !installed("runc") {
        return;
    }
    // Without a terminal, as a test has none, and without limits, which not every machine delegates.
    let config = bundle.join("config.json");
    let mut spec: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    spec["process"]["terminal"] = Value::Bool(false);
    spec["linux"].as_object_mut().unwrap().remove("resources");
    std::fs::write(&config, spec.to_string()).unwrap();
    let name = format!("kiln-test-{}", std::process::id());
    assert_eq!(output_of("runc", &["run", "--bundle", text(&bundle), &name]), "made\n");
}
