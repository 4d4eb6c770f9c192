#!/usr/bin/env bash
# Pull and push of an image of random bytes, from and to docker-registry on loopback, against skopeo: by turns, medians.
# Every push is to a registry that is empty, every pull into a store that is.
# usage: benches/registry.sh KILN [MIB [RUNS]]
set -euo pipefail
kiln=$(realpath "$1")
mib=${2:-1024}
runs=${3:-3}
work=$(mktemp -d "${TMPDIR:-/tmp}/kiln-registry-XXXXXX")
registry=
stop() { [ -z "$registry" ] || { kill "$registry" && wait "$registry"; } 2>/dev/null || true; registry=; }
trap 'stop; rm -rf "$work"' EXIT
cd "$work"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >config.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
log: {level: error}
END
start() {
    docker-registry serve config.yml >/dev/null 2>registry.log &
    registry=$!
    for _ in $(seq 100); do curl -s "http://127.0.0.1:$port/v2/" >/dev/null && return; sleep 0.05; done
    cat registry.log
    return 1
}
empty() { stop; rm -rf "$work/registry"; start; }

# Four layers, as images have: gzip, which cannot make them smaller.
mkdir context
for layer in 1 2 3 4; do head -c "$((mib << 18))" /dev/urandom >"context/$layer"; done
printf 'FROM scratch\nCOPY 1 /\nCOPY 2 /\nCOPY 3 /\nCOPY 4 /\n' >Dockerfile
name=localhost:$port/app:1
"$kiln" build --progress quiet --store store -t "$name" -f Dockerfile -o type=oci-layout,dest=layout,name="$name" context
rm -rf context
cp -r store pristine

timed() {
    local row=$1 before after
    shift
    sync
    before=$(date +%s%N)
    "$@" >/dev/null
    after=$(date +%s%N)
    echo "$row $(((after - before) / 1000000))" >>times
}

for _ in $(seq "$runs"); do
    # What the store has learnt of registries would be used.
    empty
    rm -rf store
    cp -r pristine store
    timed 'push kiln' "$kiln" push --progress quiet --store store "$name"
    empty
    timed 'push skopeo' skopeo copy -q --dest-tls-verify=false oci:layout:1 "docker://$name"
    rm -rf pulled
    timed 'pull kiln' "$kiln" pull --progress quiet --store pulled "$name"
    rm -rf pulled
    timed 'pull skopeo' skopeo copy -q --src-tls-verify=false "docker://$name" oci:pulled:app
done

echo "$mib MiB, $(skopeo --version), docker-registry on loopback, $runs runs each:"
python3 - "$mib" <<'END'
import statistics, sys
times = {}
for line in open('times'):
    verb, who, taken = line.split()
    times.setdefault(verb, {}).setdefault(who, []).append(int(taken) / 1000)
for verb, row in times.items():
    median = {who: statistics.median(taken) for who, taken in row.items()}
    told = ', '.join(f'{who} {median[who]:.2f} s (' + ' '.join(f'{t:.2f}' for t in row[who]) + ')' for who in row)
    print(f"{verb}: {told}; kiln has {median['skopeo'] / median['kiln']:.2f} times the speed of skopeo, "
          f"{int(sys.argv[1]) / median['kiln']:.0f} MiB/s")
END
