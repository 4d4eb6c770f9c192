//! Layouts and archives through the resolver, as the plan sees them.

use std::fs;
use std::path::Path;

use crate::image::{Digest, Index, MediaType, Platform, Wire};
use crate::plan::{Bases, Found, ImageId};

use super::kit::{Kit, config, resolver, tagged};
use super::{BaseImage, ContextFiles, Resolver};

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn ask(resolver: &Resolver, name: &str, platform: &Platform) -> Result<ImageId, String> {
    match resolver.context(name, platform).map_err(|error| error.message)? {
        Some(Found::Image(id, _)) => Ok(id),
        other => Err(format!("{other:?}")),
    }
}

/// What a named context of this value gives for amd64, with its first layer's bytes as the store then has them.
fn check(dir: &Path, value: &str) -> Result<(BaseImage, String), String> {
    let (store, resolver) = resolver(dir, &[("base", value.to_owned())]);
    let base = resolver.base(&ask(&resolver, "base", &amd64())?);
    let Some((_, layer)) = base.layers.first() else { return Ok((base, String::new())) };
    let held = store.has(&layer.digest);
    store.ensure_blob(layer, base.source.as_deref()).map_err(|error| error.to_string())?;
    assert!(!held, "layers stay where they are until asked for");
    let bytes = store.read_blob(&layer.digest).unwrap();
    store.drop_blob(&layer.digest);
    Ok((base, String::from_utf8_lossy(&bytes).into_owned()))
}

#[test]
fn arc_7_images_of_a_layout_are_chosen_by_tag_digest_and_platform() {
    let dir = tempfile::tempdir().unwrap();
    let mut kit = Kit::default();
    let (one, two, arm) =
        (kit.image("linux/amd64", "one"), kit.image("linux/amd64", "two"), kit.image("linux/arm64", "arm"));
    let nested = Index::of(vec![arm.clone(), one.clone()]).to_json();
    let nested = kit.blob(MediaType::Index(Wire::Oci), &nested);
    kit.index(vec![
        tagged(arm.clone(), "latest"),
        tagged(two.clone(), "2"),
        tagged(nested, "docker.io/library/x:many"),
    ]);
    let layout = dir.path().join("layout");
    kit.write(&layout);
    fs::write(dir.path().join("layout.tar"), kit.tar()).unwrap();
    fs::write(dir.path().join("layout.tar.zst"), zstd::encode_all(&kit.tar()[..], 1).unwrap()).unwrap();
    let unlisted = one.digest;
    for file in ["layout", "layout.tar", "layout.tar.zst"] {
        let base = format!("oci-layout://{}/{file}", dir.path().display());
        for (selection, want) in [
            (String::new(), "arm"),
            (":latest".to_owned(), "arm"),
            (":2".to_owned(), "two"),
            (":many".to_owned(), "one"),
            (":x:many".to_owned(), "one"),
            (format!("@{unlisted}"), "one"),
            (format!(":2@{}", arm.digest), "arm"),
        ] {
            let (image, text) = check(dir.path(), &format!("{base}{selection}")).unwrap();
            assert_eq!(text, want, "{file}{selection}");
            assert_eq!(image.layers.len(), 1);
        }
        let error = check(dir.path(), &format!("{base}:none")).unwrap_err();
        assert!(error.contains("image none not found"), "{error}");
        let error = check(dir.path(), &format!("{base}@{}", Digest::of(b"none"))).unwrap_err();
        assert!(error.contains("not found"), "{error}");
    }
}

#[test]
fn arc_7_the_sole_image_needs_no_tag() {
    let dir = tempfile::tempdir().unwrap();
    let mut kit = Kit::default();
    let image = kit.image("linux/amd64", "sole");
    let value = format!("oci-layout://{}/layout", dir.path().display());
    for entry in [image.clone(), tagged(image, "other")] {
        kit.index(vec![entry]).write(&dir.path().join("layout"));
        assert_eq!(check(dir.path(), &value).unwrap().1, "sole");
    }
}

