//! A store that is full, damaged, of another time or read-only: nothing is lost, no image is wrong, and the message is clear.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use crate::kit::{Image, Kit, root, text};

const STEPS: &str = "FROM busybox\nCOPY f /f\nRUN cat /f /f > /g && seq 20000 > /numbers\nWORKDIR /w\n";

fn kit() -> Option<Kit> {
    let mut kit = Kit::with_busybox()?;
    kit.file("f", &"text\n".repeat(100_000)).dockerfile(STEPS).env("SOURCE_DATE_EPOCH", "0");
    Some(kit)
}

fn build(kit: &Kit) -> Output {
    let _absent = fs::remove_file(kit.path("out.tar"));
    kit.run(&["-o", &format!("type=oci,dest={},rewrite-timestamp=true", kit.path("out.tar").display())])
}

fn digest(kit: &Kit) -> String {
    Image::read(&kit.path("out.tar")).manifest_digest().to_owned()
}

fn blobs(kit: &Kit) -> Vec<PathBuf> {
    let entries = fs::read_dir(kit.path("store/blobs/sha256")).unwrap();
    let mut blobs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    blobs.sort();
    blobs
}

/// Runs a shell script, to which the kit's build is `"$@"`, in a mount namespace of its own.
fn within_mounts(kit: &Kit, script: &str) -> Output {
    let _absent = fs::remove_file(kit.path("out.tar"));
    let build =
        kit.command(&["-o", &format!("type=oci,dest={},rewrite-timestamp=true", kit.path("out.tar").display())]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]);
    command.arg(build.get_program()).args(build.get_args());
    for (name, value) in build.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(kit.path("")).output().unwrap()
}

/// What happens to the bytes of a blob.
type Damage = fn(&mut Vec<u8>);

/// Whichever blob it is, and however it is damaged, the image is the same or there is none.
#[test]
fn a_damaged_blob_is_no_part_of_any_image() {
    let Some(kit) = kit() else { return };
    assert!(build(&kit).status.success());
    let want = digest(&kit);
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    for (way, damage) in [("cut", cut as Damage), ("flipped", flip), ("empty", Vec::clear)] {
        for blob in blobs(&kit) {
            let Ok(mut bytes) = fs::read(&blob) else { continue };
            damage(&mut bytes);
            fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
            fs::write(&blob, bytes).unwrap();
            let name = blob.file_name().unwrap().to_str().unwrap();
            let mut told = String::new();
            // Found damaged, it is dropped, and made again by the next build at the latest.
            for _ in 0..3 {
                let output = build(&kit);
                told += &String::from_utf8_lossy(&output.stderr);
                assert!(matches!(output.status.code(), Some(0 | 1)), "{name} {way}: {told}");
                if output.status.success() {
                    break;
                }
                assert!(told.contains(&name[..12]), "{name} {way}: it is not named: {told}");
            }
            assert!(kit.path("out.tar").exists(), "{name} {way}: {told}");
            assert_eq!(digest(&kit), want, "{name} {way}: {told}");
        }
    }
}

/// Everything in the store is of a time that is still to come.
#[test]
fn a_clock_that_was_set_back_changes_nothing() {
    let Some(kit) = kit() else { return };
    assert!(build(&kit).status.success());
    let want = digest(&kit);
    let future = SystemTime::now() + Duration::from_secs(10 * 365 * 86_400);
    let mut touched = 0;
    for entry in walkdir::WalkDir::new(kit.path("store")).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() && !entry.path().components().any(|part| part.as_os_str() == "trees") {
            fs::File::open(entry.path()).unwrap().set_modified(future).unwrap();
            touched += 1;
        }
    }
    assert!(touched > 10, "{touched}");
    let again = build(&kit);
    let stderr = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && stderr.contains("0 steps ran"), "{stderr}");
    assert_eq!(digest(&kit), want);
}

/// Nobody can hold a place in it for what a build uses, so it is refused before anything is done.
#[test]
fn a_read_only_store_is_named() {
    if !root() {
        return;
    }
    let Some(kit) = kit() else { return };
    assert!(build(&kit).status.success());
    let (want, before) = (digest(&kit), blobs(&kit));
    let output = within_mounts(&kit, "mount --bind store store && mount -o remount,bind,ro store && exec \"$@\"");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("Read-only file system") && stderr.contains(text(&kit.path("store"))), "{stderr}");
    assert_eq!(blobs(&kit), before);
    assert!(build(&kit).status.success());
    assert_eq!(digest(&kit), want);
}

/// On one disk that is given ever more room: what a build that ran out of it has left is no hindrance to the next.
#[test]
fn a_full_store_spoils_no_later_build() {
    if !root() {
        return;
    }
    let Some(kit) = kit() else { return };
    assert!(build(&kit).status.success());
    let want = digest(&kit);
    fs::remove_dir_all(kit.path("store")).unwrap();
    fs::create_dir(kit.path("store")).unwrap();
    let rounds = "mount -t tmpfs -o size=64k tmpfs store\n\
        for room in 64k 700k 2m 3m 4m 5m 6m 48m; do\n\
        mount -o remount,size=$room store; rm -f out.tar; \"$@\" 2>log; code=$?\n\
        echo $room $code $(test -e out.tar && echo image); test $code = 0 -o $code = 102 || cat log; done; true";
    let output = within_mounts(&kit, rounds);
    let told = String::from_utf8_lossy(&output.stdout);
    let rounds: Vec<&str> = told.lines().collect();
    assert_eq!(rounds.len(), 8, "{told}");
    assert_eq!(rounds[0], "64k 102", "{told}");
    assert_eq!(rounds[7], "48m 0 image", "{told}");
    assert!(rounds.iter().all(|round| round.ends_with(" 102") || round.ends_with(" 0 image")), "{told}");
    assert_eq!(digest(&kit), want);
}
