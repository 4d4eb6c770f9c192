//! What each fix makes of a file, and that it means what it meant.

use super::hadolint::{HadolintOptions, hadolint};
use super::mend::mend;
use super::tests::Fake;
use crate::dockerfile::{Diagnostic, parse};
use crate::image::Platform;
use crate::plan::{Plan, PlanOptions, plan};

use super::offline;

fn planned(text: &str) -> Plan {
    let platform: Platform = "linux/amd64".parse().unwrap();
    let options = PlanOptions::whole_file(platform);
    plan(&parse(text.as_bytes()).file, &options, &Fake).unwrap_or_else(|failed| panic!("{text}: {:?}", failed.errors))
}

/// A plan without its places in the file, and without the instructions as they are shown.
fn meaning(text: &str) -> String {
    let mut stages = planned(text).stages;
    for stage in &mut stages {
        (stage.lines, stage.span) = Default::default();
        for step in &mut stage.steps {
            (step.lines, step.span, step.text) = Default::default();
        }
    }
    format!("{stages:#?}")
}

/// Mends until there is nothing left, as the program does.
fn mended(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..8 {
        let file = parse(text.as_bytes()).file;
        let mut found: Vec<Diagnostic> = offline(&file, None).warnings;
        found.extend(hadolint(&file, &HadolintOptions::default(), &[]));
        match mend(&file, &found).unwrap() {
            Some(mended) => text = mended.text,
            None => return text,
        }
    }
    panic!("there is always something to mend in {text}");
}

#[test]
fn fixes_mend_and_keep_the_meaning() {
    for (rule, text, want) in [
        ("ConsistentInstructionCasing", "FROM a\nrun x\n", "FROM a\nRUN x\n"),
        ("ConsistentInstructionCasing", "from a\nrun x\nRun <<E\ny\nE\n", "from a\nrun x\nrun <<E\ny\nE\n"),
        ("FromAsCasing", "FROM a as b\n", "FROM a AS b\n"),
        ("FromAsCasing", "from a as b\nRUN x\nRUN y\n", "FROM a AS b\nRUN x\nRUN y\n"),
        ("FromAsCasing", "FROM as \\\n # as\n as \\\n # as\n b\n", "FROM as \\\n # as\n AS \\\n # as\n b\n"),
        (
            "StageNameCasing",
            "FROM a AS Big\nFROM big\nCOPY --from=BIG x /\n",
            "FROM a AS big\nFROM big\nCOPY --from=BIG x /\n",
        ),
        ("LegacyKeyValueFormat", "FROM a\nENV k v\n", "FROM a\nENV k=v\n"),
        ("LegacyKeyValueFormat", "FROM a\nENV k \t v  w=$x \n", "FROM a\nENV k=\"v  w=$x\" \n"),
        (
            "LegacyKeyValueFormat",
            "FROM a\r\nLABEL k v \\\r\n# note\r\n w\r\n",
            "FROM a\r\nLABEL k=\"v \\\r\n# note\r\n w\"\r\n",
        ),
        ("LegacyKeyValueFormat", "FROM a\nENV k 'it' v\nENV l a \"b\"\n", "FROM a\nENV k 'it' v\nENV l a \"b\"\n"),
        ("LegacyKeyValueFormat", "FROM a\nENV k \\\n v\n", "FROM a\nENV k \\\n v\n"),
        ("LegacyKeyValueFormat", "FROM a\nENV $k v\n", "FROM a\nENV $k v\n"),
        (
            "LegacyKeyValueFormat",
            "FROM a\nENV k \"a b\"\nENV l 'a'$x\\ b\n",
            "FROM a\nENV k=\"a b\"\nENV l='a'$x\\ b\n",
        ),
        ("LegacyKeyValueFormat", "# escape=`\nFROM a\nENV k a`b\n", "# escape=`\nFROM a\nENV k a`b\n"),
        ("LegacyKeyValueFormat", "FROM a\nENV k b=c d=e\n", "FROM a\nENV k=\"b=c d=e\"\n"),
        ("ExposeProtoCasing", "FROM a\nEXPOSE 80/TCP 81/Udp 82\n", "FROM a\nEXPOSE 80/tcp 81/udp 82\n"),
        ("ExposeProtoCasing", "FROM a\nARG P=80/TCP\nEXPOSE $P\n", "FROM a\nARG P=80/TCP\nEXPOSE $P\n"),
        ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n# note\n \n  y\n\n", "FROM a\nRUN x \\\n# note\n  y\n\n"),
        ("NoEmptyContinuation", "FROM a\nRUN x \\\n\n", "FROM a\nRUN x \\\n"),
        ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM  a AS b\n", "FROM a AS b\n"),
        (
            "RedundantTargetPlatform",
            "ARG TARGETPLATFORM=linux/arm64\nFROM --platform=$TARGETPLATFORM a\n",
            "ARG TARGETPLATFORM=linux/arm64\nFROM --platform=$TARGETPLATFORM a\n",
        ),
        ("JSONArgsRecommended", "FROM a\nCMD x\n", "FROM a\nCMD x\n"),
        ("none", "\u{feff}# check=skip=all\nFROM a\n", "\u{feff}# check=skip=all\nFROM a\n"),
    ] {
        let got = mended(text);
        assert_eq!(got, want, "{rule}");
        assert_eq!(meaning(&got), meaning(text), "{rule}");
    }
}

#[test]
fn fixes_of_maintainer_make_a_label() {
    for (text, want) in [
        (
            "FROM a\n# who\nMAINTAINER A B <a@b>\n",
            "FROM a\n# who\nLABEL org.opencontainers.image.authors=\"A B <a@b>\"\n",
        ),
        ("from a\nmaintainer x\n", "from a\nlabel org.opencontainers.image.authors=\"x\"\n"),
        ("FROM a\nMAINTAINER \"x\"\n", "FROM a\nMAINTAINER \"x\"\n"),
        ("FROM a\nMAINTAINER $x\n", "FROM a\nMAINTAINER $x\n"),
    ] {
        assert_eq!(mended(text), want);
    }
    let stage = planned(&mended("FROM a\nMAINTAINER A B\nENV A=1\n")).stages.remove(0);
    assert_eq!(stage.author, None);
    assert_eq!(stage.config.labels.get("org.opencontainers.image.authors").map(String::as_str), Some("A B"));
}

#[test]
fn fixes_dl3027_only_where_apt_get_does_the_same() {
    for (text, want) in [
        (
            "FROM a:1\nRUN apt update && \\\n apt purge x # apt\n",
            "FROM a:1\nRUN apt-get update && \\\n apt-get purge x # apt\n",
        ),
        ("FROM a:1\nRUN apt update && apt install x\n", "FROM a:1\nRUN apt update && apt install x\n"),
        ("FROM a:1\nRUN apt install x; apt clean\n", "FROM a:1\nRUN apt-get install x; apt-get clean\n"),
        ("FROM a:1\nRUN apt upgrade; apt clean\n", "FROM a:1\nRUN apt upgrade; apt clean\n"),
        ("FROM a:1\nRUN <<E\n  apt update\nE\n", "FROM a:1\nRUN <<E\n  apt-get update\nE\n"),
        (
            "FROM a:1\nRUN 'apt' update\nRUN [\"apt\", \"update\"]\n",
            "FROM a:1\nRUN 'apt' update\nRUN [\"apt\", \"update\"]\n",
        ),
        ("FROM a:1\nONBUILD RUN apt update\n", "FROM a:1\nONBUILD RUN apt update\n"),
    ] {
        assert_eq!(mended(text), want);
    }
}
