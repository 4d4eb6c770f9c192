//! Archives that want out: as sources of ADD, and as layers of a base image.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::images::{self, Lies};
use super::stage::{Holes, Stage, turns};
use super::tar::{Entry, block_device, directory, entry, file, hard_link, symlink, tar};
use crate::kit::{Kit, text};

/// A size of the largest 63-bit number, and of more than any file has, in the binary form.
const HUGE: [u8; 12] = [0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const HUGE_SIGNED: [u8; 12] = [0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/// What an archive tries, and its entries; `outside` is the directory that must not change.
fn archives(outside: &Path) -> Vec<(&'static str, Vec<Entry>)> {
    let outside = text(outside).trim_end_matches('/');
    [names_and_links(outside), marks(outside), numbers(outside)].into_iter().flatten().collect()
}

fn names_and_links(outside: &str) -> Vec<(&'static str, Vec<Entry>)> {
    let up = "../".repeat(20);
    let outside_name = outside.trim_start_matches('/');
    vec![
        ("writes to an absolute name", vec![file(&format!("{outside}/new"), "x")]),
        ("climbs out by its name", vec![file(&format!("{up}{outside_name}/new"), "x")]),
        ("climbs out from within", vec![directory("a/"), file(&format!("a/{up}{outside_name}/new"), "x")]),
        ("names itself ..", vec![directory(".."), file("..", "x")]),
        ("changes the directory above", vec![directory("../")]),
        ("links to a directory outside and writes through it", vec![symlink("l", outside), file("l/new", "x")]),
        (
            "links out relatively and writes through it",
            vec![symlink("l", &format!("{up}{outside_name}")), file("l/new", "x")],
        ),
        ("links in two steps", vec![symlink("a", "b"), symlink("b", outside), file("a/new", "x")]),
        (
            "replaces a directory by a link between two files",
            vec![directory("d/"), file("d/a", "x"), symlink("d", outside), file("d/new", "x")],
        ),
        ("makes a directory through a link", vec![symlink("l", outside), directory("l/new/")]),
        ("changes the mode of what a link leads to", vec![symlink("l", &format!("{outside}/dir")), directory("l/")]),
        ("has a hard link to a file outside", vec![hard_link("h", &format!("{outside}/secret")), file("h", "x")]),
        (
            "has a hard link that climbs",
            vec![hard_link("h", &format!("{up}{outside_name}/secret")), file("h", "overwritten")],
        ),
        (
            "has a hard link to a link that leads outside",
            vec![symlink("l", &format!("{outside}/secret")), hard_link("h", "l"), file("h", "overwritten")],
        ),
        ("has a hard link through a link", vec![symlink("l", outside), hard_link("h", "l/secret")]),
        ("has a hard link to itself", vec![hard_link("h", "h")]),
        (
            "writes through a link that stands for a file",
            vec![symlink("f", &format!("{outside}/secret")), file("f", "overwritten")],
        ),
        ("makes a loop of links and writes through it", vec![symlink("a", "b"), symlink("b", "a"), file("a/x", "x")]),
    ]
}

/// Whiteouts, names that come again, and names that are none.
fn marks(outside: &str) -> Vec<(&'static str, Vec<Entry>)> {
    let deep = "d/".repeat(3000);
    let up = "../".repeat(20);
    let outside_name = outside.trim_start_matches('/');
    vec![
        ("removes what is outside by a whiteout", vec![symlink("l", outside), file("l/.wh.secret", "")]),
        ("hides all that is outside by an opaque mark", vec![symlink("l", outside), file("l/.wh..wh..opq", "")]),
        ("removes the directory above by a whiteout", vec![file(".wh...", ""), file("a/.wh...", "")]),
        ("removes the directory itself by a whiteout", vec![file(".wh..", ""), file("a/.wh..", "")]),
        ("has a whiteout of nothing", vec![file(".wh.", ""), file("a/.wh.", "")]),
        ("has a whiteout with a path of its own", vec![file(&format!(".wh.{up}{outside_name}/secret"), "")]),
        (
            "has the same name again and again, as all kinds",
            vec![
                file("n", "1"),
                directory("n/"),
                symlink("n", outside),
                file("n", "2"),
                directory("n/"),
                file("n/new", "3"),
            ],
        ),
        ("has a name of 5000 bytes", vec![file("x", "x").with_pax("path", &vec![b'n'; 5000])]),
        (
            "has 3000 directories within each other",
            vec![file("x", "x").with_pax("path", format!("{deep}f").as_bytes())],
        ),
        ("has a name with a zero byte", vec![file("x", "x").with_pax("path", b"a\0b")]),
        ("has no name", vec![file("", "x"), file("/", "x"), file("./", "x"), file(".", "x")]),
        (
            "says one name in ustar and another in PAX",
            vec![file("good", "x").with_pax("path", format!("{up}{outside_name}/new").as_bytes())],
        ),
        ("has a link target of 5000 bytes", vec![symlink("l", "x").with_pax("linkpath", &vec![b'/'; 5000])]),
    ]
}

/// Sizes, times, owners, attributes, devices and kinds.
fn numbers(outside: &str) -> Vec<(&'static str, Vec<Entry>)> {
    let outside_name = outside.trim_start_matches('/');
    vec![
        ("promises 2^64 - 1 bytes", vec![Entry { size: Some(HUGE), ..file("f", "x") }]),
        ("promises 2^63 - 1 bytes", vec![Entry { size: Some(HUGE_SIGNED), ..file("f", "x") }]),
        ("promises 2^64 - 1 bytes in PAX", vec![file("f", "x").with_pax("size", b"18446744073709551615")]),
        ("promises fewer than no bytes", vec![file("f", "x").with_pax("size", b"-1")]),
        (
            "promises an extended header of 8 GiB",
            vec![Entry { size: Some(*b"77777777777\0"), ..entry(b'x', "x") }, file("f", "x")],
        ),
        (
            "promises a long name of 8 GiB",
            vec![Entry { size: Some(*b"77777777777\0"), ..entry(b'L', "x") }, file("f", "x")],
        ),
        ("is sparse, and unpacks to 8 EiB", vec![Entry { size: Some(*b"00000000000\0"), ..entry(b'S', "sparse") }]),
        ("is sparse in PAX", vec![file("f", "x").with_pax("GNU.sparse.realsize", b"9223372036854775807")]),
        (
            "was written before the earliest time",
            vec![file("f", "x").with_pax("mtime", b"-9223372036854775808.999999999")],
        ),
        ("is written after the latest time", vec![file("f", "x").with_pax("mtime", b"9223372036854775807.5")]),
        (
            "has an owner beyond all ids",
            vec![file("f", "x").with_pax("uid", b"4294967295").with_pax("gid", b"99999999999")],
        ),
        (
            "has an extended header whose length lies",
            vec![Entry { content: b"99 path=x\n".to_vec(), ..entry(b'x', "x") }, file("f", "x")],
        ),
        (
            "has an extended header without an end",
            vec![Entry { content: b"9".repeat(600), ..entry(b'x', "x") }, file("f", "x")],
        ),
        ("claims an owner of kiln's own", vec![file("f", "x").with_pax("SCHILY.xattr.user.kiln.claim", b"0 0 b8:0")]),
        (
            "marks a directory as an overlay's",
            vec![
                directory("d/").with_pax("SCHILY.xattr.trusted.overlay.opaque", b"y"),
                directory("e/").with_pax("SCHILY.xattr.user.overlay.redirect", b"/../../.."),
                directory("g/")
                    .with_pax("SCHILY.xattr.trusted.overlay.redirect", format!("/{outside_name}").as_bytes()),
            ],
        ),
        ("brings a node for the machine's disk", vec![block_device("disk", 8, 0), hard_link("again", "disk")]),
        ("brings a whiteout of an overlay as a device", vec![Entry { kind: b'3', ..block_device("etc", 0, 0) }]),
        ("is of a kind that nobody knows", vec![entry(b'Z', "z"), entry(b'7', "contiguous")]),
        ("is cut off", vec![Entry { size: Some(*b"00000010000\0"), ..file("f", "x") }]),
    ]
}

/// Then a step and a COPY go through what came of it.
#[test]
fn no_archive_of_add_reaches_outside() {
    let steps = "RUN busybox find / -xdev > /list; busybox chmod -R u+w /in; true\n";
    let dockerfile =
        format!("FROM busybox AS unpacked\nADD evil.tar /in/\n{steps}FROM busybox\nCOPY --from=unpacked /in /out\n");
    none_gets_out(&dockerfile, "an archive", |stage, entries| {
        fs::write(stage.kit.path("context/evil.tar"), tar(entries)).unwrap();
    });
}

#[test]
fn no_layer_reaches_outside() {
    let steps = "RUN busybox find / -xdev > /list; busybox chmod -R u+w /in; true\nCOPY --from=evil / /all/\n";
    let dockerfile = format!("FROM evil AS unpacked\n{steps}FROM busybox\nCOPY --from=unpacked / /out/\n");
    none_gets_out(&dockerfile, "a layer", |stage, entries| {
        let layout = stage.kit.path("evil");
        let _absent = fs::remove_dir_all(&layout);
        images::layout(&layout, &stage.kit.path("base"), &[&tar(entries)], &Lies::default());
    });
}

fn none_gets_out(dockerfile: &str, what: &str, place: impl Fn(&Stage, &[Entry])) {
    let mut holes = Holes::default();
    let mut stages = Stage::all();
    for stage in &mut stages {
        let based = format!("evil=oci-layout://{}", stage.kit.path("evil").display());
        stage.kit.flag(&["--build-context", &based]).file("evil.tar", "").dockerfile(dockerfile);
    }
    let rows = stages.first().map_or(0, |stage| archives(&stage.outside("")).len());
    for row in 0..rows {
        for stage in turns(row, 1).filter_map(|rung| stages.get(rung)) {
            let (tries, entries) = archives(&stage.outside("")).swap_remove(row);
            place(stage, &entries);
            let output = stage.build(&[]);
            holes.note(&format!("{what} that {tries}"), stage.rung(), stage.is_contained(&output, None));
        }
    }
    holes.none();
}

/// Neither memory nor time go with what an archive says it holds, only the disk with what it does hold.
#[test]
fn a_bomb_fills_no_more_than_the_store() {
    if !crate::kit::root() {
        return;
    }
    for form in ["ADD", "layer"] {
        let Some(mut kit) = Kit::with_busybox() else { return };
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut header = tar(&[Entry { size: Some(*b"77777777777\0"), ..file("zeros", "") }]);
        header.truncate(512);
        gzip.write_all(&header).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..256 {
            gzip.write_all(&zeros).unwrap();
        }
        let bomb = gzip.finish().unwrap();
        kit.file("bomb.tar.gz", "");
        fs::write(kit.path("context/bomb.tar.gz"), &bomb).unwrap();
        let layout = kit.path("bomb");
        let base = kit.flags().iter().find_map(|flag| flag.strip_prefix("busybox=oci-layout://")).unwrap().to_owned();
        images::layout(&layout, base.as_ref(), &[&bomb], &Lies::default());
        kit.flag(&["--build-context", &format!("bomb=oci-layout://{}", layout.display())]);
        kit.dockerfile(if form == "ADD" { "FROM busybox\nADD bomb.tar.gz /\n" } else { "FROM bomb\nRUN true\n" });
        fs::create_dir(kit.path("store")).unwrap();
        let build = kit.command(&[]);
        let mut command = std::process::Command::new("unshare");
        let script = "mount -t tmpfs -o size=64m tmpfs store && ulimit -v 1500000 && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(build.get_program()).args(build.get_args());
        let output = command.current_dir(kit.path("")).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(102), "{form}: {stderr}");
    }
}
