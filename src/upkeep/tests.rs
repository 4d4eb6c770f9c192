//! Stores put together by hand: what goes, in which order, and what stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::cache::{Inputs, Key, LayerRecord, Parent, Preimage, Record};
use crate::image::{
    Compression, Descriptor, DiffId, Digest, ImageConfig, Manifest, MediaType, Platform, Reference, Wire,
};
use crate::store::Store;

use super::*;

/// Bytes of each layer's blob: enough to stand out from everything small.
const LAYER: usize = 1 << 20;

struct Made {
    _dir: tempfile::TempDir,
    store: Store,
}

impl Made {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        Self { _dir: dir, store }
    }

    /// A layer with a list and a blob.
    fn layer(&self, text: &str) -> (DiffId, Descriptor) {
        let bytes = text.repeat(LAYER / text.len());
        let digest = self.store.put_blob(bytes.as_bytes()).unwrap();
        let blob = Descriptor::new(MediaType::Layer(Wire::Oci, Compression::Gzip), digest, bytes.len() as u64);
        let layer = DiffId(Digest::of(text.as_bytes()));
        let nothing = crate::rootfs::Changes::default();
        let list = self.store.draft(|out| crate::layer::list::write(&nothing, out)).unwrap();
        self.store.put_list(&layer, list).unwrap();
        self.store.set_blob_of(&layer, &blob).unwrap();
        (layer, blob)
    }

    /// The records of a step, last used so many hours ago.
    fn step(&self, text: &str, parent: Parent, layer: DiffId, hours: u64) -> Key {
        let record = Record {
            text: text.to_owned(),
            created: 0,
            layer: LayerRecord { diff_id: layer, size: 0, content: "c".to_owned() },
        };
        let by_history =
            Preimage::new("linux/amd64".into(), parent, text.to_owned(), Inputs::new(vec![], vec![], 1).unwrap());
        let by_content = by_history.with_parent(Parent::Content(text.to_owned()));
        for (key, preimage) in [(by_history.key(), Some(&by_history)), (by_content.key(), None)] {
            let key = key.hex();
            self.store.write_step(&key, |out| record.write(preimage, out)).unwrap();
            self.age(&format!("kiln/steps/{key}"), hours);
        }
        by_history.key()
    }

    /// An image of these layers, last used so many hours ago.
    fn image(&self, layers: &[(DiffId, Descriptor)], name: Option<&str>, hours: u64) -> Descriptor {
        let mut config = ImageConfig::scratch(&Platform::host());
        config.rootfs.diff_ids = layers.iter().map(|(layer, _)| *layer).collect();
        let config = config.to_json();
        self.store.put_blob(&config).unwrap();
        let manifest = Manifest {
            wire: Wire::Oci,
            config: Descriptor::of(MediaType::Config(Wire::Oci), &config),
            layers: layers.iter().map(|(_, blob)| blob.clone()).collect(),
            annotations: BTreeMap::new(),
        };
        let manifest = manifest.to_json();
        self.store.put_blob(&manifest).unwrap();
        let top = Descriptor::of(MediaType::Manifest(Wire::Oci), &manifest);
        if let Some(name) = name {
            self.store.tag(&name.parse().unwrap(), &top).unwrap();
        }
        self.age(&format!("blobs/sha256/{}", top.digest.hex()), hours);
        top
    }

    fn age(&self, path: &str, hours: u64) {
        let time = SystemTime::now() - Duration::from_secs(hours * 3600);
        fs::File::open(self.store.root().join(path)).unwrap().set_modified(time).unwrap();
    }

    fn prune(&self, limits: &Limits) -> Vec<String> {
        let pruned = prune(&self.store, limits, SystemTime::now(), false).unwrap();
        assert!(pruned.refused.is_empty());
        assert_eq!(pruned.left, self.store.survey().unwrap().total(), "what is told is true");
        pruned.removed.into_iter().map(|removed| removed.name).collect()
    }

    fn is_sound(&self) {
        let checked = check(&self.store, 2).unwrap();
        assert_eq!(checked.findings, [], "{:?}", checked.findings);
    }
}

#[test]
fn the_longest_out_of_use_goes_first_and_the_upper_step_before_the_lower() {
    let made = Made::new();
    let layer = |text: &str| made.layer(text).0;
    // Of an old build whose lower step a young one has used again.
    let shared = made.step("shared", Parent::Scratch, layer("a"), 9);
    let old = made.step("old 1", Parent::Step(shared), layer("b"), 8);
    made.step("old 2", Parent::Step(old), layer("c"), 8);
    made.step("young", Parent::Step(shared), layer("d"), 1);
    assert_eq!(made.prune(&Limits { unused_for: Some(Duration::from_secs(10 * 3600)), ..Limits::default() }), [""; 0]);
    let total = made.store.survey().unwrap().total();
    let budget = |layers: u64| Limits { budget: Some(total - layers * LAYER as u64), ..Limits::default() };
    assert_eq!(made.prune(&budget(0)), [""; 0]);
    assert_eq!(made.prune(&budget(1)), ["old 2"]);
    made.is_sound();
    let old = Limits { unused_for: Some(Duration::from_secs(5 * 3600)), ..Limits::default() };
    assert_eq!(made.prune(&old), ["old 1"]);
    assert_eq!(made.prune(&Limits::default()), ["young", "shared"]);
    made.is_sound();
    assert_eq!(made.store.survey().unwrap().blobs.len(), 0);
}

