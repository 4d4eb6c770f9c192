#!/usr/bin/env bash
# A Debian base from a registry on loopback, real packages, a build stage and a slim stage; the result runs. Then the same on every
# other rung that can be had, each as the user that it is for: owners and modes in the layers must be the same.
# usage: tests/debian.sh KILN [USER]   USER: an ordinary user with subordinate ids, for the rung rootless
set -euo pipefail
kiln=$(realpath "$1")
mapped=${2:-}
work=$(mktemp -d)
chmod 755 "$work"
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
chmod -R a+rX context
cat >Dockerfile <<EOF
FROM localhost:$port/debian:bookworm AS build
COPY *.deb /tmp/debs/
RUN dpkg -i /tmp/debs/*.deb && rm -r /tmp/debs
RUN useradd -r -m worker && mkdir /out && hello > /out/greeting && chown worker /out/greeting
RUN su worker -s /bin/sh -c 'cd && umask 027 && echo mine > mine && mkdir sub' && chown 123456:70000 /out && tar -C / -cpf /out/worker.tar home/worker
RUN mkdir /again && tar -C /again -xpf /out/worker.tar && rm /out/worker.tar && chgrp -R tty /again/home && mknod /again/sda b 8 0
FROM localhost:$port/debian:bookworm AS last
COPY --from=build /usr/bin/hello /usr/bin/hello
COPY --from=build /out /out
COPY --from=build /again /again
CMD ["hello"]
EOF
build() { "$kiln" build --store second -f Dockerfile -t app:1 -o type=oci-layout,dest=layout context 2>&1 | tee build.log; }
build
build
grep -q '0 steps ran, 8 cached' build.log
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

# Kind, mode, owner and path of each entry in the layers of the stage that installs, and of the last one.
list() {
    python3 - "$@" <<'EOF'
import json, sys, tarfile
for directory in sys.argv[1:]:
    def blob(descriptor):
        return f"{directory}/blobs/sha256/{descriptor['digest'][7:]}"
    with open(f"{directory}/index.json") as file:
        entry = json.load(file)["manifests"][0]
    with open(blob(entry)) as file:
        layers = json.load(file)["layers"]
    for number, layer in enumerate(layers[1:]):
        with tarfile.open(blob(layer)) as tar:
            for member in tar:
                print(number, member.type.decode(), oct(member.mode), member.uid, member.gid, member.name, member.linkname)
EOF
}
both() {
    local rung=$1 dir=$work/rung-$1 target
    shift
    install -d -m 777 "$dir"
    cp -r "$work/context" "$work/Dockerfile" "$dir/"
    for target in build last; do
        (cd "$dir" && "$@" env HOME="$dir" "$work/kiln" build --store store --isolation "$rung" --target "$target" \
            -o "type=oci-layout,dest=layout-$target" -f Dockerfile context >"log-$target" 2>&1) || { cat "$dir/log-$target"; return 1; }
    done
    list "$dir/layout-build" "$dir/layout-last" >"$work/$rung.list"
    [ "$(wc -l <"$work/$rung.list")" -gt 30 ]
    if [ "$rung" != root ]; then
        diff "$work/root.list" "$work/$rung.list"
        echo "the same owners and modes on the rung $rung: $(wc -l <"$work/$rung.list") entries"
    fi
}
install -m 755 "$kiln" "$work/kiln"
both root env
both single-id setpriv --reuid=65534 --regid=65534 --clear-groups
container=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap
both chroot setpriv --bounding-set="$container" --inh-caps=-all
if [ -n "$mapped" ]; then
    both rootless setpriv --reuid="$mapped" --regid="$mapped" --clear-groups
else
    echo 'SKIPPED: no user with subordinate ids was named: nothing is compared on the rung rootless'
fi
