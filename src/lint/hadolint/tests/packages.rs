use super::check;

#[test]
fn dl3008_apt_versions() {
    check(&[
        ("DL3008", "RUN apt-get update && apt-get install -y curl=1 git", &[2]),
        ("DL3008", "RUN DEBIAN_FRONTEND=noninteractive apt-get -y install curl", &[2]),
        ("DL3008", "ONBUILD RUN apt-get install curl", &[2]),
        ("DL3008", "RUN [\"apt-get\", \"install\", \"curl\"]", &[2]),
        ("DL3008", "RUN <<E\napt-get install curl\nE", &[2]),
        ("DL3008", "RUN if x; then apt-get install curl; fi", &[2]),
        ("DL3008", "RUN apt-get install -y curl=7.* git/stable ./x.deb -t testing jq=1 $PACKAGES \"x=$V\"", &[]),
        ("DL3008", "RUN apt-get remove curl && echo apt-get install curl", &[]),
        ("DL3008", "RUN <<E cat\napt-get install curl\nE", &[]),
        ("DL3008", "SHELL [\"pwsh\"]\nRUN apt-get install curl", &[]),
    ]);
}

#[test]
fn dl3009_apt_lists() {
    check(&[
        ("DL3009", "RUN apt-get update && apt-get install -y x", &[2]),
        ("DL3009", "FROM a:1 AS b\nRUN apt-get update\nFROM b\nRUN x", &[2]),
        ("DL3009", "RUN apt-get update && rm -rf /var/lib/apt/lists/*", &[]),
        ("DL3009", "FROM a:1 AS b\nRUN apt-get update\nFROM c:1\nRUN x", &[]),
        ("DL3009", "RUN --mount=type=cache,target=/var/lib/apt apt-get update", &[]),
        ("DL3009", "RUN apt-get install -y x", &[]),
    ]);
}

#[test]
fn dl3013_pip_versions() {
    check(&[
        ("DL3013", "RUN pip install flask", &[2]),
        ("DL3013", "RUN pip3.12 install --upgrade pip", &[2]),
        ("DL3013", "RUN python3 -m pip install flask==1 django", &[2]),
        ("DL3013", "RUN pip install git+https://x.example/y.git", &[2]),
        ("DL3013", "RUN pip install flask==1 'django>=2' ./x . x.whl git+https://x.example/y.git@v1", &[]),
        ("DL3013", "RUN pip install -r requirements.txt && pip3 install --requirement=r", &[]),
        ("DL3013", "RUN pip install -c constraints.txt flask", &[]),
        ("DL3013", "RUN pip install -i https://x.example flask~=1", &[]),
        ("DL3013", "RUN python -m pip install -e .", &[]),
        ("DL3013", "RUN pip list && pipenv install flask", &[]),
    ]);
}

#[test]
fn dl3014_apt_yes() {
    check(&[
        ("DL3014", "RUN apt-get install x=1", &[2]),
        ("DL3014", "RUN apt-get -q install x=1", &[2]),
        ("DL3014", "RUN apt-get install -yq x && apt-get --assume-yes install y && apt-get install -qq z", &[]),
        ("DL3014", "RUN apt-get install -q=2 x && apt-get update", &[]),
    ]);
}

#[test]
fn dl3015_apt_recommends() {
    check(&[
        ("DL3015", "RUN apt-get install -y x=1", &[2]),
        ("DL3015", "RUN apt-get install -y --no-install-recommends x=1", &[]),
        ("DL3015", "RUN apt-get -o APT::Install-Recommends=false install x=1", &[]),
    ]);
}

#[test]
fn dl3016_npm_versions() {
    check(&[
        ("DL3016", "RUN npm install -g express", &[2]),
        ("DL3016", "RUN npm i @scope/express", &[2]),
        ("DL3016", "RUN npm install git+ssh://x.example/y.git", &[2]),
        ("DL3016", "RUN npm install && npm ci && npm install -g express@4 @scope/x@1 ./y z.tgz", &[]),
        ("DL3016", "RUN npm install git+ssh://x.example/y.git#v1 --loglevel verbose", &[]),
    ]);
}

#[test]
fn dl3018_apk_versions() {
    check(&[
        ("DL3018", "RUN apk add --no-cache --virtual .deps gcc", &[2]),
        ("DL3018", "RUN apk --no-cache add gcc=1 make", &[2]),
        ("DL3018", "RUN apk add -t .deps gcc=1 'make>2' cmake~3 ./x.apk $PHPIZE_DEPS", &[]),
        ("DL3018", "RUN apk del gcc", &[]),
    ]);
}

#[test]
fn dl3019_apk_no_cache() {
    check(&[
        ("DL3019", "RUN apk add x=1", &[2]),
        ("DL3019", "RUN apk add --no-cache x=1", &[]),
        ("DL3019", "RUN --mount=type=cache,target=/var/cache/apk apk add x=1", &[]),
    ]);
}

#[test]
fn dl3028_gem_versions() {
    check(&[
        ("DL3028", "RUN gem install bundler", &[2]),
        ("DL3028", "RUN gem install bundler:1 && gem install rake -v 2 && gem i --version=3 x", &[]),
    ]);
}

