//! FROM, RUN and the instructions of the config.

use super::{built, content, history, scratch};
use crate::kit::Kit;

#[test]
fn from_5_a_number_is_the_name_of_an_image() {
    let mut kit = Kit::new();
    let context = format!("0={}", kit.path("context").display());
    kit.file("a", "x").flag(&["--build-context", &context]);
    let image = kit
        .dockerfile(
            "FROM scratch
LABEL a=b
FROM 0
LABEL c=d
",
        )
        .build()
        .succeeds();
    assert_eq!(content(&image, "/a"), "x");
}

#[test]
fn from_11_and_24_platforms() {
    let two = "FROM --platform=linux/s390x scratch AS a\nLABEL a=b\nFROM --platform=linux/s390x a\nLABEL c=d\n";
    let image = scratch(two, &["--platform", "linux/arm/v6"]);
    let config = image.config();
    assert_eq!((&config["architecture"], &config["variant"]), (&"arm".into(), &"v6".into()));
    let image = scratch("FROM scratch\nLABEL a=b\n", &["--platform", "linux/riscv64"]);
    assert_eq!(image.config()["architecture"], "riscv64");
}

#[test]
fn from_15_the_config_of_the_base_goes_on() {
    let base = "FROM scratch AS base\nENV A=1\nLABEL l=1\nWORKDIR /w\nUSER u\nVOLUME /v\nEXPOSE 1\nCMD [\"c\"]\n\
                ENTRYPOINT [\"e\"]\nSTOPSIGNAL 9\nHEALTHCHECK CMD h\nSHELL [\"s\"]\nONBUILD LABEL t=1\nFROM base\nLABEL m=2\n";
    let image = scratch(base, &[]);
    let config = &image.config()["config"];
    for (field, want) in [
        ("User", serde_json::json!("u")),
        ("WorkingDir", "/w".into()),
        ("Volumes", serde_json::json!({ "/v": {} })),
        ("ExposedPorts", serde_json::json!({ "1/tcp": {} })),
        ("Cmd", serde_json::json!(["c"])),
        ("Entrypoint", serde_json::json!(["e"])),
        ("StopSignal", "9".into()),
        ("Shell", serde_json::json!(["s"])),
        ("Labels", serde_json::json!({ "l": "1", "t": "1", "m": "2" })),
        ("OnBuild", serde_json::Value::Null),
    ] {
        assert_eq!(config[field], want, "{field}");
    }
    assert_eq!(history(&image).last().map(String::as_str), Some("LABEL m=2"));
    assert_eq!(
        history(&image).len(),
        13,
        "the history of the base is kept, and the trigger's is there: {:?}",
        history(&image)
    );
}

#[test]
fn from_23_what_stages_are_called() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    let named =
        kit.dockerfile("FROM busybox\nRUN true\nFROM busybox AS own\nCOPY --from=0 /bin/sh /x\nRUN true\n").build();
    let stderr = named.stderr();
    assert!(stderr.contains("[stage-0 1/1] RUN true") && stderr.contains("[own 2/2] RUN true"), "{stderr}");
    let one = kit.dockerfile("FROM busybox AS own\nRUN true\n").build();
    assert!(one.stderr().contains("[1/1] RUN true"), "{}", one.stderr());
    // It is no name for `--from`: there it is an image's.
    let context = format!("stage-0={}", kit.path("context").display());
    kit.file("f", "x").flag(&["--build-context", &context]);
    let text = "FROM scratch
LABEL a=b
FROM scratch
COPY --from=stage-0 f /f
";
    assert_eq!(content(&kit.dockerfile(text).build().succeeds(), "/f"), "x");
}

#[test]
fn run_22_devices_need_an_entitlement() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    let failed = kit.dockerfile("FROM busybox\nRUN --device=vendor/class=dev true\n").build();
    assert!(failed.stderr().contains("device"), "{}", failed.stderr());
    failed.fails_with(1, &["Dockerfile:2:"]);
    let twice = kit.dockerfile("FROM busybox\nRUN --device=name=a,name=b true\n").build();
    twice.fails_with(1, &["device name already set to a"]);
}

#[test]
fn run_23_and_30_flags_once_and_csv() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.file("a,b", "comma").file("c", "plain");
    let text = "FROM busybox\nRUN --mount='type=bind,\"source=a,b\",target=/m' --mount=TYPE=bind,SRC=c,DST=/n cat /m /n > /x\n";
    assert_eq!(content(&kit.dockerfile(text).build().succeeds(), "/x"), "commaplain");
    let twice = kit.dockerfile("FROM busybox\nRUN --network=none --network=none true\n").build();
    twice.fails_with(1, &["duplicate flag specified: --network"]);
    let twice = kit.dockerfile("FROM busybox\nRUN --security=sandbox --security=sandbox true\n").build();
    twice.fails_with(1, &["duplicate flag specified: --security"]);
}

#[test]
fn run_50_a_layer_even_for_nothing() {
    let Some(image) = built("FROM busybox\nRUN true\nRUN true\n", &[]) else { return };
    assert_eq!(image.layer_digests().len(), 3);
    image.last_layer().lists(&[]);
}

