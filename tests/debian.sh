#!/usr/bin/env bash
# A Debian base from a registry on loopback, real packages, a build stage and a slim stage; the result runs.
# usage: tests/debian.sh KILN
set -euo pipefail
kiln=$(realpath "$1")
work=$(mktemp -d)
registry=
trap 'kill $registry 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
if ! mmdebstrap --variant=essential --include=apt bookworm rootfs.tar >mmdebstrap.log 2>&1; then
    tail -n 5 mmdebstrap.log
    echo 'SKIPPED: mmdebstrap cannot make a Debian base here'
    exit 0
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:%s"}\n' "$work" "$port" >registry.yml
docker-registry serve registry.yml >registry.log 2>&1 &
registry=$!
mkdir empty context
"$kiln" import --store first rootfs.tar debian:bookworm
echo 'FROM debian:bookworm' >Base
"$kiln" build --store first -f Base -t debian:bookworm -o base.tar empty
for _ in $(seq 50); do skopeo copy --dest-tls-verify=false oci-archive:base.tar "docker://localhost:$port/debian:bookworm" && break; sleep 0.2; done
(cd context && apt-get download -qq hello sed)
cat >Dockerfile <<EOF
FROM localhost:$port/debian:bookworm AS build
COPY *.deb /tmp/debs/
RUN dpkg -i /tmp/debs/*.deb && rm -r /tmp/debs
RUN useradd -r -m worker && mkdir /out && hello > /out/greeting && chown worker /out/greeting
FROM localhost:$port/debian:bookworm
COPY --from=build /usr/bin/hello /usr/bin/hello
COPY --from=build /out /out
CMD ["hello"]
EOF
build() { "$kiln" build --store second -f Dockerfile -t app:1 -o type=oci-layout,dest=layout context 2>&1 | tee build.log; }
build
build
grep -q '0 steps ran, 5 cached' build.log
umoci unpack --image layout:1 bundle >/dev/null 2>&1
python3 - <<'EOF'
import json
with open('bundle/config.json') as file:
    config = json.load(file)
config['process']['terminal'] = False
config['linux'].pop('resources', None)
with open('bundle/config.json', 'w') as file:
    json.dump(config, file)
EOF
[ "$(runc run --bundle bundle "kiln-debian-$$")" = 'Hello, world!' ]
[ "$(stat -c %u:%g bundle/rootfs/out/greeting)" = 999:0 ]
echo 'the Debian image runs'
