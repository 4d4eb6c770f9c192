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
