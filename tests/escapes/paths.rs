//! Paths of Dockerfiles that lead through links to what is outside: sources, destinations, mounts, users, directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use super::images;
use super::stage::{CANARY, Holes, Stage, rungs, turns};
use crate::kit::Image;

/// A Dockerfile, what it tries, and whether it must be refused. `FROM linked` is an image in which `/out`, `/up`, `/etc/passwd`
/// and more are links to `@OUTSIDE@` on the machine.
const DOCKERFILES: &[(&str, &str, Option<bool>)] = &[
    ("copies into a link", "FROM linked\nCOPY a /out/new\nCOPY a /up/new\n", None),
    ("copies over a link to a file", "FROM linked\nCOPY a /secret-link\n", None),
    ("copies a directory over a link", "FROM linked\nCOPY d /out\nCOPY d /up/\n", None),
    ("adds an archive into a link", "FROM linked\nADD a.tar /out/\n", None),
    ("takes a link of the context for a file", "FROM busybox\nCOPY secret-link /stolen\n", Some(true)),
    ("takes what lies behind a link of the context", "FROM busybox\nCOPY out-link/secret /stolen\n", Some(true)),
    ("climbs out of the context", "FROM busybox\nCOPY ../outside/secret /stolen\n", Some(true)),
    ("climbs out of the context by a pattern", "FROM busybox\nCOPY ../outs*/sec* /stolen\n", None),
    ("climbs out of the context from within", "FROM busybox\nCOPY d/../../outside/secret /stolen\n", Some(true)),
    ("names an absolute source", "FROM busybox\nCOPY @OUTSIDE@/secret /stolen\n", Some(true)),
    ("adds a file by URL from the machine", "FROM busybox\nADD file://@OUTSIDE@/secret /stolen\n", Some(true)),
    (
        "copies a link of another stage, followed",
        "FROM linked AS s\nFROM busybox\nCOPY --from=s /secret-link /stolen\n",
        None,
    ),
    (
        "copies from behind a link of another stage",
        "FROM linked AS s\nFROM busybox\nCOPY --from=s /out/secret /stolen\n",
        Some(true),
    ),
    (
        "copies from above the root of another stage",
        "FROM linked AS s\nFROM busybox\nCOPY --from=s /../../../../@OUTSIDE@/secret /stolen\n",
        Some(true),
    ),
    (
        "names a heredoc as a path",
        "FROM busybox\nCOPY <<\"../../../../@OUTSIDE@/new\" /\nx\n../../../../@OUTSIDE@/new\n",
        None,
    ),
    ("works in a link", "FROM linked\nWORKDIR /out/new\nRUN pwd > made\n", None),
    ("works above the root", "FROM busybox\nWORKDIR /../../../..@OUTSIDE@/new\nRUN pwd > made\n", None),
    (
        "works in a descriptor of the builder",
        "FROM busybox\nWORKDIR /proc/self/fd/9\nRUN cat ../../../../@OUTSIDE@/secret > /stolen; true\n",
        None,
    ),
    (
        "works in each descriptor of the builder",
        "FROM busybox\nWORKDIR /proc/self/fd/3/../../..\nRUN cat ./@OUTSIDE@/secret > /stolen; true\n",
        None,
    ),
    ("is a user of the machine, by a link", "FROM linked\nUSER outsider\nRUN id > /id\n", Some(true)),
    ("gives files to a user of the machine", "FROM linked\nCOPY --chown=outsider a /a\n", None),
    ("mounts memory on a link", "FROM linked\nRUN --mount=type=tmpfs,target=/out/new touch /out/new/x\n", None),
    ("mounts memory over what a link leads to", "FROM linked\nRUN --mount=type=tmpfs,target=/up touch /up/new\n", None),
    ("mounts a cache on a link", "FROM linked\nRUN --mount=type=cache,target=/out/new touch /out/new/x\n", None),
    (
        "mounts a cache by a name that climbs",
        "FROM busybox\nRUN --mount=type=cache,id=../../../outside/new,target=/c touch /c/x\n",
        None,
    ),
    ("mounts a secret on a link", "FROM linked\nRUN --mount=type=secret,id=s,target=/out/new cat /out/new\n", None),
    (
        "mounts a secret over a file of the machine",
        "FROM linked\nRUN --mount=type=secret,id=s,target=/secret-link true\n",
        None,
    ),
    (
        "asks for a secret that nobody gave",
        "FROM busybox\nRUN --mount=type=secret,id=../outside/secret,required=true true\n",
        Some(true),
    ),
    (
        "mounts the context on a link, to write to",
        "FROM linked\nRUN --mount=target=/out/new,rw touch /out/new/x\n",
        None,
    ),
    (
        "mounts what is above the context",
        "FROM busybox\nRUN --mount=source=../outside,target=/m cat /m/secret > /stolen\n",
        Some(true),
    ),
    (
        "mounts what a link of the context leads to",
        "FROM busybox\nRUN --mount=source=out-link,target=/m cat /m/secret > /stolen\n",
        Some(true),
    ),
    (
        "mounts what a link of another stage leads to",
        "FROM linked AS s\nFROM busybox\nRUN --mount=from=s,source=/out,target=/m cat /m/secret > /stolen\n",
        Some(true),
    ),
    (
        "fills a cache from behind a link",
        "FROM linked AS s\nFROM busybox\nRUN --mount=type=cache,from=s,source=/out,target=/m cat /m/secret > /stolen\n",
        Some(true),
    ),
    (
        "mounts below a link that a cache holds",
        "FROM busybox\nRUN --mount=type=cache,id=l,target=/c ln -s @OUTSIDE@ /c/l\nRUN --mount=type=cache,id=l,target=/c --mount=type=tmpfs,target=/c/l/new touch /c/l/new/x\n",
        None,
    ),
    (
        "copies what a cache leads to into the cache of the machine",
        "FROM busybox\nRUN --mount=type=cache,id=m,target=/c ln -s @OUTSIDE@/secret /c/s; rm -rf /c/d; ln -s @OUTSIDE@/dir /c/d\nRUN --mount=type=cache,id=m,target=/c echo overwritten > /c/s; mkdir /c/d; touch /c/d/new; true\n",
        None,
    ),
    (
        "moves the directory of a mount away and puts a link there",
        "FROM busybox\nRUN --mount=type=tmpfs,target=/a/b/c mv /a /z; ln -s @OUTSIDE@ /a; mkdir -p @OUTSIDE@; true\nRUN --mount=type=secret,id=s,target=/run/s/x rm -rf /run; ln -s @OUTSIDE@ /run; true\n",
        None,
    ),
    (
        "moves its working directory above all",
        "FROM busybox\nWORKDIR /w\nRUN mv /w /tmp/w; cd ..; cat ./@OUTSIDE@/secret > /stolen; true\n",
        None,
    ),
    (
        "has links for /proc, /sys, /dev and the files of the network",
        "FROM all-linked\nRUN echo x > /etc/hosts; echo y > /dev/new; true\n",
        None,
    ),
    (
        "names a program of the machine",
        "FROM busybox\nENTRYPOINT [\"@OUTSIDE@/secret\"]\nRUN [\"@OUTSIDE@/secret\"]\n",
        Some(true),
    ),
    ("declares volumes outside", "FROM linked\nVOLUME /out /../../@OUTSIDE@/new\nRUN touch /out/x; true\n", None),
    (
        "removes all that it can reach",
        "FROM linked\nRUN busybox rm -rf /out/ /up/ /secret-link /out/../* 2>/dev/null; true\n",
        None,
    ),
    (
        "changes owners and modes of all that it can reach",
        "FROM linked\nRUN busybox chown -RL 5:5 /out/ /up/; busybox chmod -R 777 /out/ /up/; true\n",
        None,
    ),
];

