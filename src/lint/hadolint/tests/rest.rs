use super::{HadolintOptions, LabelKind, Severity, check, check_with, lines};

#[test]
fn dl1001_pragmas() {
    let mut options = HadolintOptions::default();
    let text = "FROM a:1\n# note\n# hadolint ignore=DL3003\n# more\nRUN cd x";
    assert_eq!(lines("DL1001", text, &options), [0; 0]);
    options.levels.insert("DL1001".to_owned(), Severity::Info);
    check_with(&options, &[("DL1001", text, &[3]), ("DL1001", "# hadolint global ignore=DL3003\nFROM a:1", &[])]);
}

#[test]
fn dl3006_tag() {
    check(&[
        ("DL3006", "FROM a", &[1]),
        ("DL3006", "FROM localhost:5000/a", &[1]),
        ("DL3006", "FROM a:1 AS b\nFROM b\nFROM scratch\nFROM $X\nFROM a@sha256:x\nFROM a$TAG", &[]),
    ]);
}

#[test]
fn dl3007_latest() {
    check(&[("DL3007", "FROM a:latest", &[1]), ("DL3007", "FROM a:1\nFROM latest:1\nFROM a:latest@sha256:x", &[])]);
}

#[test]
fn dl3010_archives() {
    check(&[
        ("DL3010", "COPY x.tar.gz /tmp/\nRUN y && tar -xzf /tmp/x.tar.gz", &[2]),
        ("DL3010", "COPY a/x.tgz /tmp/y.tgz\nRUN tar xf /tmp/y.tgz", &[2]),
        ("DL3010", "COPY x.tar /tmp/\nRUN tar --extract --file=x.tar", &[2]),
        ("DL3010", "COPY x.tar /tmp/\nRUN tar -xf/tmp/x.tar", &[2]),
        ("DL3010", "RUN tar -xf x.tar.gz\nCOPY x.tar.gz /tmp/", &[]),
        ("DL3010", "COPY x.tar.gz /tmp/\nRUN tar -xf y.tar.gz", &[]),
        ("DL3010", "COPY x.tar.gz /tmp/\nRUN tar -tf x.tar.gz", &[]),
        ("DL3010", "FROM a:1 AS b\nFROM c:1\nCOPY --from=b x.tar.gz /\nRUN tar xf x.tar.gz", &[]),
    ]);
}

#[test]
fn dl3020_add() {
    check(&[
        ("DL3020", "ADD x /x", &[2]),
        ("DL3020", "ADD a.tar.gz y.gz /", &[2]),
        ("DL3020", "ADD https://x.example/y git@x.example:y.git a.tar.xz \"b.tgz\" $X /", &[]),
        ("DL3020", "COPY x /x", &[]),
    ]);
}

#[test]
fn dl3021_several_sources() {
    check(&[
        ("DL3021", "COPY a b /c", &[2]),
        ("DL3021", "COPY a b /c/\nCOPY a /c\nCOPY a b $D\nCOPY a b \"/c/\"\nCOPY a b .", &[]),
    ]);
}

#[test]
fn dl3022_from_known_stages() {
    check(&[
        ("DL3022", "COPY --from=x a /", &[2]),
        ("DL3022", "FROM a:1 AS b\nFROM c:1\nCOPY --from=b a /\nCOPY --from=0 a /\nCOPY --from=x:1 a /", &[]),
    ]);
}

#[test]
fn dl3023_from_itself() {
    check(&[
        ("DL3023", "FROM a:1 AS b\nCOPY --from=b a /", &[2]),
        ("DL3023", "FROM a:1 AS b\nFROM c:1 AS d\nCOPY --from=b a /", &[]),
    ]);
}

#[test]
fn dl3024_unique_names() {
    check(&[("DL3024", "FROM a:1 AS b\nFROM c:1 AS B", &[2]), ("DL3024", "FROM a:1 AS b\nFROM c:1 AS d", &[])]);
}

#[test]
fn dl3026_registries() {
    assert_eq!(lines("DL3026", "FROM x.example/a:1", &HadolintOptions::default()), [0; 0]);
    let trusted = ["docker.io", "*.good.example", "localhost:*"].map(str::to_owned).to_vec();
    let options = HadolintOptions { trusted_registries: trusted, ..HadolintOptions::default() };
    check_with(
        &options,
        &[
            ("DL3026", "FROM x.example/a:1", &[1]),
            ("DL3026", "FROM a/b:1\nFROM index.docker.io/a:1", &[]),
            ("DL3026", "FROM my.good.example/a:1 AS b\nFROM b\nFROM scratch\nFROM localhost:5000/x:1\nFROM $X", &[]),
        ],
    );
}

#[test]
fn dl3029_platform() {
    check(&[
        ("DL3029", "FROM --platform=linux/amd64 a:1", &[1]),
        ("DL3029", "FROM --platform=$BUILDPLATFORM a:1\nFROM a:1", &[]),
    ]);
}

#[test]
fn dl3043_triggers() {
    check(&[
        ("DL3043", "ONBUILD FROM a", &[2]),
        ("DL3043", "ONBUILD ONBUILD RUN x", &[2]),
        ("DL3043", "ONBUILD RUN x", &[]),
    ]);
}

