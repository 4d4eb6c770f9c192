//! Whole plans, from the text of a Dockerfile.

use std::fmt::Write;

use crate::dockerfile::parse;
use crate::image::{ImageConfig, Platform, Reference};

use super::{
    BaseError, BaseRef, Bases, CopyFrom, CopySource, Found, ImageId, MountFrom, MountKind, Op, Plan, PlanOptions,
    RunOp, TimeOf, plan,
};

/// Has `busybox`, `triggers` (with ONBUILD) and the named context `extra`.
struct Fake;

impl Bases for Fake {
    fn named(&self, name: &str) -> Option<String> {
        (name == "elsewhere").then(|| name.to_owned())
    }

    fn time(&self, of: TimeOf<'_>) -> Result<Option<i64>, BaseError> {
        Ok(match of {
            TimeOf::Context => None,
            TimeOf::Named(_) => Some(7),
            TimeOf::Source(_) => Some(8),
        })
    }

    fn context(&self, name: &str, _: &Platform) -> Result<Option<Found>, BaseError> {
        Ok((name == "extra").then(|| Found::Directory(name.to_owned())))
    }

    fn image(&self, name: &Reference, platform: &Platform) -> Result<Found, BaseError> {
        let mut config = ImageConfig::scratch(platform);
        config.config.cmd = vec!["sh".to_owned()];
        match name.repository() {
            "library/busybox" => Ok(Found::Image(ImageId(0), Box::new(config))),
            "library/triggers" => {
                config.config.working_dir = "/work".to_owned();
                config.config.on_build = vec!["ARG WHO=nobody".to_owned(), "RUN echo $WHO".to_owned()];
                Ok(Found::Image(ImageId(1), Box::new(config)))
            }
            _ => Err(BaseError { message: format!("{}: not found", name.familiar()), help: None }),
        }
    }
}

fn planned(text: &str, flags: &[&str]) -> Result<Plan, String> {
    let platform: Platform = "linux/amd64".parse().unwrap();
    let mut options = PlanOptions { every_stage: false, ..PlanOptions::whole_file(platform) };
    for flag in flags {
        match flag.split_once('=') {
            Some((name, value)) => {
                options.build_args.insert(name.to_owned(), value.to_owned());
            }
            None => options.target = Some((*flag).to_owned()),
        }
    }
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.diagnostics, [], "{text}");
    plan(&parsed.file, &options, &Fake).map_err(|found| {
        found.errors.iter().fold(String::new(), |mut text, one| {
            assert!(!one.message.contains('\n'), "{one:?}");
            let line = one.lines.map_or(0, |lines| lines.first);
            writeln!(text, "{line}: {}: {}", one.code, one.message).unwrap();
            text
        })
    })
}

/// The `created_by` of the target's steps, a line each.
fn history(text: &str, flags: &[&str]) -> String {
    let plan = planned(text, flags).unwrap();
    let steps = plan.stages[plan.target].steps.iter();
    steps.filter_map(|step| step.created_by.clone()).collect::<Vec<_>>().join("\n")
}

fn runs(plan: &Plan) -> Vec<&RunOp> {
    let steps = plan.stages[plan.target].steps.iter();
    steps.filter_map(|step| if let Op::Run(run) = &step.op { Some(&**run) } else { None }).collect()
}

#[test]
fn arg_3_to_15_what_an_argument_gives() {
    for (rule, text, flags, want) in [
        ("ARG-3", "ARG A=1\nFROM busybox\nARG A", &[][..], "ARG A=1"),
        ("ARG-4", "ARG A=1\nFROM busybox\nARG A=2", &[], "ARG A=2"),
        ("ARG-5", "FROM busybox\nARG A=2", &["A="], "ARG A="),
        ("ARG-11", "FROM busybox\nARG TARGETARCH=x TARGETOS Z", &[], "ARG TARGETARCH=x TARGETOS=linux Z"),
        ("ARG-13", "FROM busybox\nARG SOURCE_DATE_EPOCH=1", &["SOURCE_DATE_EPOCH=0012"], "ARG SOURCE_DATE_EPOCH=12"),
        ("ARG-13", "ARG SOURCE_DATE_EPOCH=+5\nFROM busybox\nARG SOURCE_DATE_EPOCH", &[], "ARG SOURCE_DATE_EPOCH=5"),
        ("ARG-13", "ARG SOURCE_DATE_EPOCH=5\nFROM busybox\nARG SOURCE_DATE_EPOCH=x", &[], "ARG SOURCE_DATE_EPOCH=x"),
        ("EXP-13", "FROM busybox\nARG A=1 B=$A", &[], "ARG A=1 B=1"),
        ("EXP-41", "FROM busybox\nARG A=${X?no}", &["A=1"], "ARG A=1"),
        ("EXP-12", "FROM busybox\nENV A=1\nENV A=2 B=$A", &[], "ENV A=1\nENV A=2 B=1"),
        ("RUN-51", "FROM busybox\nARG V=2 W\nRUN x", &[], "ARG V=2 W\nRUN |2 V=2 W= /bin/sh -c x # buildkit"),
    ] {
        assert_eq!(history(text, flags), want, "{rule}: {text}");
    }
}

