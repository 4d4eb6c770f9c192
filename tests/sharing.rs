//! The cache that machines share: two stores are two machines.

use std::fs;
use std::path::Path;

use crate::kit::{Kit, text};

/// Two stages: the second copies from the first, and a RUN stands on a COPY.
const DOCKERFILE: &str = "FROM busybox AS tools\nCOPY tool /tool\nRUN echo made > /made\n\
                          FROM busybox\nCOPY --from=tools /made /made\nRUN cat /made > /again\nCOPY last /last\n";

/// A machine with a busybox base, and the files that [`DOCKERFILE`] copies.
fn machine() -> Option<Kit> {
    let mut kit = Kit::with_busybox()?;
    kit.file("tool", "tool").file("last", "last").dockerfile(DOCKERFILE);
    Some(kit)
}

/// What a build has told, and what of it matters here.
struct Told {
    log: String,
    image: String,
}

impl Told {
    /// Steps that ran, and steps that the cache had.
    fn steps(&self) -> (usize, usize) {
        let line = self.log.lines().find(|line| line.starts_with("built in")).unwrap();
        let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        (numbers[0], numbers[1])
    }

    /// Layers that were fetched from the cache.
    fn fetched(&self) -> usize {
        self.log.lines().filter(|line| line.contains(" fetch ")).count()
    }
}

/// Builds into an archive beside the kit, with more flags.
fn build(kit: &Kit, flags: &[&str]) -> Told {
    let output = format!("type=oci,dest={}", text(&kit.path("out.tar")));
    told(kit, &[flags, &["-o", &output]].concat())
}

/// Builds with more flags.
fn told(kit: &Kit, flags: &[&str]) -> Told {
    let output = kit.run(flags);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    let image = log.lines().find_map(|line| line.strip_prefix("image ")).unwrap_or_default().to_owned();
    Told { log, image }
}

fn to(dir: &Path, more: &str) -> String {
    format!("type=local,dest={}{more}", text(dir))
}

fn from(dir: &Path) -> String {
    format!("type=local,src={}", text(dir))
}

