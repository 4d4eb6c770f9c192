//! A build whose context comes through a pipe.

use std::fs;
use std::io::Write;

use crate::kit::Kit;

/// Longer than any buffer on the way.
const LENGTH: usize = 300_000;

fn context() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    // As `git archive` begins: with the commit, for which no file stands.
    let comment = b"18 comment=0a1b2c\n";
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XGlobalHeader);
    header.set_size(comment.len() as u64);
    archive.append_data(&mut header, "pax_global_header", &comment[..]).unwrap();
    for (name, content) in [("long", vec![b'x'; LENGTH]), ("Dockerfile", b"FROM scratch\nCOPY long /\n".to_vec())] {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, &content[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn ctx_5_an_archive_plain_or_compressed_is_read_whole() {
    let plain = context();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let zstd = zstd::encode_all(&plain[..], 0).unwrap();
    for (form, archive) in [("plain", plain), ("gzip", gzip.finish().unwrap()), ("zstd", zstd)] {
        let kit = Kit::new();
        let output = assert_cmd::Command::new(env!("CARGO_BIN_EXE_kiln"))
            .args(["build", "--progress=plain", "--store"])
            .arg(kit.path("store"))
            .arg("-o")
            .arg(kit.path("files"))
            .arg("-")
            .write_stdin(archive)
            .output()
            .unwrap();
        assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read(kit.path("files/long")).unwrap(), vec![b'x'; LENGTH], "{form}");
    }
}
