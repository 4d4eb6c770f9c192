use super::check;

#[test]
fn dl3001_senseless_commands() {
    check(&[
        ("DL3001", "RUN x && service y start", &[2]),
        ("DL3001", "RUN echo $(ps aux)", &[2]),
        ("DL3001", "RUN apt-get install ssh # ps", &[]),
        ("DL3001", "RUN --mount=type=cache,target=/x true", &[]),
    ]);
}

#[test]
fn dl3003_cd() {
    check(&[("DL3003", "RUN cd /x && make", &[2]), ("DL3003", "RUN make -C /x && echo 'cd /y'", &[])]);
}

#[test]
fn dl3004_sudo() {
    check(&[
        ("DL3004", "RUN sudo apt-get update", &[2]),
        ("DL3004", "ONBUILD RUN sudo x", &[2]),
        ("DL3004", "RUN apt-get install sudo", &[]),
    ]);
}

#[test]
fn dl3027_apt() {
    check(&[("DL3027", "RUN apt install x", &[2]), ("DL3027", "RUN apt-get install apt", &[])]);
}

#[test]
fn dl3046_useradd() {
    check(&[
        ("DL3046", "RUN useradd -u 123456 x", &[2]),
        ("DL3046", "RUN useradd --uid=123456 x", &[2]),
        ("DL3046", "RUN useradd -l -u 123456 x && useradd -u 12345 y && useradd --no-log-init -u 999999 z", &[]),
    ]);
}

#[test]
fn dl3047_wget() {
    check(&[
        ("DL3047", "RUN wget https://x.example/y", &[2]),
        ("DL3047", "RUN wget -nv x && wget -qO- x && wget --progress=dot:giga x && wget -o log x", &[]),
        ("DL3047", "RUN curl x", &[]),
    ]);
}

#[test]
fn dl4001_wget_and_curl() {
    check(&[
        ("DL4001", "RUN wget -q x\nRUN curl x", &[3]),
        ("DL4001", "RUN wget -q x && curl x", &[2]),
        ("DL4001", "RUN curl x\nRUN apt-get install wget", &[]),
        ("DL4001", "RUN curl x\nFROM b:1\nRUN wget -q x", &[]),
    ]);
}

#[test]
fn dl4005_shell_link() {
    check(&[("DL4005", "RUN ln -sf /bin/bash /bin/sh", &[2]), ("DL4005", "RUN ln -s /bin/bash /bin/x", &[])]);
}

#[test]
fn dl4006_pipefail() {
    check(&[
        ("DL4006", "RUN curl x | tar x", &[2]),
        ("DL4006", "FROM a:1 AS b\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nFROM c:1\nRUN x | y", &[4]),
        ("DL4006", "SHELL [\"/bin/bash\", \"-eo\", \"pipefail\", \"-c\"]\nRUN x | y", &[]),
        ("DL4006", "FROM a:1 AS b\nSHELL [\"bash\", \"-o\", \"pipefail\", \"-c\"]\nFROM b\nRUN x | y", &[]),
        ("DL4006", "RUN set -o pipefail && x | y", &[]),
        ("DL4006", "RUN x || y\nRUN [\"x\", \"|\", \"y\"]\nRUN echo 'a | b'", &[]),
        ("DL4006", "SHELL [\"powershell.exe\"]\nRUN x | y", &[]),
    ]);
}