#[test]
fn copy_71_and_others_the_texts_of_history() {
    for (rule, text, want) in [
        (
            "COPY-71",
            "COPY --chown=1 --chmod=644 --link a <<E b/\nx\nE",
            "COPY --chown=1 --chmod=644 a <<E b/ # buildkit",
        ),
        ("ADD-30", "ADD https://h/x /", "ADD https://h/x / # buildkit"),
        ("CMD-4", "CMD a \"b\"", r#"CMD ["/bin/sh" "-c" "a \"b\""]"#),
        ("ENT-3", "ENTRYPOINT [\"a\"]", r#"ENTRYPOINT ["a"]"#),
        ("SHELL-3", "SHELL [\"/bin/bash\", \"-c\"]", "SHELL [/bin/bash -c]"),
        ("EXPOSE-5", "EXPOSE 80 443/UDP", "EXPOSE [443/udp 80/tcp]"),
        ("VOLUME-1", "VOLUME /a /b", "VOLUME [/a /b]"),
        (
            "HC-5",
            "HEALTHCHECK --interval=30s CMD x",
            "HEALTHCHECK {Test:[CMD-SHELL x] Interval:30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
        ),
        ("ONB-2", "ONBUILD RUN x", ""),
        ("WORKDIR-2", "WORKDIR a\nWORKDIR ../b\nWORKDIR /c/./", "WORKDIR /a\nWORKDIR /b\nWORKDIR /c/./"),
    ] {
        assert_eq!(history(&format!("FROM busybox\n{text}\n"), &[]), want, "{rule}");
    }
}

#[test]
fn run_10_environment_of_a_process() {
    let text = "FROM busybox AS a\nENV X=1\nARG X=2 Y=3 BUILDKIT_SBOM_SCAN_STAGE=true\nFROM a\nRUN x\n";
    let plan = planned(text, &["http_proxy=p"]).unwrap();
    let run = runs(&plan)[0];
    assert_eq!(run.env[1..], ["X=2", "Y=3"]);
    assert_eq!(run.proxy_env, ["HTTP_PROXY=p", "http_proxy=p"]);
    assert_eq!(plan.stages[plan.target].config.env[1..], ["X=1"], "ARG-7: the config keeps what ENV said");
}

#[test]
fn ent_2_which_cmd_survives() {
    for (text, want) in [
        ("FROM busybox\nENTRYPOINT e", &[][..]),
        ("FROM busybox\nCMD [\"c\"]\nENTRYPOINT e", &["c"]),
        ("FROM busybox AS a\nCMD [\"c\"]\nFROM a\nENTRYPOINT e", &[]),
        ("FROM busybox\nLABEL a=b", &["sh"]),
    ] {
        let plan = planned(text, &[]).unwrap();
        assert_eq!(plan.stages[plan.target].config.cmd, want, "{text}");
    }
}

#[test]
fn from_4_and_19_only_what_is_needed_is_planned() {
    let text = "FROM nowhere AS gone\nFROM busybox AS a\nFROM busybox AS unused\nRUN --mount=ro=maybe x\nFROM scratch\n\
                COPY --from=1 x y\nCOPY --from=extra x y\nCOPY --from=scratch x y\nCOPY --from=busybox x y\n";
    let plan = planned(text, &[]).unwrap();
    let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["a", "stage-3"]);
    assert_eq!((plan.target, &plan.stages[1].base), (1, &BaseRef::Scratch));
    let from = plan.stages[1]
        .steps
        .iter()
        .map(|step| if let Op::Copy(copy) = &step.op { copy.from.clone() } else { CopyFrom::Context });
    let want =
        [CopyFrom::Stage(0), CopyFrom::Directory("extra".to_owned()), CopyFrom::Empty, CopyFrom::Image(ImageId(0))];
    assert_eq!(from.collect::<Vec<_>>(), want);
    let replaced = planned("FROM busybox AS extra\nRUN x\nFROM extra\n", &[]).unwrap();
    assert_eq!(replaced.stages[0].base, BaseRef::Directory("extra".to_owned()), "FROM-8");
    assert!(replaced.stages[0].steps.is_empty(), "FROM-8");
}

#[test]
fn onb_3_triggers_run_once_and_first() {
    let text = "FROM triggers AS a\nONBUILD ENV T=$WHO\nRUN own\nFROM a AS b\nFROM b\n";
    let plan = planned(text, &["b"]).unwrap();
    assert_eq!(plan.stages[0].config.on_build, ["ENV T=$WHO"], "ONB-5");
    let first = &plan.stages[0].steps[1];
    assert_eq!(first.created_by.as_deref(), Some("RUN |1 WHO=nobody /bin/sh -c echo $WHO # buildkit"));
    assert_eq!(first.lines.first, 1, "a trigger stands at the FROM");
    assert_eq!(plan.stages[1].config.env.last().map(String::as_str), Some("T=nobody"));
    assert!(planned(text, &[]).unwrap().stages[2].steps.is_empty(), "ONB-4");
}

#[test]
fn run_38_to_45_mounts_are_linked() {
    let text = "FROM busybox AS a\nFROM busybox\nWORKDIR /w\nRUN --mount=from=A,source=../s,target=m \
                --mount=type=cache,target=c --mount=type=ssh --mount=type=secret,id=x/y,env=E x\n";
    let plan = planned(text, &["BUILDKIT_CACHE_MOUNT_NS=ns"]).unwrap();
    let mounts = &runs(&plan)[0].mounts;
    let targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
    assert_eq!(targets, ["/w/m", "/w/c", "/run/buildkit/ssh_agent.0", ""]);
    assert_eq!(mounts[0].kind, MountKind::Bind { from: MountFrom::Stage(0), source: "/s".to_owned() });
    assert!(matches!(&mounts[1].kind, MountKind::Cache { id, .. } if id == "ns/c"), "{:?}", mounts[1]);
}

#[test]
fn add_2_kinds_of_sources() {
    let text = "FROM busybox\nADD git@h:x.git https://h/a.git#v1 https://h/a.tar github.com/a/b a@b /d/\n";
    let plan = planned(text, &[]).unwrap();
    let Op::Copy(op) = &plan.stages[0].steps[0].op else { panic!("not a copy") };
    let kinds = op.sources.iter().map(|source| match source {
        CopySource::Git(_) => "git",
        CopySource::Url(_) => "url",
        CopySource::Path(_) => "path",
        CopySource::Heredoc { .. } => "heredoc",
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["git", "git", "url", "path", "path"]);
}

#[test]
fn diag_2_errors_stand_at_their_lines() {
    for (text, flags, want) in [
        ("ARG I\nFROM $I", &[][..], "2: D-23: base name ($I) should not be blank"),
        ("FROM --platform=$P busybox", &[], "1: D-24: empty platform value from expression $P"),
        ("FROM --platform=a/b/c/d busybox", &[], "1: D-25: failed to parse platform a/b/c/d"),
        ("FROM Up@x", &[], "1: D-26: failed to parse stage name \"Up@x\": invalid reference format"),
        ("FROM nowhere", &[], "1: D-27: nowhere:latest: not found"),
        ("FROM busybox", &["x"], "0: D-28: target stage \"x\" could not be found"),
        ("FROM busybox AS a\nCOPY --from=a x y", &[], "2: D-29: circular dependency detected on stage: a"),
        ("FROM busybox\nRUN --mount=target=/a/.. x", &[], "2: D-45: invalid mount target \"/\""),
        ("FROM busybox\nVOLUME /a $N", &[], "2: D-70: VOLUME specified can not be an empty string"),
        ("FROM busybox\nSTOPSIGNAL 0", &[], "2: D-71: invalid signal: 0"),
        ("FROM busybox\nCOPY --from=7 x y", &[], "2: D-83: invalid stage index 7"),
        ("FROM busybox\nCOPY --from=-1 x y", &[], "2: D-83: invalid stage index -1"),
        ("FROM busybox\nCOPY http://h/x y", &[], "2: D-85: source can't be a URL for COPY"),
        ("FROM busybox\nCOPY git@h:x y", &[], "2: D-85: source can't be a git ref for COPY"),
        (
            "FROM busybox\nARG M=0799\nCOPY --chmod=$M x y",
            &[],
            "3: D-86: invalid chmod parameter: '0799'. it should be octal string and between 0 and 07777",
        ),
        (
            "FROM busybox\nCOPY --chmod=wide x y",
            &[],
            "2: D-86: invalid chmod parameter: 'wide' is not a symbolic mode such as u+x,go-w",
        ),
        ("FROM busybox\nADD --checksum=sha256:12 x y", &[], "2: D-90: checksum requires HTTP(S) or Git sources"),
        ("FROM busybox", &["SOURCE_DATE_EPOCH=x"], "0: D-96: invalid SOURCE_DATE_EPOCH: x"),
        ("FROM busybox\nCOPY <<E /x\nok\n${X\nE", &[], "2: D-16: failed to process \"${X\": syntax error: missing '}'"),
        ("FROM busybox AS a\nONBUILD USER ${X?why}\nFROM a", &[], "3: D-17: failed to process \"${X?why}\": X: why"),
    ] {
        assert_eq!(planned(text, flags).unwrap_err().trim_end(), want, "{text}");
    }
}

#[test]
fn words_that_double_end_in_an_error() {
    let lines = "ENV A=$A$A\n".repeat(60);
    let errors = planned(&format!("FROM busybox\nENV A=0123456789\n{lines}"), &[]).unwrap_err();
    assert!(errors.contains("variables bring more than"), "{errors}");
}

#[test]
fn arg_13_and_arg_14_the_time_of_something_else() {
    const STAGE: &str = "FROM scratch AS Src\nARG V=1\nADD https://h/x-$V /\nFROM busybox\nCOPY --from=src / /\n";
    for (text, value, want) in [
        ("FROM busybox", "elsewhere", Ok(Some(7))),
        ("FROM busybox", "context", Ok(None)),
        (STAGE, "src", Ok(Some(8))),
        ("FROM scratch AS src\nADD git@h:x /\nFROM busybox", "SRC", Ok(Some(8))),
        ("ARG SOURCE_DATE_EPOCH=src\nFROM scratch AS src\nADD git@h:x /\nFROM busybox", "", Ok(None)),
        ("FROM scratch AS src\nADD x /\nFROM busybox", "src", Err("invalid SOURCE_DATE_EPOCH: src")),
        (
            "FROM scratch AS src\nADD http://h/a http://h/b /\nFROM busybox",
            "src",
            Err("invalid SOURCE_DATE_EPOCH: src"),
        ),
        ("FROM busybox AS src\nADD http://h/a /\nFROM busybox", "src", Err("invalid SOURCE_DATE_EPOCH: src")),
        (
            "FROM scratch AS src\nADD http://h/a /\nLABEL a=b\nFROM busybox",
            "src",
            Err("invalid SOURCE_DATE_EPOCH: src"),
        ),
        ("FROM scratch AS src\nADD http://h/${A?no} /\nFROM busybox", "src", Err("2: D-17: ")),
    ] {
        let flag = format!("SOURCE_DATE_EPOCH={value}");
        let got = planned(text, &[&flag]).map(|plan| plan.epoch);
        match (&got, want) {
            (Ok(epoch), Ok(want)) => assert_eq!(*epoch, want, "{text}"),
            (Err(error), Err(want)) => assert!(error.contains(want), "{text}: {error}"),
            _ => panic!("{text}: {got:?}"),
        }
    }
    let given = planned(
        "ARG SOURCE_DATE_EPOCH=src\nFROM scratch AS src\nADD git@h:x /\nFROM busybox\nARG SOURCE_DATE_EPOCH\nRUN x",
        &[],
    );
    let given = given.unwrap();
    assert_eq!(given.epoch, Some(8));
    let Some(Op::Run(run)) = given.stages[0].steps.last().map(|step| &step.op) else { panic!() };
    assert!(run.env.contains(&"SOURCE_DATE_EPOCH=8".to_owned()), "{:?}", run.env);
}