#[test]
fn d_27_a_platform_that_is_not_there_names_those_that_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut kit = Kit::default();
    let entries = vec![kit.image("linux/arm64", "a"), kit.image("linux/arm/v7", "b")];
    kit.index(entries).write(&dir.path().join("layout"));
    let value = format!("oci-layout://{}/layout", dir.path().display());
    let (_, resolver) = resolver(dir.path(), &[("base", value)]);
    let error = resolver.context("base", &amd64()).unwrap_err();
    assert!(error.message.contains("no match for platform in manifest"), "{error:?}");
    assert_eq!(error.help.unwrap(), "there is: linux/arm64, linux/arm/v7");
    assert!(resolver.context("base", &"linux/arm64".parse().unwrap()).is_ok());
}

#[test]
fn arc_8_layouts_that_lie_are_refused() {
    let good = || {
        let mut kit = Kit::default();
        let image = kit.image("linux/amd64", "text");
        kit.index(vec![tagged(image.clone(), "latest")]);
        (kit, image)
    };
    let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    for row in ["manifest", "size", "missing", "no index", "index is text", "layers", "layer", "short layer"] {
        let dir = tempfile::tempdir().unwrap();
        let (mut kit, image) = good();
        let want = match row {
            "manifest" => {
                let name = blob(&image.digest);
                let bytes = kit.files.iter().find(|(known, _)| *known == name).unwrap().1.clone();
                let length = bytes.len();
                kit.file(&name, &[&bytes[..length - 1], b" "].concat());
                "expected a blob of digest"
            }
            "size" => {
                let mut wrong = image.clone();
                wrong.size += 1;
                kit.index(vec![wrong]);
                "promised"
            }
            "missing" => {
                kit.files.retain(|(name, _)| *name != blob(&image.digest));
                "it is missing"
            }
            "no index" => {
                kit.files.retain(|(name, _)| name != "index.json");
                "no OCI layout"
            }
            "index is text" => {
                kit.file("index.json", b"text");
                "index.json"
            }
            "layers" => {
                let config = kit.blob(MediaType::Config(Wire::Oci), &config(&amd64(), &["a", "b"]));
                let manifest = crate::image::Manifest {
                    wire: Wire::Oci,
                    config,
                    layers: vec![],
                    annotations: std::collections::BTreeMap::new(),
                };
                let entry = kit.blob(MediaType::Manifest(Wire::Oci), &manifest.to_json());
                kit.index(vec![entry]);
                "0 layers and its config 2"
            }
            "layer" => {
                kit.file(&blob(&Digest::of(b"text")), b"evil");
                "expected a blob of digest"
            }
            _ => {
                kit.file(&blob(&Digest::of(b"text")), b"t");
                "fewer bytes"
            }
        };
        kit.write(&dir.path().join("layout"));
        let error = check(dir.path(), &format!("oci-layout://{}/layout", dir.path().display())).unwrap_err();
        assert!(error.contains(want), "{row}: {error}");
    }
}

#[test]
fn from_13_a_config_without_layers_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut kit = Kit::default();
    let config = kit.blob(MediaType::Config(Wire::Oci), br#"{"os":"linux","config":{"User":"me"}}"#);
    let manifest = crate::image::Manifest {
        wire: Wire::Oci,
        config,
        layers: vec![],
        annotations: std::collections::BTreeMap::new(),
    };
    let entry = kit.blob(MediaType::Manifest(Wire::Oci), &manifest.to_json());
    kit.index(vec![entry]).write(&dir.path().join("layout"));
    let (image, _) = check(dir.path(), &format!("oci-layout://{}/layout", dir.path().display())).unwrap();
    assert!(image.layers.is_empty());
    assert_eq!(image.config.config.user, "me");
}