#[test]
fn no_path_of_a_dockerfile_leads_outside() {
    let mut holes = Holes::default();
    let mut stages = Stage::all();
    for stage in &mut stages {
        let outside = stage.outside("").display().to_string();
        prepare(stage, outside.trim_end_matches('/'));
    }
    for (row, (tries, dockerfile, refused)) in DOCKERFILES.iter().enumerate() {
        for number in turns(row, 2) {
            let Some(stage) = stages.get_mut(number) else { continue };
            let outside = stage.outside("").display().to_string();
            stage.kit.dockerfile(&dockerfile.replace("@OUTSIDE@", outside.trim_end_matches('/')));
            let output = stage.build(&[]);
            holes.note(&format!("a Dockerfile that {tries}"), stage.rung(), stage.is_contained(&output, *refused));
        }
    }
    holes.none();
}

/// A context and base images with links to what is outside.
fn prepare(stage: &mut Stage, outside: &str) {
    let up = format!("{}{}", "../".repeat(20), outside.trim_start_matches('/'));
    let link = super::tar::symlink;
    let secret = format!("{outside}/secret");
    let linked = [
        link("out", outside),
        link("up", &up),
        link("secret-link", &secret),
        link("etc/passwd", &format!("{outside}/passwd")),
    ];
    let all_linked = [
        link("proc", outside),
        link("sys", &up),
        link("dev", outside),
        link("etc/hosts", &format!("{outside}/new")),
        link("etc/resolv.conf", &secret),
    ];
    for (name, entries) in [("linked", &linked[..]), ("all-linked", &all_linked)] {
        images::based(&stage.kit.path(name), &stage.kit.path("base"), entries);
        let context = format!("{name}=oci-layout://{}", stage.kit.path(name).display());
        stage.kit.flag(&["--build-context", &context]);
    }
    fs::write(stage.kit.path("given"), "a secret for the step").unwrap();
    let given = format!("id=s,src={}", stage.kit.path("given").display());
    stage.kit.flag(&["--secret", &given]).file("a", "x").file("d/a", "x").file("a.tar", "");
    fs::write(stage.kit.path("context/a.tar"), super::tar::tar(&[super::tar::file("new", "x")])).unwrap();
    stage.kit.symlink("secret-link", &secret).symlink("out-link", outside).symlink("d/up-link", &up);
}