#[test]
fn a_step_that_two_builds_share_keeps_what_the_younger_stands_on() {
    // Whatever the order in which their records are read.
    for (older, younger) in [("one", "other"), ("other", "one")] {
        let made = Made::new();
        let shared = made.layer("shared").0;
        for (name, hours) in [(older, 8), (younger, 1)] {
            let below = made.step(name, Parent::Scratch, made.layer(name).0, 9);
            made.step("shared", Parent::Step(below), shared, hours);
        }
        let old = Limits { unused_for: Some(Duration::from_secs(5 * 3600)), ..Limits::default() };
        assert_eq!(made.prune(&old), [older]);
        made.is_sound();
    }
}

#[test]
fn what_images_need_stays_as_long_as_they_have_a_name() {
    let made = Made::new();
    let (base, own, other) = (made.layer("base"), made.layer("own"), made.layer("other"));
    made.step("own", Parent::Scratch, own.0, 3);
    let app = made.image(&[base.clone(), own.clone()], Some("app"), 5);
    made.image(&[base.clone(), other.clone()], None, 7);
    let dry = prune(&made.store, &Limits::default(), SystemTime::now(), true).unwrap();
    assert_eq!(dry.removed.len(), 2);
    assert!(made.store.has(&other.1.digest), "nothing is touched");
    let removed = made.prune(&Limits::default());
    assert_eq!((removed.len(), removed[1].as_str()), (2, "own"));
    made.is_sound();
    assert!(made.store.has(&own.1.digest) && made.store.list(&own.0).unwrap().is_some());
    assert!(!made.store.has(&other.1.digest));
    let usage = usage(&made.store).unwrap();
    assert_eq!((usage.images.0, usage.cache.0), (1, 0));
    assert!(usage.images.1 > 2 * LAYER as u64 && usage.cache.1 < LAYER as u64);
    // Another name is enough.
    let name = |text: &str| text.parse::<Reference>().unwrap();
    made.store.tag(&name("again"), &app).unwrap();
    made.store.untag(&name("app")).unwrap();
    assert_eq!(made.prune(&Limits::default()), [""; 0]);
    assert_eq!(made.prune(&Limits { all: true, ..Limits::default() }), ["again:latest"]);
    assert!(made.store.names().unwrap().is_empty());
    assert_eq!(made.store.survey().unwrap().blobs.len(), 0);
}

#[test]
fn what_is_in_use_stays() {
    let made = Made::new();
    let key = made.step("used", Parent::Scratch, made.layer("a").0, 9);
    made.step("unused", Parent::Scratch, made.layer("b").0, 9);
    // Files are as old as the kernel says, whatever their time of change.
    std::thread::sleep(Duration::from_millis(50));
    let at_work = Store::open(made.store.root()).unwrap().attended().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    at_work.step_head(&key.hex()).unwrap().unwrap();
    let new = at_work.put_blob(b"just made").unwrap();
    assert_eq!(made.prune(&Limits::default()), ["unused"]);
    assert!(made.store.has(&new));
    assert!(matches!(repair(&made.store, &[]), Err(Error::InUse)));
    drop(at_work);
    assert_eq!(made.prune(&Limits::default()), ["used"]);
    assert!(!made.store.has(&new));
}

#[test]
fn what_is_wrong_is_found_and_goes() {
    let made = Made::new();
    let (good, bad) = (made.layer("good"), made.layer("bad"));
    let root = made.store.root().to_owned();
    let at = |path: &str| -> std::path::PathBuf { root.join(path) };
    made.step("good", Parent::Scratch, good.0, 1);
    let lost = made.step("lost", Parent::Scratch, bad.0, 1);
    let strange = made.step("strange", Parent::Scratch, good.0, 1);
    made.image(std::slice::from_ref(&good), Some("whole"), 1);
    made.image(std::slice::from_ref(&bad), Some("broken"), 1);
    made.is_sound();
    let overwrite = |path: &Path, bytes: &[u8]| fs::write(path, bytes).unwrap();
    overwrite(&at(&format!("blobs/sha256/{}", bad.1.digest.hex())), b"other bytes");
    overwrite(&at("blobs/sha256/not-a-digest"), b"x");
    let record = at(&format!("kiln/steps/{}", strange.hex()));
    let text = fs::read_to_string(&record).unwrap().replace("linux/amd64", "linux/arm64");
    overwrite(&record, text.as_bytes());
    let orphan = DiffId(Digest::of(b"orphan"));
    let dir = at("kiln/tmp/tree");
    fs::create_dir(&dir).unwrap();
    made.store.adopt_tree(&orphan, &dir).unwrap();
    let found = check(&made.store, 2).unwrap().findings;
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    for want in [
        format!("blob {} is damaged", bad.1.digest),
        format!("image docker.io/library/broken:latest lacks {}", bad.1.digest),
        format!("the layer of `lost` is lost, which record {lost} tells of"),
        format!("record {strange} is damaged"),
        format!("the files of layer {orphan} belong to nothing"),
        format!("{} has no business in the store", at("blobs/sha256/not-a-digest").display()),
    ] {
        assert!(texts.contains(&want), "no {want:?} in {texts:#?}");
    }
    // Both records of the lost layer.
    assert_eq!(found.len(), 7, "{texts:#?}");
    assert!(repair(&made.store, &found).unwrap().is_empty());
    made.is_sound();
    let names: Vec<String> = made.store.names().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["docker.io/library/whole:latest"]);
}
