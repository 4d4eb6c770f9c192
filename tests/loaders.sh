#!/usr/bin/env bash
# One tar of `type=docker`, with two names, into every tool that loads images: both names are there, and the image runs.
# usage: tests/loaders.sh KILN
set -euo pipefail
kiln=$(realpath "$1")
work=$(mktemp -d)
containerd=
cleanup() {
    [ -z "$containerd" ] || { kill "$containerd" 2>/dev/null && wait "$containerd" 2>/dev/null; } || true
    # Engines leave mounts behind where they were killed.
    grep -o " $work/[^ ]*" /proc/mounts | sort -r | while read -r mount; do umount "$mount" 2>/dev/null; done || true
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
skipped() { echo "SKIPPED: $*"; }
has() { command -v "$1" >/dev/null || { skipped "$1 is not installed"; return 1; }; }

all_in() { for name in $names; do grep -x "$name" <<<"$1" >/dev/null || { echo "no $name among: $1"; return 1; }; done; }

mkdir context
cat >Dockerfile <<'END'
FROM shell AS build
RUN mkdir /out && echo 'it runs' >/out/greeting
FROM shell
COPY --from=build /out /out
ENV WHERE=/out/greeting
CMD ["/bin/sh", "-c", "cat $WHERE"]
END
"$kiln" build --progress quiet --store store --build-context shell=host:sh,cat,mkdir -f Dockerfile \
    -t loaders.example/app:one -t loaders.example/app:two -o type=docker,dest=image.tar context
names='loaders.example/app:one loaders.example/app:two'

# A bundle that any runtime takes, without what a machine within a container cannot give.
runs() {
    python3 - "$1" <<'END'
import json, sys
path = sys.argv[1] + '/config.json'
with open(path) as file:
    config = json.load(file)
config['process']['terminal'] = False
config['linux'].pop('resources', None)
with open(path, 'w') as file:
    json.dump(config, file)
END
    [ "$(runc run --bundle "$1" "kiln-loaders-$$")" = 'it runs' ]
}

if has skopeo; then
    for name in $names; do
        skopeo copy -q "docker-archive:image.tar:$name" "oci:by-skopeo:${name##*:}"
        skopeo copy -q "oci-archive:image.tar:${name##*:}" "oci:by-skopeo-oci:${name##*:}"
        [ "$(skopeo inspect "oci:by-skopeo:${name##*:}" | grep -c '"WHERE=/out/greeting"')" = 1 ]
    done
    echo 'skopeo: both names, as a Docker archive and as an OCI archive'
fi

if has umoci && has runc; then
    mkdir layout
    tar -xf image.tar -C layout
    [ "$(umoci ls --layout layout | sort | tr '\n' ' ')" = 'one two ' ]
    umoci unpack --image layout:two bundle >/dev/null 2>&1
    runs bundle
    echo 'umoci: both names, and it runs'
fi

if has buildah; then
    buildah() { command buildah --root "$work/buildah" --runroot "$work/buildah-run" --storage-driver vfs "$@"; }
    for name in $names; do buildah pull -q "docker-archive:image.tar:$name" >/dev/null; done
    listed=$(buildah images --format '{{.Name}}:{{.Tag}}')
    all_in "$listed"
    container=$(buildah from --pull-never loaders.example/app:two)
    [ "$(buildah run --isolation chroot "$container" /bin/sh -c 'cat $WHERE')" = 'it runs' ]
    echo 'buildah: both names, and it runs'
fi

if has podman; then
    podman() { command podman --root "$work/podman" --runroot "$work/podman-run" --storage-driver vfs --cgroup-manager cgroupfs "$@"; }
    podman load -q -i image.tar >/dev/null
    for name in $names; do podman image exists "$name"; done
    # crun asks for more of cgroups and limits than a machine within a container has.
    limits='--ulimit nofile=1024:1024 --ulimit nproc=1024:1024'
    if said=$(podman run --rm --runtime runc --network none $limits loaders.example/app:one 2>podman.log); then
        [ "$said" = 'it runs' ]
        echo 'podman: both names, and it runs'
    else
        tail -n 1 podman.log
        skipped 'podman cannot start containers here; both names are there'
    fi
fi

if has ctr && has containerd; then
    cat >containerd.toml <<END
version = 2
root = "$work/containerd"
state = "$work/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$work/containerd.sock"
END
    containerd --config containerd.toml >containerd.log 2>&1 &
    containerd=$!
    ctr() { command ctr --address "$work/containerd.sock" "$@"; }
    for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
    ctr images import --snapshotter native image.tar >/dev/null
    listed=$(ctr images ls -q)
    all_in "$listed"
    if said=$(ctr run --rm --snapshotter native --runc-binary "$(command -v runc)" loaders.example/app:two "kiln-$$" 2>ctr.log); then
        [ "$said" = 'it runs' ]
        echo 'containerd: both names, and it runs'
    else
        tail -n 1 ctr.log
        skipped 'containerd cannot start containers here; both names are there'
    fi
fi
