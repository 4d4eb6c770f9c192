//! Each rule firing and not firing, from text to findings.

use crate::context::Patterns;
use crate::dockerfile::{Diagnostic, parse};
use crate::image::{ImageConfig, Platform, Reference};
use crate::plan::{BaseError, Bases, Found, ImageId, PlanOptions, plan};

use super::{CheckOptions, Subject, lint, violation};

/// Images of any name; `shelled` has a SHELL, `arm` is for another platform, `triggers` has ONBUILD.
pub(super) struct Fake;

impl Bases for Fake {
    fn context(&self, _: &str, _: &Platform) -> Result<Option<Found>, BaseError> {
        Ok(None)
    }

    fn image(&self, name: &Reference, platform: &Platform) -> Result<Found, BaseError> {
        let name = name.familiar();
        let other: Platform = "linux/arm64".parse().unwrap();
        let mut config = ImageConfig::scratch(if name.starts_with("arm") { &other } else { platform });
        config.config.env = vec!["BASE=1".to_owned()];
        if name.starts_with("shelled") {
            config.config.shell = vec!["/bin/bash".to_owned(), "-c".to_owned()];
        }
        if name.starts_with("triggers") {
            config.config.on_build = vec!["WORKDIR $NOWHERE".to_owned()];
        }
        Ok(Found::Image(ImageId(0), Box::new(config)))
    }
}

/// The findings of one file. Of `flags`, `A=B` are build arguments, `ignore:P` lines of the ignore file, and another the
/// target; without a target every stage is judged.
fn found(text: &str, flags: &[&str]) -> (Vec<Diagnostic>, CheckOptions) {
    let platform: Platform = "linux/amd64".parse().unwrap();
    let mut options = PlanOptions::whole_file(platform);
    let mut ignore = String::new();
    for flag in flags {
        if let Some(pattern) = flag.strip_prefix("ignore:") {
            ignore.extend([pattern, "\n"]);
        } else if let Some((name, value)) = flag.split_once('=') {
            options.build_args.insert(name.to_owned(), value.to_owned());
        } else {
            options.target = Some((*flag).to_owned());
            options.every_stage = false;
        }
    }
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.diagnostics, [], "{text}");
    let check = CheckOptions::read(&parsed.file, &options.build_args).unwrap();
    let (stages, remarks) = match plan(&parsed.file, &options, &Fake) {
        Ok(plan) => (plan.stages, plan.remarks),
        Err(failed) => (Vec::new(), failed.remarks),
    };
    let ignore = Patterns::from_file(ignore.as_bytes()).unwrap();
    let subject = Subject { file: &parsed.file, stages: &stages, remarks: &remarks, ignore: Some(&ignore) };
    let found = lint(subject, &check);
    for one in &found {
        let span = one.span.unwrap();
        assert!(parsed.file.text.get(span.start..span.end).is_some(), "{one:?}");
    }
    (found, check)
}

/// Texts, flags and `LINE RULE` of what is found.
type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

