//! What a step can try by itself. A script succeeds where the attack has; `attack` is the program of `attack.c`.

/// One attack by a step.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// What it tries, in one sentence.
    pub(super) tries: &'static str,
    /// `@STORE@`, `@OUTSIDE@`, `@DISK@` and `@SOCKET@` stand for what the builder's machine has.
    pub(super) script: &'static str,
    /// Whether it gets through in a step that may do everything: the proof that the script can tell.
    pub(super) insecure: bool,
    /// The rungs on which it gets through, for a reason that README.md gives.
    pub(super) limits: &'static [&'static str],
    /// The rungs on which it is the kernel that holds it off, from Linux 6.12 on.
    pub(super) before_scopes: &'static [&'static str],
}

const fn attack(name: &'static str, tries: &'static str, script: &'static str) -> Attack {
    Attack { name, tries, script, insecure: false, limits: &[], before_scopes: &[] }
}

const CHROOTS: &[&str] = &["chroot of a machine's root", "chroot in a container"];
const EVERYWHERE: &[&str] = &["root", "chroot of a machine's root", "chroot in a container", "single-id", "rootless"];

/// One that gets through where everything is allowed.
const fn proven(name: &'static str, tries: &'static str, script: &'static str) -> Attack {
    Attack { insecure: true, ..attack(name, tries, script) }
}

