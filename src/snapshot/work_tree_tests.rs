use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::rootfs::{Change, Changes, Claims, Directory, File, Inode, Kind, Meta, Node, RootFs, RootPath, Time};

use super::{Nodes, WorkTree};

const OLD: i64 = 1_600_000_000;

fn path(text: &str) -> RootPath {
    RootPath::clamped(text.as_bytes())
}

/// As this process owns what it makes.
fn meta(mode: u32) -> Meta {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Meta { uid, gid, mtime: Time { seconds: OLD, nanos: 0 }, ..Meta::with_mode(mode) }
}

fn file(text: &str) -> Node {
    Inode::new(meta(0o644), Kind::File(File::inline(text.as_bytes()))).into()
}

/// `/d/a` and `/d/b` are one file, `/e/c` and `/e/d` another.
fn sample() -> RootFs {
    let mut root = RootFs::empty();
    for (directory, names, text) in [("d", ["a", "b"], "first"), ("e", ["c", "d"], "second")] {
        root.insert(&path(directory), Directory { meta: meta(0o755), ..Directory::default() }.into());
        let node = file(text);
        for name in names {
            root.insert(&path(directory).join(name.as_bytes()), node.clone());
        }
    }
    root
}

/// One step on a work tree, and what it changed; times are clamped to `latest`.
fn step(tree: &mut WorkTree, latest: i64, act: impl FnOnce(&Path)) -> Vec<String> {
    act(tree.dir());
    let mut changes = tree.diff(&Claims::default()).unwrap().changes_since(tree.root()).unwrap();
    changes.clamp_times(Time { seconds: latest, nanos: 0 });
    keep_inline(&mut changes);
    let mut root = tree.root().clone();
    root.apply(&changes).unwrap();
    tree.settle(&changes, &root).unwrap();
    let shown = changes.0.iter().map(|change| match change {
        Change::Link { path, target } => format!("{path} = {target}"),
        Change::Remove { path } => format!("-{path}"),
        other => other.path().to_string(),
    });
    shown.collect()
}

/// The bytes of new files, out of the reach of the next step.
fn keep_inline(changes: &mut Changes) {
    for change in &mut changes.0 {
        let Change::Put { inode, .. } = change else { continue };
        let Kind::File(file) = &inode.kind else { continue };
        let kind = Kind::File(File::inline(file.read(100).unwrap()));
        *inode = std::sync::Arc::new(Inode::new(inode.meta.clone(), kind));
    }
}

fn rename(dir: &Path, from: &str, to: &str) {
    fs::rename(dir.join(from), dir.join(to)).unwrap();
}

#[test]
fn tar_8_links_are_kept_by_a_directory_that_moves_and_by_nothing_else() {
    type Act = fn(&Path);
    for (row, act, want) in [
        ("moved", (|dir| rename(dir, "d", "m")) as Act, vec!["-/d", "/m", "/m/a", "/m/b = /m/a"]),
        (
            "moved into another that is moved",
            |dir| {
                rename(dir, "d", "e/d2");
                rename(dir, "e", "m");
            },
            vec!["-/d", "-/e", "/m", "/m/c", "/m/d = /m/c", "/m/d2", "/m/d2/a", "/m/d2/b = /m/d2/a"],
        ),
        (
            "onto a name that was another's",
            |dir| {
                fs::remove_dir_all(dir.join("d")).unwrap();
                rename(dir, "e", "d");
            },
            vec!["-/e", "-/d/a", "-/d/b", "/d/c", "/d/d = /d/c"],
        ),
        (
            "names that are moved by themselves",
            |dir| {
                rename(dir, "d/a", "x");
                rename(dir, "d/b", "y");
            },
            vec!["-/d/a", "-/d/b", "/x", "/y"],
        ),
        (
            "one name is written to",
            |dir| {
                rename(dir, "d", "m");
                fs::write(dir.join("m/a"), "other").unwrap();
            },
            vec!["-/d", "/m", "/m/a", "/m/b"],
        ),
        (
            "all names are changed alike",
            |dir| {
                rename(dir, "d", "m");
                for name in ["m/a", "m/b"] {
                    fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
                }
            },
            vec!["-/d", "/m", "/m/a", "/m/b = /m/a"],
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = WorkTree::materialise(&sample(), dir.path(), Nodes::Claimed).unwrap();
        let got: Vec<String> = step(&mut tree, i64::MAX, act).into_iter().filter(|line| line != "/d").collect();
        assert_eq!(got, want, "{row}");
        assert!(step(&mut tree, i64::MAX, |_| {}).is_empty(), "{row}: nothing is left to tell");
    }
}

#[test]
fn m_30_a_name_beside_which_another_is_made_stays_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = WorkTree::materialise(&sample(), dir.path(), Nodes::Claimed).unwrap();
    let link = |dir: &Path| fs::hard_link(dir.join("d/a"), dir.join("new")).unwrap();
    assert_eq!(step(&mut tree, i64::MAX, link), ["/new"]);
    let write = |dir: &Path| fs::write(dir.join("new"), "longer than it was").unwrap();
    assert_eq!(step(&mut tree, i64::MAX, write), ["/new"]);
    assert_eq!(fs::read_to_string(dir.path().join("d/a")).unwrap(), "first");
}

#[test]
fn time_3_the_next_step_sees_clamped_times() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = WorkTree::materialise(&sample(), dir.path(), Nodes::Claimed).unwrap();
    let make = |dir: &Path| {
        fs::create_dir(dir.join("new")).unwrap();
        fs::write(dir.join("new/f"), "x").unwrap();
    };
    assert_eq!(step(&mut tree, OLD + 5, make), ["/new", "/new/f"]);
    for name in ["new", "new/f"] {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().mtime(), OLD + 5, "{name}");
    }
    // A new name touches the inode, and is no change of the old one.
    let link = |dir: &Path| fs::hard_link(dir.join("new/f"), dir.join("other")).unwrap();
    assert_eq!(step(&mut tree, OLD + 5, link), ["/other"]);
}

#[test]
fn diff_2_what_is_touched_and_is_no_change_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut tree = WorkTree::materialise(&sample(), dir.path(), Nodes::Claimed).unwrap();
    let touch = |dir: &Path| {
        fs::write(dir.join("d/passing"), "x").unwrap();
        fs::remove_file(dir.join("d/passing")).unwrap();
        drop(UnixListener::bind(dir.join("e/socket")).unwrap());
        fs::remove_file(dir.join("e/d")).unwrap();
        fs::hard_link(dir.join("e/c"), dir.join("e/d")).unwrap();
    };
    assert!(step(&mut tree, i64::MAX, touch).is_empty());
    for name in ["d", "e"] {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().mtime(), OLD, "{name}");
    }
    assert!(!dir.path().join("e/socket").exists(), "no layer holds a socket");
    assert_eq!(fs::metadata(dir.path().join("e/d")).unwrap().nlink(), 1);
}