/// Somebody changes a directory of the context into a link to the machine's files, and back, all the time.
#[test]
fn a_context_that_changes_meanwhile_gives_nothing_of_the_machine() {
    let Some(rung) = rungs().first() else { return };
    let Some(mut stage) = Stage::new(rung) else { return };
    stage.kit.file("d/secret", "harmless").dockerfile("FROM scratch\nCOPY . /\n");
    for number in 0..200 {
        stage.kit.file(&format!("d/{number}"), "x");
    }
    let (there, aside) = (stage.kit.path("context/d"), stage.kit.path("aside"));
    let outside = stage.outside("");
    let link = stage.kit.path("link");
    symlink(&outside, &link).unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _turn = (fs::rename(&there, &aside), fs::rename(&link, &there));
                let _back = (fs::rename(&there, &link), fs::rename(&aside, &there));
            }
        });
        for _ in 0..30 {
            let _absent = fs::remove_file(stage.kit.path("out.tar"));
            let output =
                stage.kit.run(&["--no-cache", "-o", &format!("type=oci,dest={}", stage.kit.path("out.tar").display())]);
            if !output.status.success() {
                assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
                continue;
            }
            for (path, entry) in Image::read(&stage.kit.path("out.tar")).flattened() {
                let stolen = String::from_utf8_lossy(&entry.content).contains(CANARY);
                if stolen {
                    over.store(true, Ordering::Relaxed);
                }
                assert!(!stolen, "{path} is of the machine");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}
