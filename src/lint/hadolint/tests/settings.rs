use super::check;

#[test]
fn dl3000_workdir() {
    check(&[
        ("DL3000", "WORKDIR x/y", &[2]),
        ("DL3000", "ONBUILD WORKDIR x", &[2]),
        ("DL3000", "WORKDIR /x\nWORKDIR \"/y\"\nWORKDIR $Z\nWORKDIR C:\\x", &[]),
    ]);
}

#[test]
fn dl3002_root() {
    check(&[
        ("DL3002", "USER x\nUSER root", &[3]),
        ("DL3002", "USER 0:0", &[2]),
        ("DL3002", "FROM a:1 AS b\nUSER root:x\nFROM b\nRUN x", &[2]),
        ("DL3002", "USER root\nRUN x\nUSER 1000", &[]),
        ("DL3002", "FROM a:1 AS b\nUSER root\nFROM c:1\nRUN x", &[]),
    ]);
}

#[test]
fn dl3011_ports() {
    check(&[
        ("DL3011", "EXPOSE 80 65536", &[2]),
        ("DL3011", "EXPOSE 60000-70000/udp", &[2]),
        ("DL3011", "EXPOSE 0 65535/tcp $PORT 80-90", &[]),
    ]);
}

#[test]
fn dl3012_healthchecks() {
    check(&[
        ("DL3012", "HEALTHCHECK CMD x\nHEALTHCHECK NONE", &[3]),
        ("DL3012", "FROM a:1 AS b\nHEALTHCHECK CMD x\nFROM b\nHEALTHCHECK CMD x", &[]),
    ]);
}

#[test]
fn dl3025_json_form() {
    check(&[("DL3025", "CMD x\nENTRYPOINT y", &[2, 3]), ("DL3025", "CMD [\"x\"]\nENTRYPOINT [\"y\"]", &[])]);
}

#[test]
fn dl3044_own_variables() {
    check(&[
        ("DL3044", "ENV A=1 B=$A", &[2]),
        ("DL3044", "ENV A=1 B=\"x/${A}/y\"", &[2]),
        ("DL3044", "ENV A=1\nENV A=2 B=$A", &[]),
        ("DL3044", "ENV PATH=/x:$PATH A='$PATH' B=\\$A C=$D", &[]),
    ]);
}

#[test]
fn dl3057_healthcheck_missing() {
    let mut options = super::HadolintOptions::default();
    assert_eq!(super::lines("DL3057", "RUN x", &options), [0; 0]);
    options.levels.insert("DL3057".to_owned(), super::Severity::Info);
    super::check_with(
        &options,
        &[
            ("DL3057", "RUN x", &[1]),
            ("DL3057", "FROM a:1 AS b\nHEALTHCHECK NONE\nFROM c:1", &[3]),
            ("DL3057", "FROM a:1 AS b\nHEALTHCHECK CMD x\nFROM b", &[]),
        ],
    );
}

#[test]
fn dl3064_secrets() {
    check(&[
        ("DL3064", "ARG API_KEY\nFROM a:1\nENV PASSWORD=x", &[1, 3]),
        ("DL3064", "ENV PUBLIC_KEY=x KEYBOARD=y TOKEN_FILE=z", &[]),
    ]);
}

#[test]
fn dl3066_names_of_users() {
    check(&[
        ("DL3066", "USER app", &[2]),
        ("DL3066", "USER app:1000", &[2]),
        ("DL3066", "USER app\nUSER 1000:app", &[]),
        ("DL3066", "USER ${UID}:x", &[]),
        ("DL3066", "FROM a:1 AS b\nUSER app\nFROM b\nUSER 1", &[]),
    ]);
}

#[test]
fn dl4000_maintainer() {
    check(&[("DL4000", "MAINTAINER x", &[2]), ("DL4000", "LABEL maintainer=x", &[])]);
}

#[test]
fn dl4003_commands() {
    check(&[("DL4003", "CMD x\nCMD y\nCMD z", &[3, 4]), ("DL4003", "CMD x\nFROM b:1\nCMD y", &[])]);
}

#[test]
fn dl4004_entrypoints() {
    check(&[("DL4004", "ENTRYPOINT x\nENTRYPOINT y", &[3]), ("DL4004", "ENTRYPOINT x\nCMD y", &[])]);
}
