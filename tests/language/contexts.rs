//! CTX, DF and NCTX: where files come from.

use std::fs;

use super::content;
use crate::kit::{Kit, text};

#[test]
fn ctx_6_standard_input_is_read_once() {
    let kit = Kit::new();
    let output = kit.kiln(&["build", "-f", "-", "-"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("invalid argument: can't use stdin for both build context and dockerfile"), "{stderr}");
}

/// Builds what lies in the context of the kit, without `-f`.
fn plain(kit: &Kit, words: &[&str]) -> (bool, String) {
    let store = kit.path("store");
    let mut all = vec!["build", "--store", text(&store), "--progress", "plain"];
    all.extend(words);
    let output = kit.kiln(&all);
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn df_1_and_4_the_name_may_be_in_lower_case() {
    let mut kit = Kit::new();
    let context = kit.path("context");
    let (done, stderr) = plain(&kit, &[text(&context)]);
    assert!(!done && stderr.contains("failed to read dockerfile: open "), "{stderr}");
    assert!(stderr.contains("Dockerfile: no such file or directory"), "{stderr}");
    kit.file("dockerfile", "FROM scratch\nLABEL a=lower\n");
    assert!(plain(&kit, &[text(&context)]).0);
    assert!(plain(&kit, &["-f", text(&context.join("Dockerfile")), text(&context)]).0, "any path of that name");
    kit.file("Dockerfile", "FROM scratch\nFOO\n");
    let (done, stderr) = plain(&kit, &[text(&context)]);
    assert!(!done && stderr.contains("unknown instruction: FOO"), "Dockerfile comes first: {stderr}");
}

#[test]
fn df_2_and_6_a_path_is_of_the_current_directory() {
    let mut kit = Kit::new();
    kit.file("a", "x");
    fs::create_dir(kit.path("elsewhere")).unwrap();
    fs::write(kit.path("elsewhere/my.Dockerfile"), "FROM scratch\nCOPY a /\nFOO\n").unwrap();
    let mut command = kit.command(&[]);
    command.current_dir(kit.path("elsewhere")).args(["-f", "my.Dockerfile"]);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--> my.Dockerfile:3:1"), "{stderr}");
}

#[test]
fn df_3_the_dockerfile_alone_through_a_pipe() {
    let mut kit = Kit::new();
    kit.file("a", "from the context");
    let command = kit.command(&["-f", "-", "-o", &format!("type=oci,dest={}", kit.path("out.tar").display())]);
    let output = assert_cmd::Command::from_std(command).write_stdin("FROM scratch\nCOPY a /a\n").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(content(&crate::kit::Image::read(&kit.path("out.tar")), "/a"), "from the context");
}

#[test]
fn df_5_an_ignored_dockerfile_is_read_and_not_copied() {
    let mut kit = Kit::new();
    let context = kit.path("context");
    kit.file(".dockerignore", "Dockerfile\n").file("Dockerfile", "FROM scratch\nLABEL a=b\n");
    assert!(plain(&kit, &[text(&context)]).0);
    kit.file("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let (done, stderr) = plain(&kit, &[text(&context)]);
    assert!(!done && stderr.contains("\"/Dockerfile\": not found"), "{stderr}");
}

#[test]
fn nctx_2_4_and_7_where_named_contexts_are_looked_up() {
    let mut kit = Kit::new();
    kit.file("main", "main");
    for name in ["one", "two"] {
        fs::create_dir(kit.path(name)).unwrap();
        fs::write(kit.path(name).join("f"), name).unwrap();
    }
    let (one, two) = (kit.path("one"), kit.path("two"));
    kit.flag(&["--build-context", &format!("one={}", one.display()), "--platform", "linux/arm64"]);
    kit.flag(&["--build-context", &format!("both::linux/arm64={}", two.display())]);
    kit.flag(&["--build-context", &format!("both={}", one.display())]);
    kit.flag(&["--build-context", &format!("context={}", one.display())]);
    kit.flag(&["--build-context", &format!("scratch={}", one.display())]);
    let image = kit.dockerfile("FROM one\nCOPY --from=both f /g\nCOPY main /main\n").build().succeeds();
    assert_eq!((content(&image, "/f").as_str(), content(&image, "/g").as_str()), ("one", "two"));
    let config = image.config();
    assert_eq!(config["architecture"], "arm64", "NCTX-4");
    assert_eq!(config["config"]["WorkingDir"], "/", "NCTX-4");
    let missing = kit.dockerfile("FROM scratch\nCOPY f /f\n").build();
    missing.fails_with(1, &["\"/f\": not found"]);
    let empty = kit.dockerfile("FROM scratch\nLABEL a=b\n").build().succeeds();
    assert!(empty.flattened().is_empty(), "`scratch` is not looked up");
}

#[test]
fn nctx_5_an_image_brings_its_platform() {
    let mut kit = Kit::new();
    let layout = kit.path("layout");
    kit.dockerfile("FROM scratch\nLABEL a=b\n").flag(&["--platform", "linux/s390x"]);
    let output = kit.run(&["-o", &format!("type=oci,tar=false,dest={}", layout.display()), "-t", "made:latest"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kit.without_flag(&["--platform", "linux/s390x"]);
    kit.flag(&["--build-context", &format!("base=oci-layout://{}", layout.display())]);
    let image = kit
        .dockerfile("FROM base AS b\nARG TARGETARCH\nLABEL arch=$TARGETARCH\nFROM b\nLABEL c=d\n")
        .build()
        .succeeds();
    assert_eq!(image.config()["architecture"], "s390x");
    assert_eq!(image.config()["config"]["Labels"]["a"], "b");
}