#[test]
fn cmd_3_the_shell_of_its_line() {
    let image = scratch("FROM scratch\nCMD a\nSHELL [\"/s\", \"-x\"]\nENTRYPOINT b\nSHELL [\"/t\"]\n", &[]);
    let config = &image.config()["config"];
    assert_eq!(config["Cmd"], serde_json::json!(["/bin/sh", "-c", "a"]));
    assert_eq!(config["Entrypoint"], serde_json::json!(["/s", "-x", "b"]));
    assert_eq!(config["Shell"], serde_json::json!(["/t"]));
}

#[test]
fn env_4_and_5_quotes_go_and_places_stay() {
    let image = scratch("FROM scratch\nENV A=1 B='2 \"3\"' C=4\nENV D it \"is\"\nENV B=\"5\" E=6\n", &[]);
    let want = ["A=1", "B=5", "C=4", "D=it is", "E=6"];
    assert_eq!(image.config()["config"]["Env"].as_array().unwrap()[1..], want);
    assert_eq!(history(&image), ["ENV A=1 B=2 \"3\" C=4", "ENV D=it is", "ENV B=5 E=6"]);
}

#[test]
fn workdir_4_and_5_a_layer_but_for_the_root() {
    let mut kit = Kit::new();
    let built = kit.dockerfile("FROM scratch\nWORKDIR /\nWORKDIR a\nWORKDIR b\n").build();
    let image = built.succeeds();
    let config = image.config();
    let empty: Vec<bool> =
        config["history"].as_array().unwrap().iter().map(|entry| entry["empty_layer"] == true).collect();
    assert_eq!(empty, [true, false, false]);
    assert_eq!(history(&image), ["WORKDIR /", "WORKDIR /a", "WORKDIR /a/b"]);
    assert!(!built.stderr().contains("WorkdirRelativePath"), "{}", built.stderr());
    let relative = kit.dockerfile("FROM scratch\nWORKDIR a\n").build();
    assert!(relative.stderr().contains("WorkdirRelativePath"), "{}", relative.stderr());
}

#[test]
fn hc_4_durations_are_nanoseconds() {
    let image =
        scratch("FROM scratch\nHEALTHCHECK --interval=1m30s --timeout=0 --start-period=2.5ms --retries=3 CMD x\n", &[]);
    let want = serde_json::json!({ "Test": ["CMD-SHELL", "x"], "Interval": 90_000_000_000u64, "StartPeriod": 2_500_000, "Retries": 3 });
    assert_eq!(image.config()["config"]["Healthcheck"], want);
}

#[test]
fn onb_6_triggers_are_instructions_like_others() {
    let text = "FROM busybox AS a\nONBUILD RUN echo t > /t\nONBUILD ENV E=1\nFROM a\nRUN echo $E > /u\n";
    let Some(image) = built(text, &[]) else { return };
    assert_eq!(
        history(&image),
        ["RUN /bin/sh -c echo t > /t # buildkit", "ENV E=1", "RUN /bin/sh -c echo $E > /u # buildkit"]
    );
    assert_eq!((content(&image, "/t").as_str(), content(&image, "/u").as_str()), ("t\n", "1\n"));
    assert_eq!(image.layer_digests().len(), 3);
}

#[test]
fn run_32_and_34_options_are_judged_where_they_are_used() {
    let unreachable = "FROM scratch AS unused\nRUN --mount=type=cache,target=/m,mode=rwx x\nFROM scratch\nLABEL a=b\n";
    scratch(unreachable, &[]);
    for (option, message) in [
        ("type=cache,target=/m,mode=0980", "invalid value 0980 for mode"),
        ("type=cache,target=/m,mode=40000000000000", "invalid value 40000000000000 for mode"),
        ("type=cache,target=/m,uid=0x1", "invalid value 0x1 for uid"),
        ("type=cache,target=/m,gid=4294967296", "invalid value 4294967296 for gid"),
        ("type=bind,target=/m,uid=1", "uid not allowed for \"bind\" type mounts"),
        ("type=tmpfs,target=/m,gid=1", "gid not allowed for \"tmpfs\" type mounts"),
    ] {
        let text = format!("FROM scratch\nRUN --mount={option} x\n");
        Kit::new().dockerfile(&text).build().fails_with(1, &[message, "Dockerfile:2:"]);
    }
}

#[test]
fn run_42_a_cache_outlives_builds_and_no_cache() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    let count = "FROM busybox\nRUN --mount=type=cache,target=/c echo x >> /c/n; wc -l < /c/n > /x\n";
    assert_eq!(content(&kit.dockerfile(count).build().succeeds(), "/x").trim(), "1");
    assert_eq!(content(&kit.flag(&["--no-cache"]).build().succeeds(), "/x").trim(), "2");
    assert_eq!(content(&kit.new_store().build().succeeds(), "/x").trim(), "1", "an empty cache will do");
}

#[test]
fn run_46_where_a_secret_was_shown_nothing_stays() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.env("TOKEN", "hush").flag(&["--secret", "id=token,env=TOKEN"]);
    let text = "FROM busybox\nRUN --mount=type=secret,id=token,target=/made/for/it test -s /made/for/it\n";
    kit.dockerfile(text).build().succeeds().last_layer().lists(&[]);
}
