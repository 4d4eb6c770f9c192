//! Which image a name means: when the registry is asked, and digests that hold.

use std::fs;

use crate::kit::{Kit, Registry, text};

fn push(kit: &mut Kit, name: &str, content: &str) {
    kit.file("a", content).dockerfile("FROM scratch\nCOPY a /a\n");
    let output = kit.run(&["-o", &format!("type=registry,name={name}")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What `/a` holds in an image built `FROM base`.
fn built(kit: &mut Kit, base: &str, flags: &[&str]) -> Result<String, String> {
    kit.dockerfile(&format!("FROM {base}\nLABEL x=y\n"));
    from_file(kit, flags)
}

fn from_file(kit: &Kit, flags: &[&str]) -> Result<String, String> {
    let dir = tempfile::tempdir().unwrap();
    let output = kit.run(&[flags, &["-o", text(dir.path())]].concat());
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(fs::read_to_string(dir.path().join("a")).unwrap())
}

#[test]
fn nc_3_when_the_registry_is_asked() {
    let mut kit = Kit::new();
    let Some(registry) = Registry::start(&kit.path("registry")) else { return };
    let base = format!("{}/team/base:1", registry.address);
    push(&mut kit, &base, "old");
    kit.new_store();
    let refused = built(&mut kit, &base, &["--pull=never"]).unwrap_err();
    assert!(refused.contains("not found in the store") && refused.contains("`kiln pull localhost:"), "{refused}");
    let refused = built(&mut kit, &base, &["--offline"]).unwrap_err();
    assert!(refused.contains("not found in the store"), "{refused}");
    assert_eq!(built(&mut kit, &base, &[]).unwrap(), "old");
    let mut other = Kit::new();
    push(&mut other, &base, "new");
    for (flags, want) in [
        (&["--pull=missing"][..], "old"),
        (&["--pull=never"], "old"),
        (&["--offline"], "old"),
        (&["--pull"], "new"),
        (&["--pull=never"], "new"),
    ] {
        assert_eq!(built(&mut kit, &base, flags).unwrap(), want, "{flags:?}");
    }
    drop(registry);
    assert_eq!(built(&mut kit, &base, &["--offline"]).unwrap(), "new");
    assert!(built(&mut kit, &base, &["--pull=always"]).is_err());
    kit.dockerfile("FROM scratch\nADD http://localhost:1/x /\n");
    let refused = from_file(&kit, &["--offline"]).unwrap_err();
    assert!(refused.contains("Dockerfile:2:5") && refused.contains("the build is to stay offline"), "{refused}");
}

#[test]
fn digests_are_pinned_in_the_dockerfile_or_beside_it() {
    let mut kit = Kit::new();
    let Some(registry) = Registry::start(&kit.path("registry")) else { return };
    let base = format!("{}/team/base:1", registry.address);
    let other_base = format!("{}/team/other:1", registry.address);
    push(&mut kit, &base, "old");
    push(&mut kit, &other_base, "old");
    let file = kit.path("Dockerfile");
    let text_of_file = || fs::read_to_string(&file).unwrap();
    let pin = |kit: &Kit, flags: &[&str]| {
        let output = kit.kiln(&[&["pin", text(&kit.path("Dockerfile"))], flags].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let written =
        format!("# {base}\r\nARG B={other_base}\r\nFROM {base} AS one\r\n\r\nFROM $B\r\nCOPY --from={base} /a  /b\r\n");
    kit.dockerfile(&written);

    // A lock file: the Dockerfile stays, and the build takes what was locked.
    let refused = from_file(&kit, &["--locked"]).unwrap_err();
    assert!(refused.contains("is pinned neither in the Dockerfile nor in its lock file"), "{refused}");
    let (told, _) = pin(&kit, &["--lock"]);
    assert_eq!(text_of_file(), written);
    let digest_in =
        |told: &str| told.lines().find_map(|line| line.strip_prefix(&format!("{base}@"))).unwrap().to_owned();
    let old = digest_in(&told);
    assert_eq!(told.lines().count(), 2);
    let mut other = Kit::new();
    push(&mut other, &base, "new");
    push(&mut other, &other_base, "new");
    assert_eq!(from_file(&kit, &["--locked"]).unwrap(), "old");
    assert_eq!(from_file(&kit, &["--locked", "--offline"]).unwrap(), "old");
    assert_eq!(from_file(&kit, &["--pull"]).unwrap(), "new");

    // In place, at once the newest; again only when that is asked for.
    let (told, warned) = pin(&kit, &[]);
    let new = digest_in(&told);
    assert_ne!(old, new);
    assert!(warned.contains("makes these names out of arguments"), "{warned}");
    let pinned = written.replace(&format!("FROM {base} AS"), &format!("FROM {base}@{new} AS"));
    assert_eq!(text_of_file(), pinned.replace(&format!("--from={base}"), &format!("--from={base}@{new}")));
    kit.dockerfile(&format!("FROM {base}@{old}\n"));
    assert_eq!(from_file(&kit, &["--locked"]).unwrap(), "old");
    pin(&kit, &[]);
    assert_eq!(text_of_file(), format!("FROM {base}@{old}\n"));
    pin(&kit, &["--update"]);
    assert_eq!(text_of_file(), format!("FROM {base}@{new}\n"));

    // What is not there leaves the file alone.
    kit.dockerfile(&format!("FROM {base}\nFROM {}/none:1\n", registry.address));
    let before = text_of_file();
    let output = kit.kiln(&["pin", text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text_of_file(), before);
}
