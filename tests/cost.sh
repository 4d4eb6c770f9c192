#!/usr/bin/env bash
# What each rung costs: 40 steps that do nothing, and packages that dpkg installs. Prints the rows of the table in README.md: seconds of
# the whole build and of processor time in it, the least of several runs. As root; needs busybox-static and mmdebstrap.
# usage: tests/cost.sh KILN [USER] [RUNS]   USER: an ordinary user with subordinate ids, for the rung rootless
set -euo pipefail
kiln=$(realpath "$1")
mapped=${2:-}
runs=${3:-3}
work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
cd "$work"
install -m 755 "$kiln" kiln
mkdir -p echo/bin dpkg/packages
cp "$(command -v busybox)" echo/bin/busybox
printf 'FROM scratch\nCOPY bin/busybox /bin/\nSHELL ["/bin/busybox", "sh", "-c"]\n' >echo/Dockerfile
for number in $(seq 40); do echo "RUN echo $number"; done >>echo/Dockerfile
printf 'FROM debian\nCOPY packages /packages\nRUN dpkg -i /packages/*.deb\n' >dpkg/Dockerfile
packages=(hello sed m4 libsigsegv2 less make file libmagic1 libmagic-mgc patch tree bc)
if mmdebstrap --variant=minbase --include=libreadline8 bookworm root.tar >mmdebstrap.log 2>&1 &&
    (cd dpkg/packages && apt-get download -qq "${packages[@]}" >/dev/null 2>&1); then
    ./kiln import --store base root.tar debian:1 2>import.log
    echo 'FROM debian:1' >Base
    mkdir empty
    ./kiln build --store base -f Base -o type=oci-layout,dest=debian empty 2>>import.log
    workloads=(echo dpkg)
else
    echo 'SKIPPED: mmdebstrap or the packages of Debian cannot be had here: dpkg is not measured'
    workloads=(echo)
fi
chmod -R a+rX "$work"

# The least seconds, and the least of processor time.
measure() {
    local rung=$1 workload=$2 number
    shift 2
    for number in $(seq "$runs"); do
        { TIMEFORMAT='%R %U %S'; time "$@" "$work/kiln" build --no-cache --isolation "$rung" --store "$work/$rung/store" \
            --build-context "debian=oci-layout://$work/debian" "$work/$workload" >"$work/$rung/log" 2>&1; } 2>>"$work/$rung/$workload" ||
            { cat "$work/$rung/log"; return 1; }
    done
    awk '{ cpu = $2 + $3; if (NR == 1 || $1 < wall) wall = $1; if (NR == 1 || cpu < least) least = cpu } END { printf " %.2f, %.2f |", wall, least }' \
        "$work/$rung/$workload"
}
row() {
    local rung=$1 workload
    shift
    install -d -m 777 "$work/$rung"
    printf "| \`%s\` |" "$rung"
    for workload in "${workloads[@]}"; do measure "$rung" "$workload" "$@" env HOME="$work/$rung"; done
    echo
}
row root
if [ -n "$mapped" ]; then
    row rootless setpriv --reuid="$mapped" --regid="$mapped" --clear-groups
else
    echo 'SKIPPED: no user with subordinate ids was named: the rung rootless is not measured'
fi
row single-id setpriv --reuid=65534 --regid=65534 --clear-groups
container=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap
row chroot setpriv --bounding-set="$container" --inh-caps=-all
