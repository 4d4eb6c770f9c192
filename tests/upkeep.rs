//! The store is looked after: pruned to a budget, checked, repaired.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::kit::{Built, Kit, noise, output_of, text};

fn kiln(kit: &Kit, words: &[&str]) -> String {
    let output = kit.on_store(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(kit: &Kit, words: &[&str]) -> Value {
    serde_json::from_str(&kiln(kit, &[words, &["--format", "json"]].concat())).unwrap()
}

fn is_sound(kit: &Kit) {
    let checked = json(kit, &["store", "check"]);
    assert_eq!(checked["findings"], serde_json::json!([]));
}

/// Bytes that the store takes, as another program counts them.
fn size(kit: &Kit) -> u64 {
    let line = output_of("du", &["-s", "--block-size=1", text(&kit.path("store"))]);
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Builds an image of a layer of a megabyte, and a small one above it.
fn build(kit: &mut Kit, number: usize, flags: &[&str]) -> Vec<String> {
    kit.file("big", &format!("{number}{}", noise(1 << 20))).file("small", "x");
    kit.dockerfile("FROM busybox\nCOPY big /\nCOPY small /\nRUN cat /big /small >/both\n");
    let archive = kit.path("out.tar");
    let output = format!("type=oci,dest={}", text(&archive));
    let built = Built::new(kit.run(&[flags, &["-o", &output]].concat()), archive);
    built.succeeds();
    built.steps_run()
}

/// Must-show: after prune to a budget the store is under it, sound, and the most recent build is still warm.
#[test]
fn after_prune_to_a_budget_the_store_is_under_it_sound_and_warm() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    for number in 0..4 {
        assert_eq!(build(&mut kit, number, &[]).len(), 3);
    }
    // The oldest of them is used again, which makes it the youngest but one.
    assert_eq!(build(&mut kit, 0, &[]).len(), 0);
    assert_eq!(build(&mut kit, 3, &[]).len(), 0);
    let before = size(&kit);
    let budget = before * 8 / 10;
    let dry = json(&kit, &["prune", "--keep-storage", &budget.to_string(), "--dry-run"]);
    assert_eq!(size(&kit), before);
    let pruned = json(&kit, &["prune", "--keep-storage", &budget.to_string()]);
    assert_eq!(dry["removed"], pruned["removed"]);
    assert!(size(&kit) <= budget, "{} of {before}, not {budget}", size(&kit));
    is_sound(&kit);
    assert_eq!(build(&mut kit, 3, &[]), [""; 0], "the most recent build is warm");
    assert_eq!(build(&mut kit, 0, &[]), [""; 0], "and the one before");
    assert_ne!(build(&mut kit, 1, &[]), [""; 0], "others had to go");

    // By a flag of the build, of which nothing is seen where it is not given.
    let budget = (size(&kit) * 6 / 10).to_string();
    assert_eq!(build(&mut kit, 9, &["--store-budget", &budget]).len(), 3);
    assert!(size(&kit) <= budget.parse().unwrap());
    is_sound(&kit);
    assert_eq!(build(&mut kit, 9, &[]), [""; 0]);

    // All of it.
    kiln(&kit, &["prune", "--all"]);
    is_sound(&kit);
    assert!(size(&kit) < 1 << 20, "{}", size(&kit));
    assert_eq!(build(&mut kit, 9, &[]).len(), 3);
}

#[test]
fn names_and_the_filter_keep_things_and_df_tells_what_there_is() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    build(&mut kit, 0, &["-t", "app:1"]);
    kit.dockerfile("FROM busybox\nRUN --mount=type=cache,target=/c echo x >/c/f\n").build().succeeds();
    let usage = json(&kit, &["df"]);
    assert_eq!((&usage["images"]["count"], &usage["mounts"]["count"]), (&1.into(), &1.into()));
    assert!(usage["images"]["bytes"].as_u64().unwrap() > 1 << 20);
    let total = usage["total"].as_u64().unwrap();
    assert!(total.abs_diff(size(&kit)) < 100_000, "{total} and {}", size(&kit));
    assert!(kiln(&kit, &["df"]).contains("Cache mounts"));
    assert_eq!(json(&kit, &["prune", "--filter", "until=1h"])["removed"], serde_json::json!([]));
    let pruned = kiln(&kit, &["prune"]);
    assert!(pruned.contains("removed cache mount ") && pruned.contains("Total reclaimed space: "), "{pruned}");
    is_sound(&kit);
    assert_eq!(json(&kit, &["images"])[0]["name"], "docker.io/library/app:1");
    kiln(&kit, &["save", "app:1", "-o", text(&kit.path("saved.tar"))]);
    for (words, want) in [
        (&["prune", "--filter", "label=x"][..], "there is no filter `label`"),
        (&["prune", "--filter", "until=soon"], "is no length of time"),
        (&["prune", "--keep-storage", "much"], "is not a size"),
    ] {
        let output = kit.on_store(words);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(want), "{words:?}");
    }
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn whatever_is_damaged_is_found_and_built_again() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    build(&mut kit, 0, &["-t", "app"]);
    let store = kit.path("store");
    is_sound(&kit);
    let largest = |dir: &str| {
        let files = files_in(&store.join(dir));
        files.into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
    };
    // Where nothing can be mounted there are no trees.
    let in_a_tree = || {
        let mut below = walkdir::WalkDir::new(store.join("kiln")).into_iter().map(|entry| entry.unwrap().into_path());
        below.find(|path| path.ends_with("both"))
    };
    let its_list = || {
        let tree = in_a_tree()?;
        Some(store.join("kiln/lists").join(tree.parent().unwrap().file_name().unwrap()))
    };
    let (blob, record) = (|| Some(largest("blobs/sha256")), || Some(largest("kiln/steps")));
    let places: [&dyn Fn() -> Option<PathBuf>; 4] = [&blob, &record, &its_list, &in_a_tree];
    for place in places.iter().filter_map(|place| place()) {
        let mut bytes = fs::read(&place).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&place, bytes).unwrap();
        let found = kit.on_store(&["store", "check"]);
        assert_eq!(found.status.code(), Some(1), "{}", place.display());
        let told = String::from_utf8(found.stdout).unwrap();
        assert!(told.contains("Wrong: "), "{}: {told}", place.display());
        kiln(&kit, &["store", "check", "--repair"]);
        is_sound(&kit);
        build(&mut kit, 0, &["-t", "app"]);
        is_sound(&kit);
    }
}

#[test]
fn a_running_build_keeps_what_it_uses() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    build(&mut kit, 0, &[]);
    kit.dockerfile(
        "FROM busybox\nCOPY big /\nCOPY small /\nRUN cat /big /small >/both\nRUN sleep 2; cat /both >/again\n",
    );
    let output = format!("type=oci,dest={}", text(&kit.path("late.tar")));
    let mut child = kit.command(&["-o", &output]).stderr(std::process::Stdio::null()).spawn().unwrap();
    let at_work = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with("at-work-");
    for _ in 0..400 {
        if fs::read_dir(kit.path("store/kiln/locks")).unwrap().any(|entry| at_work(entry.unwrap())) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(700));
    let pruned = json(&kit, &["prune", "--all"]);
    assert!(pruned["in_use"].as_u64().unwrap() > 0, "{pruned}");
    let refused = kit.on_store(&["store", "check", "--repair"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("when the other builds are done"));
    assert!(child.wait().unwrap().success());
    is_sound(&kit);
    assert_eq!(build(&mut kit, 0, &[]), [""; 0], "what the running build had used is still there");
}
