//! A busybox image out of the machine's own static busybox: the same for everybody who has the same busybox.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::EntryType::{self, Directory, Regular, Symlink};

/// Where Debian's busybox-static puts it.
const BUSYBOX: &str = "/bin/busybox";
/// Programs that the image has as links to busybox.
const APPLETS: &[&str] = &[
    "cat", "chmod", "chown", "cp", "echo", "env", "false", "find", "grep", "head", "id", "ln", "ls", "mkdir", "mknod",
    "mv", "printf", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "sh", "sleep", "sort", "stat", "test", "touch",
    "true", "uname", "wc", "whoami", "xargs",
];

static LAYOUT: LazyLock<Option<PathBuf>> = LazyLock::new(make);

/// The layout of the image, its only entry tagged `latest`; `None` where there is no static busybox.
pub(super) fn busybox() -> Option<&'static Path> {
    LAYOUT.as_deref()
}

fn make() -> Option<PathBuf> {
    let busybox = fs::read(BUSYBOX).ok().filter(|bytes| is_static(bytes))?;
    let layer = layer(&busybox);
    // Named by its content, so that all runs and threads share it.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("busybox-{}", &hex(&layer)[..16]));
    if !dir.exists() {
        let aside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        write_layout(aside.path(), &layer);
        if fs::rename(aside.path(), &dir).is_ok() {
            let _renamed = aside.keep();
        }
    }
    Some(dir)
}

/// An ELF file for 64 bits without an interpreter (System V ABI, program header `PT_INTERP`).
fn is_static(elf: &[u8]) -> bool {
    let number = |at: usize, size: usize| {
        elf.get(at..at + size)
            .map(|bytes| bytes.iter().rev().fold(0usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let (Some(table), Some(entry), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else { return false };
    elf.starts_with(b"\x7fELF\x02") && (0..count).all(|index| number(table + index * entry, 4) != Some(3))
}

fn layer(busybox: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |kind: EntryType, name: &str, mode: u32, link: Option<&str>, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_600_000_000);
        header.set_size(bytes.len() as u64);
        if let Some(link) = link {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        tar.append(&header, bytes).unwrap();
    };
    add(Directory, "bin/", 0o755, None, b"");
    add(Regular, "bin/busybox", 0o755, None, busybox);
    for applet in APPLETS {
        add(Symlink, &format!("bin/{applet}"), 0o777, Some("busybox"), b"");
    }
    add(Directory, "etc/", 0o755, None, b"");
    add(Regular, "etc/group", 0o644, None, b"root:x:0:\nstaff:x:50:\n");
    add(Regular, "etc/passwd", 0o644, None, b"root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n");
    add(Directory, "root/", 0o700, None, b"");
    add(Directory, "tmp/", 0o1777, None, b"");
    tar.into_inner().unwrap()
}

fn write_layout(dir: &Path, layer: &[u8]) {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |media_type: &str, bytes: &[u8]| -> Value {
        fs::write(blobs.join(hex(bytes)), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": format!("sha256:{}", hex(bytes)), "size": bytes.len() })
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let created = "2020-09-13T12:26:40Z";
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": { "Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", hex(layer))] },
        "history": [{ "created": created, "created_by": "busybox" }],
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
        "layers": [put("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    let mut entry = put("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    fs::write(dir.join("index.json"), index.to_string()).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// The digits of a sha256.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