#[test]
fn dl3030_yum_yes() {
    check(&[
        ("DL3030", "RUN yum install x-1", &[2]),
        ("DL3030", "RUN yum -y install x-1 && yum install --assumeyes x-1 && yum clean all", &[]),
    ]);
}

#[test]
fn dl3032_yum_cache() {
    check(&[
        ("DL3032", "RUN yum groupinstall -y 'x'", &[2]),
        ("DL3032", "RUN yum remove x", &[]),
        ("DL3032", "RUN yum install -y x-1", &[2]),
        ("DL3032", "RUN yum install -y x-1 && yum clean all", &[]),
        ("DL3032", "RUN yum install -y x-1 && rm -rf /var/cache/yum/*", &[]),
    ]);
}

#[test]
fn dl3033_yum_versions() {
    check(&[
        ("DL3033", "RUN yum install -y x", &[2]),
        ("DL3033", "RUN yum update", &[]),
        ("DL3033", "RUN yum install -y gcc-c++", &[2]),
        ("DL3033", "RUN yum module install -y nodejs", &[2]),
        ("DL3033", "RUN yum install -y x-1.2 y.rpm https://x.example/y which-$V", &[]),
        ("DL3033", "RUN yum module install -y nodejs:20", &[]),
    ]);
}

#[test]
fn dl3034_zypper_questions() {
    check(&[
        ("DL3034", "RUN zypper install x=1", &[2]),
        ("DL3034", "RUN zypper -n install x=1 && zypper in -y y=1 && zypper --non-interactive rm z", &[]),
    ]);
}

#[test]
fn dl3035_zypper_dist_upgrade() {
    check(&[("DL3035", "RUN zypper -n dup", &[2]), ("DL3035", "RUN zypper -n update", &[])]);
}

#[test]
fn dl3036_zypper_clean() {
    check(&[
        ("DL3036", "RUN zypper -n in x=1", &[2]),
        ("DL3036", "RUN zypper -n in x=1 && zypper cc --all", &[]),
        ("DL3036", "RUN --mount=type=cache,target=/var/cache/zypp zypper -n in x=1", &[]),
    ]);
}

#[test]
fn dl3037_zypper_versions() {
    check(&[
        ("DL3037", "RUN zypper -n in x", &[2]),
        ("DL3037", "RUN zypper -n in x=1 'y>=2' z.rpm && zypper rm w", &[]),
    ]);
}

#[test]
fn dl3038_dnf_yes() {
    check(&[("DL3038", "RUN microdnf install x-1", &[2]), ("DL3038", "RUN dnf -y install x-1", &[])]);
}

#[test]
fn dl3040_dnf_clean() {
    check(&[
        ("DL3040", "RUN dnf install -y x-1", &[2]),
        ("DL3040", "RUN dnf install -y x-1 && dnf clean all", &[]),
        ("DL3040", "RUN --mount=type=cache,target=/var/cache/libdnf5 dnf install -y x-1", &[]),
    ]);
}

#[test]
fn dl3041_dnf_versions() {
    check(&[
        ("DL3041", "RUN dnf install -y x", &[2]),
        ("DL3041", "RUN dnf module enable -y nodejs", &[2]),
        ("DL3041", "RUN dnf install -y x-1.2 && dnf module install nodejs:20 && dnf remove y", &[]),
    ]);
}

#[test]
fn dl3042_pip_cache() {
    check(&[
        ("DL3042", "RUN pip install x==1", &[2]),
        ("DL3042", "RUN python -m pip install x==1", &[2]),
        ("DL3042", "RUN pip install --no-cache-dir x==1", &[]),
        ("DL3042", "ENV PIP_NO_CACHE_DIR=1\nRUN pip install x==1", &[]),
        ("DL3042", "FROM a:1 AS b\nENV PIP_NO_CACHE_DIR=1\nFROM b\nRUN pip install x==1", &[]),
        ("DL3042", "RUN PIP_NO_CACHE_DIR=1 pip install x==1", &[]),
        ("DL3042", "RUN export PIP_NO_CACHE_DIR=1; pip install x==1", &[]),
        ("DL3042", "RUN --mount=type=cache,target=/root/.cache/pip pip install x==1", &[]),
    ]);
}

#[test]
fn dl3060_yarn_cache() {
    check(&[
        ("DL3060", "RUN yarn install", &[2]),
        ("DL3060", "RUN yarn install && yarn cache clean", &[]),
        ("DL3060", "RUN --mount=type=cache,target=/root/.yarn yarn install", &[]),
    ]);
}

#[test]
fn dl3062_go_versions() {
    check(&[
        ("DL3062", "RUN go install example.com/x@latest", &[2]),
        ("DL3062", "RUN go install -tags a example.com/x", &[2]),
        ("DL3062", "RUN go install example.com/x@v1 && go install ./... && go build example.com/x", &[]),
        ("DL3062", "RUN go run main.go example.com", &[]),
    ]);
}
