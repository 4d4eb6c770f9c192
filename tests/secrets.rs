//! Secrets are there for their step, and found nowhere afterwards (RUN-44, KEY-4): every byte that a build leaves is read.

use std::fs;
use std::io::Read;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::kit::{Kit, root};

/// Not in any source file as one piece, nor in the environment of the tests.
const SECRETS: [&str; 2] = ["correct-horse-7fd1c0a2", "battery-staple-93be55aa"];

/// What would betray a secret: itself, in two encodings, or a digest by which it could be guessed.
fn traces() -> Vec<(String, Vec<u8>)> {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    SECRETS
        .iter()
        .flat_map(|secret| {
            let bytes = secret.as_bytes();
            let forms = [
                ("itself", (*secret).to_owned()),
                ("in hex", hex(bytes)),
                ("its SHA-256", hex(&Sha256::digest(bytes))),
                ("its BLAKE3", blake3::hash(bytes).to_hex().to_string()),
            ];
            forms.map(|(form, text)| (format!("{secret} ({form})"), text.into_bytes()))
        })
        .collect()
}

/// The bytes of a file, and what they are once decompressed.
fn views(bytes: Vec<u8>) -> Vec<Vec<u8>> {
    let mut plain = Vec::new();
    let read = match &bytes[..] {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::Decoder::new(&bytes[..]).unwrap().read_to_end(&mut plain),
        _ => Ok(0),
    };
    read.unwrap();
    vec![bytes, plain]
}

fn search(bytes: Vec<u8>, place: &str) -> usize {
    let traces = traces();
    let views = views(bytes);
    for view in &views {
        for (name, trace) in &traces {
            assert!(memchr::memmem::find(view, trace).is_none(), "{name} is in {place}");
        }
    }
    views.iter().map(Vec::len).sum()
}

/// Searches everything below `dir`, and gives the number of bytes searched.
fn search_below(dir: &Path) -> usize {
    let mut searched = 0;
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        let place = entry.path().display().to_string();
        searched += search(place.clone().into_bytes(), "a file name");
        if entry.file_type().is_file() {
            searched += search(fs::read(entry.path()).unwrap(), &place);
        }
    }
    searched
}

fn leaves_no_trace(isolation: &str) {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), SECRETS[0]).unwrap();
    let source = format!("id=file,src={}", outside.path().join("file").display());
    kit.env("TOKEN", SECRETS[1]).flag(&["--isolation", isolation, "--secret", &source, "--secret", "id=env,env=TOKEN"]);
    let steps = concat!(
        "FROM busybox\n",
        "RUN --mount=type=secret,id=file,target=/root/.netrc test $(wc -c < /root/.netrc) = 22\n",
        "RUN --mount=type=secret,id=env test $(wc -c < /run/secrets/env) = 23\n",
        "RUN --mount=type=secret,id=env,env=TOKEN test ${#TOKEN} = 23\n",
        "RUN --mount=type=secret,id=file,uid=5,mode=0440 cat /run/secrets/file /run/secrets/file > /dev/null; ls -l /run/secrets > /listing\n",
    );
    let mut searched = 0;
    for (dockerfile, succeeds) in [
        (steps.to_owned(), true),
        (format!("{steps}RUN --mount=type=secret,id=env,env=TOKEN --mount=type=secret,id=file false\n"), false),
        (format!("{steps}RUN --mount=type=secret,id=file [\"/no/such/program\"]\n"), false),
    ] {
        for progress in ["plain", "json"] {
            kit.dockerfile(&dockerfile);
            let archive = format!("type=oci,dest={}", kit.path("out.tar").display());
            let output = kit.run(&[
                "--no-cache",
                "--progress",
                progress,
                "-o",
                &archive,
                "-o",
                kit.path("tree").to_str().unwrap(),
            ]);
            let told = [output.stdout, output.stderr].concat();
            assert_eq!(output.status.success(), succeeds, "{}", String::from_utf8_lossy(&told));
            searched += search(told, "what the build has said");
            searched += search_below(kit.path("").as_path());
        }
    }
    assert!(searched > 1_000_000, "{searched} bytes are fewer than a build leaves");
}

#[test]
fn run_44_secrets_leave_no_trace_in_namespaces() {
    leaves_no_trace("root");
}

#[test]
fn run_44_secrets_leave_no_trace_in_a_chroot() {
    leaves_no_trace("chroot");
}

#[test]
fn key_4_another_value_of_a_secret_changes_no_key() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--secret", "id=token,env=TOKEN"])
        .dockerfile("FROM busybox\nRUN --mount=type=secret,id=token test -s /run/secrets/token\n");
    kit.env("TOKEN", "one").build().succeeds();
    let again = kit.env("TOKEN", "two").build();
    assert_eq!(again.steps_run(), Vec::<String>::new());
}

/// The search itself must find what it is made for.
#[test]
#[should_panic(expected = "correct-horse-7fd1c0a2 (itself) is in a layer")]
fn the_search_finds_a_secret_in_a_compressed_layer() {
    let mut layer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut layer, format!("password={}\n", SECRETS[0]).as_bytes()).unwrap();
    search(layer.finish().unwrap(), "a layer");
}