fn check(rows: &[Row<'_>]) {
    for (text, flags, want) in rows {
        let got: Vec<String> =
            found(text, flags).0.iter().map(|found| format!("{} {}", found.lines.unwrap().first, found.code)).collect();
        assert_eq!(got, *want, "{text:?} with {flags:?}");
    }
}

#[test]
fn lint_names_and_casing() {
    check(&[
        ("FROM a AS Big\n", &[], &["1 StageNameCasing"]),
        ("FROM a AS big\n", &[], &[]),
        ("FROM a as b\n", &[], &["1 FromAsCasing"]),
        ("from a AS b\n", &[], &["1 FromAsCasing"]),
        ("FROM a aS b\n", &[], &["1 FromAsCasing"]),
        ("from a as b\n", &[], &[]),
        ("FROM a \\\n  as \\\n  b\n", &[], &["1 FromAsCasing"]),
        ("From a as b\n", &[], &["1 ConsistentInstructionCasing"]),
        ("FROM a\nrun x\nRUN y\n", &[], &["2 ConsistentInstructionCasing"]),
        ("FROM a\nrun x\n", &[], &["2 ConsistentInstructionCasing"]),
        ("from a\nrun x\nRUN y\n", &[], &["3 ConsistentInstructionCasing"]),
        ("FROM a\nRun x\n", &[], &["2 ConsistentInstructionCasing"]),
        ("arg A\narg B\nFROM a:1$A$B\n", &[], &[]),
        ("FROM a AS b\nFROM a AS B\n", &[], &["2 StageNameCasing", "2 DuplicateStageName"]),
        ("FROM a AS scratch\nFROM a AS context\n", &[], &["1 ReservedStageName", "2 ReservedStageName"]),
        ("FROM a\nRUN x \\\n\n  y\nRUN z\n", &[], &["4 NoEmptyContinuation"]),
        ("FROM a\nRUN x \\\n  # comment\n  y\n", &[], &[]),
    ]);
}

#[test]
fn lint_old_forms_and_descriptions() {
    check(&[
        ("FROM a\nMAINTAINER m\n", &[], &["2 MaintainerDeprecated"]),
        ("FROM a\nLABEL maintainer=m\n", &[], &[]),
        ("FROM a\nENV A b\nLABEL c d\n", &[], &["2 LegacyKeyValueFormat", "3 LegacyKeyValueFormat"]),
        ("FROM a\nENV A=b\nLABEL c=d\n", &[], &[]),
        ("#check=experimental=all\n# other\nFROM a AS b\n", &[], &["3 InvalidDefinitionDescription"]),
        ("#check=experimental=all\n# other\n# b is it\nFROM a AS b\n", &[], &[]),
        ("#check=experimental=all\n# other\n\n# \nFROM a AS b\n", &[], &[]),
        ("#check=experimental=all\n# other\nFROM a\n# bug\nARG b=1\n", &[], &["5 InvalidDefinitionDescription"]),
        ("#check=experimental=all\n# b\n# check=skip=X\nFROM a AS b\n", &[], &["4 InvalidDefinitionDescription"]),
        ("# syntax=x\n# other\nFROM a AS b\n", &[], &[]),
    ]);
}

#[test]
fn lint_from() {
    check(&[
        ("FROM a:1$X\n", &[], &["1 UndefinedArgInFrom"]),
        ("FROM --platform=linux/${X}amd64 a AS linux\n", &[], &["1 UndefinedArgInFrom"]),
        ("ARG X\nFROM a:1$X\n", &[], &[]),
        ("FROM a:1${X:-}\n", &[], &[]),
        ("FROM a:$TARGETARCH\n", &[], &[]),
        ("ARG X\nFROM a:$X\n", &["X=1"], &["2 InvalidDefaultArgInFrom"]),
        ("ARG X\nFROM $X\n", &["X=a"], &["2 InvalidDefaultArgInFrom"]),
        ("ARG X=1\nARG Y=$X\nFROM a:$Y\n", &["X="], &[]),
        ("ARG X=b\nFROM a AS b\nFROM $X\n", &[], &[]),
        ("FROM a:$X\n", &[], &["1 InvalidDefaultArgInFrom", "1 UndefinedArgInFrom"]),
        ("FROM --platform=$TARGETPLATFORM a\n", &[], &["1 RedundantTargetPlatform"]),
        ("FROM --platform=$BUILDPLATFORM a\n", &[], &[]),
        ("FROM --platform=linux/amd64 a\n", &[], &["1 FromPlatformFlagConstDisallowed"]),
        ("FROM --platform=linux/amd64 a AS my-amd64\n", &[], &[]),
        ("FROM arm\n", &[], &["1 InvalidBaseImagePlatform"]),
        ("FROM arm AS unused\nFROM a AS b\n", &["b"], &[]),
    ]);
    let (found, _) = found("ARG VERSION=1\nFROM a:1$VERSON\n", &[]);
    assert_eq!(found[0].message, "FROM argument 'VERSON' is not declared (did you mean VERSION?)");
}

#[test]
fn lint_variables() {
    check(&[
        ("FROM a\nCOPY $X /\n", &[], &["2 UndefinedVar"]),
        ("FROM a\nENV A=$X$Y B=$A\n", &[], &["2 UndefinedVar", "2 UndefinedVar", "2 UndefinedVar"]),
        ("FROM a\nLABEL l=$BASE$PATH\n", &[], &[]),
        ("FROM a\nARG X\nLABEL l=$X\n", &[], &[]),
        ("FROM a\nLABEL l=${X:-y}${X+y}\n", &[], &[]),
        ("FROM a\nLABEL l=$BUILDKIT_SBOM_SCAN_STAGE\n", &[], &[]),
        ("FROM a AS b\nARG X\nFROM b\nLABEL l=$X\n", &[], &[]),
        ("FROM a AS b\nLABEL l=$X\nFROM a AS c\n", &["c"], &[]),
        ("FROM a\nCOPY <<E /x\n$X\nE\n", &[], &["2 UndefinedVar"]),
        ("FROM a\nCOPY <<'E' /x\n$X\nE\n", &[], &[]),
        ("FROM a\nRUN --mount=type=tmpfs,target=/$X x\n", &[], &["2 UndefinedVar"]),
        ("FROM a\nRUN echo $X\nCMD [\"$X\"]\nENTRYPOINT [\"$X\"]\n", &[], &[]),
        ("FROM triggers\n", &[], &[]),
    ]);
    let (found, _) = found("FROM a\nARG GREETING\nLABEL l=$GREETNIG\n", &[]);
    assert_eq!(found[0].message, "Usage of undefined variable '$GREETNIG' (did you mean $GREETING?)");
}

#[test]
fn lint_20_and_21_commands() {
    check(&[
        ("FROM a\nCMD x\n", &[], &["2 JSONArgsRecommended"]),
        ("FROM a\nENTRYPOINT x\n", &[], &["2 JSONArgsRecommended"]),
        ("FROM a\nCMD [\"x\"]\nENTRYPOINT []\n", &[], &[]),
        ("FROM a\nCMD x\nSHELL [\"sh\"]\nENTRYPOINT x\n", &[], &["2 JSONArgsRecommended"]),
        ("FROM shelled\nCMD x\n", &[], &[]),
        (
            "FROM a\nCMD [\"x\"]\nCMD [\"x\"]\nCMD [\"x\"]\n",
            &[],
            &["2 MultipleInstructionsDisallowed", "3 MultipleInstructionsDisallowed"],
        ),
        ("FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x\n", &[], &["2 MultipleInstructionsDisallowed"]),
        ("FROM a AS b\nCMD [\"x\"]\nFROM b\nCMD [\"x\"]\n", &[], &[]),
        ("FROM a\nUSER x\nUSER y\n", &[], &[]),
    ]);
}

#[test]
fn lint_secrets() {
    check(&[
        ("FROM a\nARG API_KEY\nENV PASSWORD=x\n", &[], &["2 SecretsUsedInArgOrEnv", "3 SecretsUsedInArgOrEnv"]),
        ("ARG My_Token\nFROM a:1$My_Token\n", &[], &["1 SecretsUsedInArgOrEnv"]),
        ("FROM a\nARG KEYBOARD\nENV SECRET_FILE=x AUTH_VERSION=1 PUBLIC_KEY=1 TOKENS=1\n", &[], &[]),
        ("FROM a AS b\nENV KEY=1\nFROM a AS c\n", &["c"], &[]),
    ]);
}

#[test]
fn lint_paths_and_ports() {
    check(&[
        ("FROM a\nWORKDIR x\nWORKDIR y\n", &[], &["2 WorkdirRelativePath"]),
        ("FROM a\nWORKDIR /x\nWORKDIR y\n", &[], &[]),
        ("FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y\n", &[], &[]),
        ("FROM a\nARG X=/x\nWORKDIR $X\n", &[], &[]),
        ("FROM a\nEXPOSE 80/TCP\n", &[], &["2 ExposeProtoCasing"]),
        (
            "FROM a\nEXPOSE 1:80 127.0.0.1:2:81/Udp\n",
            &[],
            &["2 ExposeInvalidFormat", "2 ExposeProtoCasing", "2 ExposeInvalidFormat"],
        ),
        ("FROM a\nEXPOSE 80 81/udp 82-83\n", &[], &[]),
        ("FROM a\nCOPY x y /\n", &["ignore:x"], &["2 CopyIgnoredFile"]),
        ("FROM a\nADD /d/x /\n", &["ignore:d"], &["2 CopyIgnoredFile"]),
        ("FROM a\nCOPY x /\n", &["ignore:x", "ignore:!x/y"], &[]),
        ("FROM a\nCOPY . /\n", &["ignore:x"], &[]),
        ("FROM a\nCOPY . /\n", &["ignore:*"], &["2 CopyIgnoredFile"]),
        ("FROM a\nCOPY / /\n", &["ignore:**/*"], &["2 CopyIgnoredFile"]),
        ("FROM a AS b\nFROM a\nCOPY --from=b x /\n", &["ignore:x"], &[]),
        ("FROM a\nCOPY <<x /\nx\n", &["ignore:x"], &[]),
    ]);
}

#[test]
fn lint_3_to_6_options_decide() {
    let argument = "BUILDKIT_DOCKERFILE_CHECK";
    check(&[
        ("# check=skip=StageNameCasing\nFROM a AS B\nMAINTAINER m\n", &[], &["3 MaintainerDeprecated"]),
        ("# check=skip=all\nFROM a AS B\n", &[], &[]),
        ("# check=skip=all\nFROM a AS B\n", &[&format!("{argument}=error=false")], &["2 StageNameCasing"]),
        ("\n# check=skip=StageNameCasing\nFROM a AS B\nFROM a AS C\n", &[], &["4 StageNameCasing"]),
        ("FROM a\n# check=skip=MaintainerDeprecated\nMAINTAINER m\n", &[], &[]),
        ("FROM a\n# check=skip=Other\nMAINTAINER m\n", &[], &["3 MaintainerDeprecated"]),
        ("FROM a\n# check=wrong\nMAINTAINER m\n", &[], &["3 MaintainerDeprecated"]),
        ("FROM a\n# check=skip=MaintainerDeprecated\n\nMAINTAINER m\n", &[], &[]),
    ]);
}

#[test]
fn lint_7_findings_as_errors_name_each_rule_once() {
    for (text, want) in [
        (
            "# check=error=true\nFROM a AS B\nMAINTAINER m\nMAINTAINER m\n",
            Some("lint violation found for rules: MaintainerDeprecated, StageNameCasing"),
        ),
        ("# check=error=true\nFROM a\n", None),
        ("# check=error=true;skip=MaintainerDeprecated\nFROM a\nMAINTAINER m\n", None),
        ("FROM a\nMAINTAINER m\n", None),
        ("FROM a\n# check=error=true\nMAINTAINER m\n", None),
    ] {
        let (found, options) = found(text, &[]);
        let got = violation(&found, &options);
        assert_eq!(got.as_ref().map(|found| found.message.as_str()), want, "{text}");
    }
}