#[test]
fn arc_2_docker_archives_old_and_new_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(&amd64(), &["one", "one"]);
    let id = Digest::of(&config).hex();
    let layer = Digest::of(b"one").hex();
    let mut new = Kit::default();
    new.file(&format!("blobs/sha256/{id}"), &config).file(&format!("blobs/sha256/{layer}"), b"one").file(
        "manifest.json",
        format!(
            r#"[{{"Config":"blobs/sha256/{id}","RepoTags":["x:1"],"Layers":["blobs/sha256/{layer}","blobs/sha256/{layer}"]}}]"#
        )
        .as_bytes(),
    );
    let mut old = Kit::default();
    old.file(&format!("{id}.json"), &config)
        .file("a/layer.tar", b"one")
        .file("b/layer.tar", b"-> ../a/layer.tar")
        .file(
            "manifest.json",
            format!(
                r#"[{{"Config":"{id}.json","RepoTags":["x:1","y/z:latest"],"Layers":["a/layer.tar","b/layer.tar"]}},
                {{"Config":"other.json","RepoTags":null,"Layers":null}}]"#
            )
            .as_bytes(),
        );
    let file = dir.path().join("x.tar");
    for (kit, selections) in [(&new, ["", ":1", ":x:1"]), (&old, ["", ":y/z", ":docker.io/library/x:1"])] {
        fs::write(&file, kit.tar()).unwrap();
        for selection in selections {
            let value = format!("docker-archive://{}{selection}", file.display());
            let (image, text) = check(dir.path(), &value).unwrap();
            assert_eq!((image.layers.len(), text.as_str()), (2, "one"), "{selection}");
        }
        let error = check(dir.path(), &format!("docker-archive://{}:other", file.display())).unwrap_err();
        assert!(error.contains("image other not found"), "{error}");
    }
    old.file(&format!("{id}.json"), &[&config[..], b" "].concat());
    fs::write(&file, old.tar()).unwrap();
    let error = check(dir.path(), &format!("docker-archive://{}", file.display())).unwrap_err();
    assert!(error.contains("expected a config of digest"), "{error}");
    old.file("a/layer.tar", b"evil");
    old.file(&format!("{id}.json"), &config);
    fs::write(&file, old.tar()).unwrap();
    assert!(check(dir.path(), &format!("docker-archive://{}", file.display())).is_err());
}

#[test]
fn nctx_1_one_name_one_image_one_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut kit = Kit::default();
    let (amd, arm) = (kit.image("linux/amd64", "amd"), kit.image("linux/arm64", "arm"));
    kit.index(vec![amd, arm]).write(&dir.path().join("layout"));
    let value = format!("oci-layout://{}/layout", dir.path().display());
    let files = dir.path().display().to_string();
    let contexts = [
        ("busybox", value.clone()),
        ("more", files.clone()),
        ("only::linux/arm64", value),
        ("none", "docker-image://scratch".to_owned()),
    ];
    let (_, resolver) = resolver(dir.path(), &contexts);
    let first = ask(&resolver, "busybox", &amd64()).unwrap();
    for name in ["busybox:latest", "docker.io/library/busybox"] {
        assert_eq!(ask(&resolver, name, &amd64()).unwrap(), first, "{name}");
    }
    let arm64: Platform = "linux/arm64".parse().unwrap();
    assert_ne!(ask(&resolver, "busybox", &arm64).unwrap(), first);
    assert!(ask(&resolver, "only", &arm64).is_ok());
    assert!(resolver.context("only", &amd64()).unwrap().is_none());
    assert!(matches!(resolver.context("none", &amd64()), Ok(Some(Found::Scratch))));
    assert!(matches!(resolver.context("more", &amd64()), Ok(Some(Found::Directory(name))) if name == "more"));
    assert_eq!(resolver.files("more"), Some(ContextFiles::Directory(files.into())));
    assert_eq!(resolver.files("busybox"), None);
    for name in ["scratch", "context", "Upper", "other"] {
        assert!(resolver.context(name, &amd64()).unwrap().is_none(), "{name}");
    }
}

#[test]
fn from_4_an_image_of_the_store_is_found_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let (store, resolver) = resolver(dir.path(), &[("alias", "docker-image://mine".to_owned())]);
    let name = "mine".parse().unwrap();
    super::import(&store, &Kit::default().file("f", b"x").tar()[..], &name, &amd64()).unwrap();
    let Found::Image(id, config) = resolver.image(&name, &amd64()).unwrap() else { panic!("an image") };
    assert_eq!(config.platform(), amd64());
    assert_eq!(ask(&resolver, "alias", &amd64()).unwrap(), id);
    assert_eq!(resolver.base(&id).name, "docker.io/library/mine:latest");
}
