//! ADD of archives. Apart from the module that it tests, which is long enough.

use std::sync::Arc;

use tar::{EntryType, Header};

use super::testing::{NOW, changes, check, directory, file, link, node, path, run, tree};
use crate::rootfs::{File, Inode, Kind, Node, RootFs, Time};

/// A member: kind, name, content or link target, mode, owner and group.
type Member<'a> = (EntryType, &'a str, &'a str, u32, u32);

const FILE: EntryType = EntryType::Regular;
const DIRECTORY: EntryType = EntryType::Directory;
const LINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;

fn tar_of(members: &[Member]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, text, mode, owner) in members {
        let mut header = Header::new_ustar();
        // Written byte for byte: the crate's own functions refuse names such as `../x`.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        let is_link = matches!(*kind, EntryType::Symlink | EntryType::Link);
        if is_link {
            header.as_mut_bytes()[157..157 + text.len()].copy_from_slice(text.as_bytes());
        }
        let content = if is_link { "" } else { text };
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid((*owner).into());
        header.set_gid((*owner).into());
        header.set_mtime(77);
        header.set_size(content.len() as u64);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A context that holds the archive `a.tar`.
fn context(bytes: Vec<u8>) -> RootFs {
    tree([node("a.tar", 0o644, 0, 0, Kind::File(File::inline(bytes)))])
}

/// What `ADD a.tar /d` changes in `target`, or its error.
fn added(target: &RootFs, members: &[Member]) -> Vec<String> {
    changes(target, &context(tar_of(members)), "ADD a.tar /d").unwrap_or_else(|error| vec![error.to_string()])
}

#[test]
fn add_4_members_bring_what_they_have() {
    let members = [
        (DIRECTORY, "./", "", 0o700, 9),
        (DIRECTORY, "./top", "", 0o750, 5),
        (FILE, "top/f", "text", 0o4604, 6),
        (LINK, "top/l", "../../out", 0o777, 7),
        (HARD, "h", "top/f", 0o4604, 6),
        (EntryType::Fifo, "pipe", "", 0o620, 7),
        (EntryType::Char, "null", "", 0o666, 0),
        (EntryType::Block, "disk", "", 0o600, 0),
        (FILE, "/lead/x/y", "", 0o644, 8),
        (FILE, ".wh.f", "", 0o644, 0),
    ];
    let want = [
        "/d/ 0755 0:0",
        "/d/.wh.f 0644 0:0 \"\"",
        "/d/disk 0600 0:0 BlockDevice(1, 3)",
        "/d/h 4604 6:6 \"text\"",
        "/d/lead/ 0755 0:0",
        "/d/lead/x/ 0755 0:0",
        "/d/lead/x/y 0644 8:8 \"\"",
        "/d/null 0666 0:0 CharDevice(1, 3)",
        "/d/pipe 0620 7:7 Fifo",
        "/d/top/ 0750 5:5",
        "/d/top/f 4604 6:6 \"text\"",
        "/d/top/l -> ../../out 7:7",
    ];
    assert_eq!(added(&RootFs::empty(), &members), want);
    let (after, _scratch) = run(&RootFs::empty(), &context(tar_of(&members)), "ADD a.tar /d").unwrap();
    let get = |name: &str| after.get(&path(name)).unwrap();
    assert!(get("d/h").is(&get("d/top/f")));
    assert_eq!(get("d/top").meta().mtime, Time { seconds: 77, nanos: 0 });
    assert_eq!(get("d/lead").meta().mtime, NOW);
}

#[test]
fn add_4_what_is_there_is_merged_or_replaced() {
    let target = tree([
        directory("d", 0o700, 9, 9),
        directory("d/top", 0o700, 9, 9),
        file("d/top/kept", "k"),
        file("d/full/x", "x"),
        link("d/link", "top"),
        file("d/plain", "old"),
    ]);
    for (row, member, want) in [
        ("directories merge", (DIRECTORY, "top", "", 0o750, 5), &["-/d/top/ 0700 9:9", "/d/top/ 0750 5:5"][..]),
        (
            "file over file",
            (FILE, "plain", "new", 0o644, 0),
            &["-/d/plain 0644 0:0 \"old\"", "/d/plain 0644 0:0 \"new\""],
        ),
        ("file over link", (FILE, "link", "new", 0o644, 0), &["-/d/link -> top 0:0", "/d/link 0644 0:0 \"new\""]),
        (
            "link over a directory with content",
            (LINK, "full", "x", 0o777, 0),
            &["-/d/full/ 0755 0:0", "-/d/full/x 0644 0:0 \"x\"", "/d/full -> x 0:0"],
        ),
        ("directory over link", (DIRECTORY, "link", "", 0o755, 0), &["-/d/link -> top 0:0", "/d/link/ 0755 0:0"]),
        ("the destination keeps what it has", (DIRECTORY, ".", "", 0o777, 1), &[]),
        ("m_27: through a link", (FILE, "link/in", "i", 0o644, 0), &["/d/top/in 0644 0:0 \"i\""]),
    ] {
        assert_eq!(added(&target, &[member]), want, "{row}");
    }
}

#[test]
fn add_4_nothing_leads_out_of_the_destination() {
    let target = tree([directory("d", 0o755, 0, 0), file("secret", "s"), directory("etc", 0o755, 0, 0)]);
    let out = (LINK, "out", "/etc", 0o777, 0);
    let up = (LINK, "up", "../..", 0o777, 0);
    let refused = |member: &str, problem: &str| vec![format!("archive /a.tar: member `{member}` {problem}")];
    for (row, members, want) in [
        ("climbing", &[(FILE, "../x", "", 0o644, 0)][..], refused("../x", "is outside of the destination")),
        (
            "climbing inside",
            &[(FILE, "a/../../x", "", 0o644, 0)],
            refused("a/../../x", "is outside of the destination"),
        ),
        ("the parent itself", &[(DIRECTORY, "..", "", 0o777, 5)], refused("..", "is outside of the destination")),
        ("absolute is inside", &[(FILE, "/../x", "", 0o644, 0)], vec!["/d/x 0644 0:0 \"\"".to_owned()]),
        (
            "through a link that leads out",
            &[out, (FILE, "out/passwd", "", 0o644, 0)],
            refused("out/passwd", "lies below a link to a directory that is not there"),
        ),
        (
            "the destination is the root of links",
            &[up, (FILE, "up/x", "", 0o644, 0)],
            vec!["/d/up -> ../.. 0:0".to_owned(), "/d/x 0644 0:0 \"\"".to_owned()],
        ),
        (
            "hard link to what is outside",
            &[(HARD, "h", "../secret", 0o644, 0)],
            refused("h", "is a hard link to a file that was not found"),
        ),
        (
            "hard link to what is missing",
            &[(HARD, "h", "missing", 0o644, 0)],
            refused("h", "is a hard link to a file that was not found"),
        ),
        (
            "hard link to itself",
            &[(FILE, "h", "", 0o644, 0), (HARD, "h", "h", 0o644, 0)],
            refused("h", "is a hard link to a file that was not found"),
        ),
        (
            "hard link to a directory",
            &[(DIRECTORY, "x", "", 0o755, 0), (HARD, "h", "x", 0o644, 0)],
            refused("h", "is a hard link to a file that was not found"),
        ),
        (
            "below a file",
            &[(FILE, "f", "", 0o644, 0), (FILE, "f/x", "", 0o644, 0)],
            refused("f/x", "lies below something that is no directory"),
        ),
        (
            "links in a circle",
            &[(LINK, "c", "c", 0o777, 0), (FILE, "c/x", "", 0o644, 0)],
            refused("c/x", "lies below something that is no directory"),
        ),
        ("an unknown kind", &[(EntryType::new(b'Q'), "q", "", 0o644, 0)], refused("q", "is of an unknown kind")),
    ] {
        assert_eq!(added(&target, members), want, "{row}");
    }
}

#[test]
fn add_4_a_name_too_long_for_any_filesystem_is_refused() {
    for (name, problem) in [("x/".repeat(3_000), "has too long a name"), ("y".repeat(300), "has too long a name")] {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        builder.append_data(&mut header, format!("{name}f"), &b""[..]).unwrap();
        let error = run(&RootFs::empty(), &context(builder.into_inner().unwrap()), "ADD a.tar /d").unwrap_err();
        assert_eq!(error.code(), "ADD-4");
        assert!(error.to_string().ends_with(problem));
    }
}

#[test]
fn add_4_a_hard_link_sets_the_attributes_of_all_names() {
    let members = [
        (FILE, "a", "text", 0o604, 1000),
        (HARD, "b", "a", 0o644, 0),
        (LINK, "s", "a", 0o777, 3),
        (HARD, "t", "s", 0o600, 4),
        (HARD, "c", "b", 0o640, 5),
    ];
    let want = [
        "/d/ 0755 0:0",
        "/d/a 0640 5:5 \"text\"",
        "/d/b 0640 5:5 \"text\"",
        "/d/c 0640 5:5 \"text\"",
        "/d/s -> a 4:4",
        "/d/t -> a 4:4",
    ];
    assert_eq!(added(&RootFs::empty(), &members), want);
    let (after, _scratch) = run(&RootFs::empty(), &context(tar_of(&members)), "ADD a.tar /d").unwrap();
    let get = |name: &str| after.get(&path(name)).unwrap();
    assert!(get("d/a").is(&get("d/b")) && get("d/b").is(&get("d/c")) && get("d/s").is(&get("d/t")));
}

#[test]
fn add_3_and_6_what_is_unpacked() {
    let member = [(FILE, "in", "i", 0o644, 0)];
    let plain = tar_of(&member);
    let text = |bytes: &[u8]| format!("/d/ 0755 0:0,/d/a.tar 0644 0:0 {:?}", String::from_utf8_lossy(bytes));
    let unpacked = "/d/ 0755 0:0,/d/in 0644 0:0 \"i\"".to_owned();
    for (row, bytes, command, want) in [
        ("plain", plain.clone(), "ADD a.tar /d/", unpacked.clone()),
        ("compressed", zstd::encode_all(&plain[..], 1).unwrap(), "ADD a.tar /d", unpacked.clone()),
        ("asked for", plain.clone(), "ADD --unpack=true a.tar /d", unpacked.clone()),
        ("declined", plain.clone(), "ADD --unpack=false a.tar /d/", text(&plain)),
        ("COPY", plain.clone(), "COPY a.tar /d/", text(&plain)),
        ("a wildcard", plain.clone(), "ADD *.tar /d/", unpacked),
        ("inside a directory", plain.clone(), "ADD . /d/", text(&plain)),
        ("empty", Vec::new(), "ADD a.tar /d/", text(b"")),
        ("text", b"just text".to_vec(), "ADD a.tar /d/", text(b"just text")),
        ("zeros", vec![0; 10_240], "ADD a.tar /d/", text(&[0; 10_240])),
        ("half a header", plain[..300].to_vec(), "ADD a.tar /d/", text(&plain[..300])),
    ] {
        assert_eq!(changes(&RootFs::empty(), &context(bytes), command).unwrap().join(","), want, "{row}");
    }
}

#[test]
fn add_4_flags_and_destinations() {
    let source =
        context(tar_of(&[(DIRECTORY, "x", "", 0o700, 5), (FILE, "x/f", "f", 0o600, 6), (FILE, "y/g", "", 0o644, 7)]));
    let target = tree([link("link", "/real"), file("file", "f")]);
    check(
        &target,
        &source,
        &[
            (
                "--chown counts, --chmod and --exclude do not",
                "ADD --chown=33:34 --chmod=711 --exclude=x a.tar /d",
                &[
                    "/d/ 0755 33:34",
                    "/d/x/ 0700 33:34",
                    "/d/x/f 0600 33:34 \"f\"",
                    "/d/y/ 0755 0:0",
                    "/d/y/g 0644 33:34 \"\"",
                ],
            ),
            (
                "the destination is a link",
                "ADD a.tar /link",
                &[
                    "/real/ 0755 0:0",
                    "/real/x/ 0700 5:5",
                    "/real/x/f 0600 6:6 \"f\"",
                    "/real/y/ 0755 0:0",
                    "/real/y/g 0644 7:7 \"\"",
                ],
            ),
            ("the destination is a file", "ADD a.tar /file", &["D-88: cannot copy to non-directory: /file"]),
        ],
    );
}

#[test]
fn add_4_a_broken_archive_is_an_error_and_no_panic() {
    let whole = tar_of(&[(FILE, "a", "text", 0o644, 0), (FILE, "b", "more", 0o644, 0)]);
    for end in [600, 1_100, 1_500] {
        let error = run(&RootFs::empty(), &context(whole[..end].to_vec()), "ADD a.tar /d").unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), ("ADD-4", "cannot unpack /a.tar"));
    }
}

#[test]
fn add_4_the_names_of_two_archives_do_not_meet_in_the_scratch_directory() {
    let mut source = context(tar_of(&[(FILE, "a", "one", 0o644, 0)]));
    let second = File::inline(tar_of(&[(FILE, "b", "two", 0o644, 0)]));
    let inode = Inode::new(source.root().meta.clone(), Kind::File(second));
    assert!(source.insert(&path("b.tar"), Node::Inode(Arc::new(inode))));
    let want = ["/d/ 0755 0:0", "/d/a 0644 0:0 \"one\"", "/d/b 0644 0:0 \"two\""];
    assert_eq!(changes(&RootFs::empty(), &source, "ADD a.tar b.tar /d").unwrap(), want);
}
