//! What comes out of a build.

use crate::kit::Kit;

#[test]
fn run_changes_are_a_layer() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    let image = kit
        .dockerfile("FROM busybox\nRUN mkdir -p /made/here && echo text > /made/here/file && rm /etc/group\n")
        .build()
        .succeeds();
    image.last_layer().lists(&[
        "etc: directory",
        "etc/.wh.group: file",
        "made: directory",
        "made/here: directory",
        "made/here/file: file",
    ]);
    assert_eq!(image.file_of_image("/made/here/file").unwrap().content, b"text\n");
    assert!(image.file_of_image("/etc/group").is_none());
    assert!(image.file_of_image("/etc/passwd").is_some());
}

#[test]
fn copy_takes_files_with_their_modes_and_gives_them_to_root() {
    let mut kit = Kit::new();
    kit.file("dir/script", "#!/bin/sh\n").mode("dir/script", 0o750).touch("dir/script", 1_000_000_000);
    kit.symlink("dir/link", "script").file("other", "x");
    let image = kit.dockerfile("FROM scratch\nCOPY dir /app/\nCOPY --chown=7:8 --chmod=600 other /app/\n").build();
    let image = image.succeeds();
    let script = image.file_of_image("/app/script").unwrap();
    assert_eq!((script.mode, script.uid, script.gid, script.mtime), (0o750, 0, 0, 1_000_000_000));
    let other = image.file_of_image("/app/other").unwrap();
    assert_eq!((other.mode, other.uid, other.gid), (0o600, 7, 8));
    image.layer(0).lists(&["app: directory", "app/link: symlink to script", "app/script: file"]);
}

#[test]
fn copy_keeps_hard_links_within_one_layer() {
    let mut kit = Kit::new();
    kit.file("a", "x").hard_link("a", "b").dockerfile("FROM scratch\nCOPY . /\n");
    let image = kit.build().succeeds();
    image.layer(0).lists(&["a: file", "b: link to a"]);
}

#[test]
fn the_config_holds_what_the_dockerfile_says() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--build-arg", "NAME=kiln"]).dockerfile(concat!(
        "FROM busybox\nARG NAME=other\nENV GREETING=\"hello $NAME\"\nLABEL a=b\nEXPOSE 80\nWORKDIR /work\n",
        "USER daemon\nENTRYPOINT [\"/bin/echo\"]\nCMD [\"x\"]\n",
    ));
    let config = kit.build().succeeds().config();
    let run = &config["config"];
    assert_eq!(run["Env"][1], "GREETING=hello kiln");
    assert_eq!(run["Labels"]["a"], "b");
    assert!(run["ExposedPorts"]["80/tcp"].is_object());
    assert_eq!(run["WorkingDir"], "/work");
    assert_eq!(run["User"], "daemon");
    assert_eq!((&run["Entrypoint"][0], &run["Cmd"][0]), (&"/bin/echo".into(), &"x".into()));
    // The base, and WORKDIR.
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stage_gives_files_to_another() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile(concat!(
        "FROM busybox AS build\nRUN mkdir /out && echo made > /out/file\n",
        "FROM busybox AS unused\nRUN false\n",
        "FROM scratch\nCOPY --from=build /out/ /\n",
    ));
    let image = kit.build().succeeds();
    image.layer(0).lists(&["file: file"]);
    assert_eq!(image.layer_digests().len(), 1);
}

#[test]
fn a_failing_run_shows_its_line_its_output_and_its_exit_code() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\n\nRUN echo the last words >&2; exit 23\n");
    kit.build().fails_with(1, &["Dockerfile:3", "the last words", "23"]);
}

#[test]
fn a_misspelt_instruction_is_shown_with_its_place() {
    Kit::new().dockerfile("FROM scratch\nCOYP a b\n").build().fails_with(1, &["Dockerfile:2:1", "COYP", "COPY"]);
}

#[test]
fn a_secret_is_there_for_its_step_alone() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.env("TOKEN", "hunter2")
        .flag(&["--secret", "id=token,env=TOKEN"])
        .dockerfile("FROM busybox\nRUN --mount=type=secret,id=token grep -c hunter2 /run/secrets/token > /found\n");
    let image = kit.build().succeeds();
    assert_eq!(image.file_of_image("/found").unwrap().content, b"1\n");
    assert!(image.file_of_image("/run/secrets/token").is_none());
    assert!(image.flattened().values().all(|file| !file.content.windows(7).any(|text| text == b"hunter2")));
}
