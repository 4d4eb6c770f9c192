//! Dockerfiles in the manner of many people (testdata/dockerfiles): all can be read, and those whose base is at hand are
//! built.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::kit::{Kit, text};

/// Where they lie.
fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dockerfiles")
}

/// The Dockerfiles whose names begin with `prefix`: name and path, by name.
pub(crate) fn dockerfiles(prefix: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path());
    let named = entries.filter_map(|path| {
        let name = path.file_name()?.to_str()?.strip_suffix(".Dockerfile")?.to_owned();
        name.starts_with(prefix).then_some((name, path))
    });
    let mut files: Vec<_> = named.collect();
    files.sort();
    files
}

/// A kit with the busybox base, and the files that Dockerfiles named `busybox-…` copy.
pub(crate) fn kit() -> Option<Kit> {
    let mut kit = Kit::with_busybox()?;
    let context = corpus().join("context");
    for entry in walkdir::WalkDir::new(&context) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let path = text(entry.path().strip_prefix(&context).unwrap());
            let mode = if entry.metadata().unwrap().permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            kit.file(path, &fs::read_to_string(entry.path()).unwrap()).mode(path, mode);
        }
    }
    Some(kit)
}

/// Evaluates one file in place of a build, with every registry out of reach, and gives the JSON.
fn call(path: &Path, method: &str) -> Value {
    let mut kit = Kit::new();
    // Nothing listens there: the test gives the same with a network and without.
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        kit.env(name, "http://127.0.0.1:9");
    }
    kit.dockerfile(&String::from_utf8(fs::read(path).unwrap()).unwrap());
    let output = kit.run(&[&format!("--call={method},format=json,ignorestatus=true")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {method}: {stderr}", path.display());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_dockerfile_is_read_though_no_registry_can_be_reached() {
    let files = dockerfiles("");
    assert!(files.len() >= 32, "{} files", files.len());
    // Side by side, since a registry is asked more than once before it is given up.
    let mistaken: Vec<String> = std::thread::scope(|scope| {
        let judge = |(name, path): &(String, PathBuf)| {
            let checked = call(path, "check");
            let rules: Vec<&str> =
                checked["warnings"].as_array().unwrap().iter().filter_map(|found| found["ruleName"].as_str()).collect();
            // What an unknown base defines is not for a check to doubt.
            let is_wrong = !checked["buildError"].is_null() || rules.contains(&"UndefinedVar");
            let outline = call(path, "outline");
            assert!(outline["sources"].is_array(), "{name}: {outline}");
            is_wrong.then(|| format!("{name}: {:#} {rules:?}", checked["buildError"]))
        };
        let threads: Vec<_> = files.iter().map(|file| scope.spawn(move || judge(file))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(mistaken.is_empty(), "{}", mistaken.join("\n"));
}

#[test]
fn an_unreachable_base_is_a_warning_for_a_check_and_an_error_for_a_build() {
    let mut kit = Kit::new();
    kit.env("HTTPS_PROXY", "http://127.0.0.1:9").env("https_proxy", "http://127.0.0.1:9");
    kit.dockerfile("FROM registry.invalid/x AS a\nENV P=$ANY\nFROM registry.invalid/y\nCOPY --from=a $ANY /\n");
    let output = kit.run(&["--check"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr.matches("images from there are taken for unknown ones").count(), 1, "{stderr}");
    kit.build().fails_with(1, &["cannot reach registry registry.invalid"]);
}

#[test]
fn those_on_busybox_are_built() {
    let files = dockerfiles("busybox-");
    assert!(files.len() >= 6, "{} files", files.len());
    let Some(mut kit) = kit() else { return };
    for (name, path) in files {
        let built = kit.dockerfile(&fs::read_to_string(path).unwrap()).build();
        assert!(!built.succeeds().layer_digests().is_empty(), "{name}");
    }
}