#[test]
fn dl3045_destinations() {
    check(&[
        ("DL3045", "COPY x y", &[2]),
        ("DL3045", "FROM a:1 AS b\nWORKDIR /x\nFROM c:1\nCOPY x y", &[4]),
        ("DL3045", "COPY x /y\nCOPY x $Y\nCOPY x c:\\y\nWORKDIR /x\nCOPY x y", &[]),
        ("DL3045", "FROM a:1 AS b\nWORKDIR /x\nFROM b\nCOPY x y", &[]),
    ]);
}

#[test]
fn dl3048_keys_of_labels() {
    check(&[
        ("DL3048", "LABEL Big=1\nLABEL a..b=1\nLABEL a_b=1\nLABEL com.docker.x=1\nLABEL a.=1", &[2, 3, 4, 5, 6]),
        ("DL3048", "LABEL a.b-c.d1=1 \"quoted\"=x $X=1", &[]),
    ]);
}

/// The labels of the rules below, one for each kind.
fn labels() -> HadolintOptions {
    let kinds = [
        ("text", LabelKind::Text),
        ("url", LabelKind::Url),
        ("time", LabelKind::Rfc3339),
        ("licence", LabelKind::Spdx),
        ("hash", LabelKind::Hash),
        ("version", LabelKind::SemanticVersion),
        ("mail", LabelKind::Email),
    ];
    let labels = kinds.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect();
    HadolintOptions { labels, strict_labels: true, ..HadolintOptions::default() }
}

#[test]
fn dl3049_labels_missing() {
    let mut options = labels();
    options.labels.retain(|name, _| name == "text");
    check_with(
        &options,
        &[
            ("DL3049", "LABEL url=x", &[1]),
            ("DL3049", "FROM a:1 AS b\nLABEL text=x\nFROM c:1", &[3]),
            ("DL3049", "FROM a:1 AS b\nLABEL text=x\nFROM b", &[]),
        ],
    );
}

#[test]
fn dl3050_labels_superfluous() {
    check_with(&labels(), &[("DL3050", "LABEL other=x", &[2]), ("DL3050", "LABEL text=x", &[])]);
    assert_eq!(lines("DL3050", "LABEL other=x", &HadolintOptions::default()), [0; 0]);
}

#[test]
fn dl3051_labels_empty() {
    check_with(&labels(), &[("DL3051", "LABEL text=\"\"", &[2]), ("DL3051", "LABEL text=x other=", &[])]);
}

#[test]
fn dl3052_labels_with_urls() {
    check_with(&labels(), &[("DL3052", "LABEL url=x.example", &[2]), ("DL3052", "LABEL url=https://x.example/y", &[])]);
}

#[test]
fn dl3053_labels_with_times() {
    let wrong = "LABEL time=2026-11-25\nLABEL time='2026-11-25 10:00:00Z'";
    check_with(&labels(), &[("DL3053", wrong, &[2, 3]), ("DL3053", "LABEL time=2026-11-25T10:00:00+01:00", &[])]);
}

#[test]
fn dl3054_labels_with_licences() {
    let right = "LABEL licence=MIT\nLABEL licence=\"MIT OR Apache-2.0\"\nLABEL licence=$X";
    check_with(&labels(), &[("DL3054", "LABEL licence=Free", &[2]), ("DL3054", right, &[])]);
}

#[test]
fn dl3055_labels_with_hashes() {
    check_with(&labels(), &[("DL3055", "LABEL hash=main", &[2]), ("DL3055", "LABEL hash=0123abcd", &[])]);
}

#[test]
fn dl3056_labels_with_versions() {
    check_with(&labels(), &[("DL3056", "LABEL version=v1.2", &[2]), ("DL3056", "LABEL version=1.2.3-rc.1", &[])]);
}

#[test]
fn dl3058_labels_with_addresses() {
    check_with(&labels(), &[("DL3058", "LABEL mail=x@y", &[2]), ("DL3058", "LABEL mail=x@y.example", &[])]);
}

#[test]
fn dl3059_consecutive_runs() {
    check(&[
        ("DL3059", "RUN x\n# note\n\nRUN y", &[5]),
        ("DL3059", "RUN x\nCOPY a /\nRUN y\nRUN --network=none z\nFROM b:1\nRUN z", &[]),
    ]);
}

#[test]
fn dl3061_first_instruction() {
    check(&[("DL3061", "# note\nRUN x\nFROM a:1", &[2]), ("DL3061", "# note\nARG X=1\nFROM a:$X", &[])]);
}

#[test]
fn dl3063_reserved_names() {
    check(&[("DL3063", "FROM a:1 AS scratch", &[1]), ("DL3063", "FROM a:1 AS scratched", &[])]);
}

#[test]
fn dl3065_target_platform() {
    check(&[
        ("DL3065", "FROM --platform=${TARGETPLATFORM} a:1", &[1]),
        ("DL3065", "FROM --platform=$BUILDPLATFORM a:1", &[]),
    ]);
}

#[test]
fn dl3067_whole_filesystem() {
    check(&[
        ("DL3067", "FROM a:1 AS b\nFROM scratch\nCOPY --from=b / /", &[3]),
        ("DL3067", "FROM a:1 AS b\nFROM scratch\nCOPY --from=b /x /\nCOPY / /", &[]),
    ]);
}