/// The blobs of a directory that hold layers or lists.
fn blobs(dir: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(dir.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn cx_2_a_second_machine_runs_nothing_and_fetches_what_its_output_needs() {
    let Some(one) = machine() else { return };
    let dir = one.path("cache");
    let first = build(&one, &["--cache-to", &to(&dir, ",mode=max")]);
    assert_eq!(first.steps(), (5, 0));
    assert!(first.log.contains("5 steps, "), "{}", first.log);
    let again = build(&one, &["--cache-to", &to(&dir, ",mode=max")]);
    assert!(again.log.contains("0 steps, 0 blobs of 0 bytes sent"), "what is there is not sent: {}", again.log);

    let mut two = machine().unwrap();
    let second = build(&two, &["--cache-from", &from(&dir)]);
    assert_eq!((second.steps(), second.fetched()), ((0, 5), 3), "{}", second.log);
    assert_eq!(second.image, first.image);
    assert!(second.log.contains("from the cache at"), "{}", second.log);
    let third = build(&two, &["--cache-from", &from(&dir)]);
    assert_eq!(third.fetched(), 0, "it is here by now: {}", third.log);
    // The first stage's RUN gave the very layer that COPY took from it; only the layer of its own COPY never came.
    let alone = build(&two, &[]);
    assert_eq!((alone.steps(), alone.image), ((1, 4), first.image.clone()), "{}", alone.log);
    let sound = two.on_store(&["store", "check"]);
    assert!(sound.status.success(), "{}", String::from_utf8_lossy(&sound.stdout));

    // Without an output no layer is needed: not even one that is gone.
    two.new_store();
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    for blob in blobs(&dir).iter().filter(|path| fs::read(path).unwrap().starts_with(&[0x1f, 0x8b])) {
        assert!(size(blob) > 0);
        fs::remove_file(blob).unwrap();
    }
    let nothing = told(&two, &["--cache-from", &from(&dir), "-o", "type=cacheonly"]);
    assert_eq!((nothing.steps(), nothing.fetched()), ((0, 5), 0), "{}", nothing.log);
    assert!(!nothing.log.contains("warning"), "{}", nothing.log);

    // With one, it is made anew.
    let lost = build(&two, &["--cache-from", &from(&dir)]);
    assert!(lost.log.contains("it is made anew") || lost.log.contains("left out"), "{}", lost.log);
}

#[test]
fn cx_2_min_has_the_steps_of_the_image_alone() {
    let Some(one) = machine() else { return };
    let dir = one.path("cache");
    let first = build(&one, &["--cache-to", &to(&dir, "")]);
    assert!(first.log.contains("3 steps, "), "{}", first.log);
    let two = machine().unwrap();
    let second = build(&two, &["--cache-from", &from(&dir)]);
    assert_eq!((second.steps(), second.image), ((2, 3), first.image), "{}", second.log);
}

#[test]
fn cx_1_steps_hit_by_what_they_stand_on() {
    let Some(mut one) = machine() else { return };
    let dir = one.path("cache");
    let dockerfile =
        |word: &str| format!("FROM busybox\nRUN : {word}; echo a > /a\nRUN cat /a > /b\nRUN cat /b > /c\n");
    one.dockerfile(&dockerfile("one"));
    build(&one, &["--cache-to", &to(&dir, "")]);
    let mut two = machine().unwrap();
    two.dockerfile(&dockerfile("two"));
    let second = build(&two, &["--cache-from", &from(&dir)]);
    assert_eq!(second.steps(), (1, 2), "{}", second.log);
    assert!(second.log.contains("starts from the same files as before"), "{}", second.log);
}

#[test]
fn cx_3_layers_are_compressed_as_asked_and_the_image_is_the_same() {
    let Some(one) = machine() else { return };
    let dir = one.path("cache");
    let first = build(&one, &["--cache-to", &to(&dir, ",mode=max,compression=zstd,force-compression=true")]);
    let gzip = |path: &std::path::PathBuf| fs::read(path).unwrap().starts_with(&[0x1f, 0x8b]);
    assert!(!blobs(&dir).iter().any(gzip), "a layer in gzip");
    let two = machine().unwrap();
    let second = build(&two, &["--cache-from", &from(&dir)]);
    assert_eq!((second.steps(), second.image), ((0, 5), first.image), "{}", second.log);
}

#[test]
fn cx_4_a_directory_is_an_image_layout_and_can_be_reset() {
    let Some(mut one) = machine() else { return };
    let dir = one.path("cache");
    build(&one, &["--cache-to", &to(&dir, ",tag=x")]);
    let index: serde_json::Value = serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "x");
    let pinned = format!("{},digest={}", from(&dir), index["manifests"][0]["digest"].as_str().unwrap());
    one.file("last", "other");
    build(&one, &["--cache-to", &to(&dir, ",tag=x")]);
    let two = machine().unwrap();
    let second = build(&two, &["--cache-from", &pinned]);
    assert_eq!(second.steps(), (2, 3), "what a digest names is what it was: {}", second.log);
    let all = blobs(&dir).len();
    one.file("last", "third");
    build(&one, &["--cache-to", &to(&dir, ",tag=x,reset=true")]);
    assert!(blobs(&dir).len() <= all + 2, "older manifests and indexes are gone");
    let missing = build(&two, &["--cache-from", &from(&two.path("nowhere"))]);
    assert!(missing.log.contains("there is none yet"), "{}", missing.log);
}

#[test]
fn what_is_damaged_in_a_place_is_not_used() {
    let Some(one) = machine() else { return };
    let dir = one.path("cache");
    build(&one, &["--cache-to", &to(&dir, ",mode=max")]);
    let index = fs::read_dir(dir.join("kiln")).unwrap().next().unwrap().unwrap().path().join("index/main");
    let good = fs::read(&index).unwrap();
    let step = fs::read_dir(index.parent().unwrap().with_file_name("steps")).unwrap().next().unwrap().unwrap().path();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (row, bytes, word) in [
        ("another object", fs::read(step).unwrap(), "it is another object"),
        ("cut short", good[..good.len() / 2].to_vec(), "its bytes have changed"),
        ("flipped", flipped, "its bytes have changed"),
        ("nonsense", b"nonsense".to_vec(), "it is none of kiln's"),
    ] {
        fs::write(&index, bytes).unwrap();
        let built = build(&machine().unwrap(), &["--cache-from", &from(&dir)]);
        assert!(built.steps() == (5, 0) && built.log.contains(word), "{row}: {}", built.log);
    }
    fs::write(&index, &good).unwrap();
    // A list that is cut short: the layer itself tells.
    for list in blobs(&dir).iter().filter(|path| fs::read(path).unwrap().starts_with(&[0x28, 0xb5, 0x2f, 0xfd])) {
        let bytes = fs::read(list).unwrap();
        fs::write(list, &bytes[..bytes.len() / 2]).unwrap();
    }
    let built = build(&machine().unwrap(), &["--cache-from", &from(&dir)]);
    assert_eq!(built.steps(), (0, 5), "{}", built.log);
    assert!(!built.log.contains("warning"), "{}", built.log);
}

#[test]
fn cm_3_cache_mounts_travel_where_it_is_asked_for() {
    let Some(mut one) = machine() else { return };
    let dir = one.path("cache");
    let dockerfile = |word: &str| {
        format!("FROM busybox\nRUN --mount=type=cache,target=/c echo {word} >> /c/words; cat /c/words > /seen\n")
    };
    one.dockerfile(&dockerfile("one"));
    build(&one, &["--cache-to", &to(&dir, "")]);
    let mut two = machine().unwrap();
    two.dockerfile(&dockerfile("two"));
    let seen = |kit: &Kit, flags: &[&str]| {
        let files = kit.path("files");
        let _absent = fs::remove_dir_all(&files);
        let log = told(kit, &[flags, &["-o", &format!("type=local,dest={}", text(&files))]].concat()).log;
        (fs::read_to_string(files.join("seen")).unwrap(), log)
    };
    assert_eq!(seen(&two, &["--cache-from", &from(&dir)]).0, "two\n", "not asked for");
    build(&one, &["--cache-to", &to(&dir, ",mounts=true"), "--no-cache"]);
    two.new_store();
    let (words, log) = seen(&two, &["--cache-from", &from(&dir)]);
    assert_eq!(words, "one\none\ntwo\n", "{log}");
}

#[test]
fn cx_5_no_secret_travels() {
    let Some(mut one) = machine() else { return };
    let dir = one.path("cache");
    one.env("WORD", "opensesame")
        .dockerfile("FROM busybox\nRUN --mount=type=secret,id=w test \"$(cat /run/secrets/w)\"\n");
    build(&one, &["--secret", "id=w,env=WORD", "--cache-to", &to(&dir, ",mode=max")]);
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(&dir).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file())
    {
        let bytes = fs::read(entry.path()).unwrap();
        let start = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for bytes in [&bytes[..], &bytes[start..]] {
            let plain = zstd::decode_all(bytes).unwrap_or_else(|_| bytes.to_vec());
            assert!(memchr::memmem::find(&plain, b"opensesame").is_none(), "{}", entry.path().display());
            seen += usize::from(memchr::memmem::find(&plain, b"/run/secrets/w").is_some());
        }
    }
    assert!(seen > 0, "the records were not read");
}

#[test]
fn cx_1_wrong_values_are_told_before_anything_is_built() {
    let kit = Kit::new();
    for (flags, part) in [
        (["--cache-to", "type=local,dest=c,mod=max"], "--cache-to: there is no option `mod` of type=local"),
        (["--cache-from", "src=c"], "--cache-from: type required for"),
        (["--cache-to", "type=tape,dest=c"], "unknown cache type `tape`"),
    ] {
        let output = kit.run(&flags);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && log.contains(part), "{log}");
    }
}
