//! Credentials: tried, kept, used and forgotten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;

use crate::kit::{HTPASSWD, Kit, Registry, text};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A registry that wants `user` and `secret`.
fn guarded() -> Option<(Kit, Registry)> {
    let kit = Kit::new();
    fs::write(kit.path("htpasswd"), HTPASSWD).unwrap();
    let auth = format!("auth:\n  htpasswd: {{realm: x, path: {}}}\n", kit.path("htpasswd").display());
    let registry = Registry::with(&kit.path("registry"), "", &auth)?;
    Some((kit, registry))
}

fn config(kit: &Kit) -> Value {
    serde_json::from_slice(&fs::read(kit.path(".docker/config.json")).unwrap()).unwrap()
}

#[test]
fn auth_1_a_password_is_tried_then_kept_then_used_then_forgotten() {
    let Some((mut kit, registry)) = guarded() else { return };
    let host = registry.address.clone();
    let login = ["login", "-u", "user", "--password-stdin", &host];
    let refused = kit.kiln_fed(&login, b"wrong\n");
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("refuses the user name or the password"), "{}", said(&refused));
    assert!(!kit.path(".docker").exists(), "what was refused is not kept");

    fs::create_dir(kit.path(".docker")).unwrap();
    fs::write(kit.path(".docker/config.json"), r#"{"auths":{"quay.io":{"auth":"YTpi"}},"psFormat":"x"}"#).unwrap();
    let accepted = kit.kiln_fed(&login, b"secret\n");
    assert!(accepted.status.success(), "{}", said(&accepted));
    assert_eq!(String::from_utf8_lossy(&accepted.stdout), "Login Succeeded\n");
    assert!(!said(&accepted).contains("secret"));
    let mode = fs::metadata(kit.path(".docker/config.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = config(&kit);
    assert_eq!(kept["auths"][&host]["auth"], "dXNlcjpzZWNyZXQ=");
    assert_eq!((&kept["auths"]["quay.io"]["auth"], &kept["psFormat"]), (&"YTpi".into(), &"x".into()));

    let app = format!("{host}/a/app:1");
    kit.dockerfile("FROM scratch\nLABEL a=b\n");
    assert!(kit.run(&["--push", "-t", &app]).status.success());
    let out = kit.kiln(&["logout", &host]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), format!("Removed the credentials for {host}\n"));
    assert!(config(&kit)["auths"].get(&host).is_none());
    assert!(said(&kit.kiln(&["logout", &host])).contains("Not logged in"));
    let pulled = kit.kiln(&["pull", "--store", text(&kit.path("other")), &app]);
    assert!(said(&pulled).contains("pull access denied"), "{}", said(&pulled));
}

#[test]
fn auth_4_a_helper_keeps_the_password_where_the_file_names_one() {
    let Some((mut kit, registry)) = guarded() else { return };
    let host = registry.address.clone();
    let bin = kit.path("bin");
    fs::create_dir(&bin).unwrap();
    let helper = bin.join("docker-credential-fake");
    let kept = kit.path("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in store) cat >{0};; get) test -s {0} && cat {0};; erase) rm {0};; esac\n",
        kept.display()
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(kit.path(".docker")).unwrap();
    fs::write(kit.path(".docker/config.json"), r#"{"credsStore":"fake"}"#).unwrap();
    kit.env("PATH", &format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let login = kit.kiln(&["login", "-u", "user", "-p", "secret", &host]);
    assert!(login.status.success(), "{}", said(&login));
    assert!(said(&login).contains("warning: a password on the command line is seen"), "{}", said(&login));
    assert!(!said(&login).contains("not encrypted"));
    let told: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!((&told["ServerURL"], &told["Secret"]), (&host.as_str().into(), &"secret".into()));
    assert_eq!(config(&kit)["auths"][&host], serde_json::json!({}));
    kit.dockerfile("FROM scratch\nLABEL a=b\n");
    assert!(kit.run(&["--push", "-t", &format!("{host}/a/app:1")]).status.success());
    assert!(kit.kiln(&["logout", &host]).status.success());
    assert!(!kept.exists());
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let kit = Kit::new();
    for (words, want) in [
        (&["login", "localhost:1"][..], "pass `--username NAME`"),
        (&["login", "-u", "me", "localhost:1"], "pass `--password-stdin`"),
        (&["login", "--password-stdin", "localhost:1"], "needs a user name"),
        (&["login", "-u", "me", "--password-stdin", "localhost:1"], "the password is empty"),
    ] {
        let output = kit.kiln_fed(words, b"");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(said(&output).contains(want), "{words:?}: {}", said(&output));
    }
}