pub(super) const ATTACKS: &[Attack] = &[
    attack("descriptors", "uses a file that the builder has open and did not close", "/attack descriptors"),
    attack(
        "descriptors-proc",
        "lists the descriptors of all processes for one that leads outside",
        "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q '@OUTSIDE@\\|@STORE@'",
    ),
    attack("climb", "climbs out of the working directory", "test -e ../../../../../../../../../../@OUTSIDE@/secret"),
    attack("outside", "opens a path of the machine", "cat @OUTSIDE@/secret"),
    attack("store", "finds the builder's store, to write to it", "test -e @STORE@"),
    attack(
        "store-mounts",
        "writes through whatever is mounted from the machine",
        "find / -xdev -path '*/kiln/steps' | grep -q .",
    ),
    attack(
        "environment",
        "reads the environment of the builder from /proc",
        "cat /proc/[0-9]*/environ 2>/dev/null | grep -q canary-of-the-builder",
    ),
    attack(
        "own-environment",
        "finds a variable of the builder in its own environment",
        "env | grep -q CANARY_OF_BUILDER",
    ),
    attack(
        "roots",
        "goes through the root of another process",
        "ls /proc/[0-9]*/root/@OUTSIDE@/secret 2>/dev/null | grep -q .",
    ),
    attack(
        "working-directories",
        "goes through the working directory of another process",
        "ls -d /proc/[0-9]*/cwd/../../../../../../../../@OUTSIDE@ 2>/dev/null | grep -q .",
    ),
    attack("seize", "traces the builder, to make it do what the step may not", "/attack seize $PPID"),
    attack("read-memory", "reads the memory of the builder", "/attack read-memory $PPID"),
    attack("proc-memory", "opens the memory of another process", "/attack writable /proc/$PPID/mem"),
    Attack { before_scopes: CHROOTS, ..attack("signal", "kills the builder, or may", "/attack signal $PPID") },
    Attack {
        limits: &["chroot in a container"],
        ..attack("priority", "slows the builder down", "test $PPID -gt 0 && busybox renice -n 5 -p $PPID")
    },
    attack("user-namespace", "becomes root of a user namespace, with all capabilities in it", "/attack user-namespace"),
    proven("mount-namespace", "takes a mount namespace of its own", "/attack mount-namespace"),
    proven("clone", "takes a user namespace by clone", "/attack clone"),
    proven("clone3", "takes a user namespace by clone3, whose flags a filter cannot see", "/attack clone3"),
    attack("setns", "enters the mount namespace of another process", "/attack setns /proc/$PPID/ns/mnt"),
    proven("setns-self", "enters a namespace again, with new rights", "/attack setns /proc/self/ns/uts"),
    attack(
        "nsenter",
        "enters all namespaces of process 1 of the machine",
        "busybox nsenter -t $PPID -m -u -i -n -p true || busybox nsenter -t 0 -m true",
    ),
    proven("mount", "mounts a file system", "/attack mount"),
    proven("fsopen", "mounts by the newer interface", "/attack fsopen"),
    attack("umount", "takes away what covers the machine's files", "/attack umount"),
    attack(
        "remount",
        "makes a read-only mount writable",
        "busybox mount -o remount,bind,rw /etc/hosts || busybox mount -o remount,bind,rw /proc/sys",
    ),
    proven("pivot-root", "changes the root of its mount namespace", "/attack pivot-root"),
    attack("leave-chroot", "leaves a root directory by changing it again", "/attack leave-chroot @OUTSIDE@/secret"),
    attack(
        "leave-chroot-busybox",
        "takes a root directory outside of its own",
        "mkdir -p /r && busybox chroot /r /bin/true; cd /proc/1/root && test -e ./@OUTSIDE@/secret",
    ),
    attack(
        "supervisor-climbs",
        "has the supervisor make a node above the process's directory in the machine's /proc",
        "mknod /proc/self/../..@OUTSIDE@/made b 8 0 || mknod /proc/thread-self/../../..@OUTSIDE@/made b 8 0",
    ),
    attack(
        "supervisor-opens",
        "has the supervisor open a file outside by names of the process's own files",
        "for way in /proc/self/.. /proc/self/fd/../.. /proc/self/fd/0/../.. /dev/fd/.. /dev/fd/0/../.. /proc/self/cwd/../../../.. /proc/self/root/../..; do cat $way/..@OUTSIDE@/secret && exit 0; cat $way@OUTSIDE@/secret && exit 0; done; cat /proc/self/../1/environ /proc/self/../$PPID/environ | grep -q canary-of-the-builder",
    ),
    attack(
        "supervisor-outside",
        "has the supervisor make a node from a directory outside of a second root",
        "/attack climb-node @OUTSIDE@/made",
    ),
    proven("by-handle", "opens a file of the disk by its inode", "/attack by-handle"),
    proven("keyring", "reads or fills a keyring that the builder shares", "/attack keyring"),
    attack("typing", "types commands into the builder's terminal", "/attack typing"),
    attack("terminal", "opens the builder's terminal", "/attack terminal"),
    attack("module", "loads or removes a kernel module", "/attack module"),
    proven("bpf", "loads a program into the kernel", "/attack bpf"),
    proven("perf", "counts what other processes do", "/attack perf"),
    proven("userfaultfd", "holds the kernel up in the middle of a copy", "/attack userfaultfd"),
    attack("io-uring", "calls the kernel past the filter of system calls", "/attack io-uring"),
    proven(
        "machine",
        "sets the clock, stops swapping, loads another kernel, or turns a key combination off",
        "/attack machine",
    ),
    proven("kernel-log", "reads the kernel's log", "/attack kernel-log"),
    proven("host-name", "changes the name of the machine", "/attack host-name"),
    Attack {
        before_scopes: EVERYWHERE,
        ..attack(
            "abstract-socket",
            "talks to the builder's user by a socket that no file system holds",
            "/attack abstract-socket @SOCKET@",
        )
    },
    proven("disk", "makes a node for the machine's disk and reads it", "/attack device b:@DISK@"),
    proven("memory", "makes a node for the machine's memory", "/attack device c:1:1"),
    proven("kmsg", "makes a node for the kernel's log", "/attack device c:1:11"),
    attack("fuse", "makes a node by which it could mount", "/attack device c:10:229"),
    attack("terminals", "makes a node for a terminal of the machine", "/attack device c:4:1"),
    proven(
        "disk-copied",
        "opens a node for the machine's disk that a layer or an archive has brought",
        "/attack opened /nodes/disk",
    ),
    proven("disk-based", "opens such a node of the base image", "/attack opened /based-disk"),
    attack(
        "dev",
        "finds more in /dev than every process may have",
        "ls /dev | grep -vxE 'core|fd|full|mqueue|null|ptmx|pts|random|shm|stderr|stdin|stdout|tty|urandom|zero'",
    ),
    attack(
        "core-pattern",
        "names a program that the kernel runs as root outside",
        "/attack writable /proc/sys/kernel/core_pattern",
    ),
    attack("sysrq", "presses a key for the kernel", "/attack writable /proc/sysrq-trigger"),
    attack("proc-irq", "moves the machine's interrupts", "echo 1 > /proc/irq/default_smp_affinity"),
    attack(
        "kcore",
        "reads the machine's memory from /proc",
        "test -s /proc/kcore && head -c 1 /proc/kcore | grep -q .",
    ),
    attack(
        "timers",
        "reads from /proc what the kernel keeps for root",
        "cat /proc/timer_list /proc/sched_debug /proc/keys 2>/dev/null | grep -q .",
    ),
    attack("uevent", "names a program for the kernel in /sys", "/attack writable /sys/kernel/uevent_helper"),
    attack(
        "sys-write",
        "writes anywhere in /sys",
        "for file in $(find /sys -type f -name uevent 2>/dev/null | head -n 3); do /attack writable $file && exit 0; done; false",
    ),
    attack(
        "sys-power",
        "puts the machine to sleep",
        "/attack writable /sys/power/state || /attack writable /sys/power/disk",
    ),
    attack(
        "cgroup",
        "makes a control group, or leaves its own",
        "mkdir /sys/fs/cgroup/attacked || /attack writable /sys/fs/cgroup/cgroup.procs",
    ),
    attack(
        "release-agent",
        "names a program that the kernel runs when a control group ends",
        "for file in $(find /sys/fs/cgroup -name release_agent 2>/dev/null); do /attack writable $file && exit 0; done; false",
    ),
    attack(
        "exe",
        "writes to the builder's program through a link to what a process runs",
        "for exe in /proc/[0-9]*/exe; do case $(readlink $exe) in */busybox) ;; *) /attack writable $exe && exit 0;; esac; done; false",
    ),
    attack(
        "secret-of-before",
        "finds the secret of an earlier step",
        "grep -rqs secret-of-a-step /run /tmp /dev/shm /etc /root",
    ),
    attack(
        "secret-beside",
        "finds the secret of a step that runs at the same time",
        "cat /proc/[0-9]*/root/run/secrets/* 2>/dev/null | grep -q secret-of-a-step",
    ),
    attack(
        "hosts",
        "writes to the machine's files of the network",
        "echo 1.2.3.4 attacked >> /etc/hosts && test -e @OUTSIDE@",
    ),
];
