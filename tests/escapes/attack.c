// What a hostile step does that no program of busybox does. `attack NAME [ARGUMENT]` ends with 0 when it has got through, and
// with 1 when it was held off. Nothing here does harm where it gets through: it asks, and does not use what it was given.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// Whether a call was let through by everything that could have refused it, whatever it then thought of its arguments.
static int permitted(long result) {
    return result >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS && errno != ESRCH);
}

static int descriptors(const char *unused) {
    (void)unused;
    for (int fd = 3; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0) return 1;
    return 0;
}

static int seize(const char *pid) {
    return atoi(pid) > 0 && ptrace(PTRACE_SEIZE, atoi(pid), 0, 0) == 0;
}

static int read_memory(const char *pid) {
    char byte;
    // Any address will do: EFAULT means that the other one's memory was asked.
    struct iovec here = {&byte, 1}, there = {(void *)4096, 1};
    return atoi(pid) > 0 && permitted(process_vm_readv(atoi(pid), &here, 1, &there, 1, 0));
}

static int signalled(const char *pid) {
    return atoi(pid) > 0 && kill(atoi(pid), 0) == 0;
}

static int user_namespace(const char *unused) {
    (void)unused;
    return unshare(CLONE_NEWUSER) == 0;
}

static int mount_namespace(const char *unused) {
    (void)unused;
    return unshare(CLONE_NEWNS) == 0;
}

static int cloned_namespace(const char *unused) {
    (void)unused;
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return pid > 0;
}

// clone3 hides its flags from a filter, in memory.
static int cloned_namespace_3(const char *unused) {
    (void)unused;
    uint64_t arguments[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long pid = syscall(SYS_clone3, arguments, 64);
    if (pid == 0) _exit(0);
    return pid > 0;
}

static int enter_namespace(const char *path) {
    int fd = open(path, O_RDONLY);
    return fd >= 0 && setns(fd, 0) == 0;
}

static int new_mount(const char *unused) {
    (void)unused;
    mkdir("/attacked", 0700);
    return mount("none", "/attacked", "tmpfs", 0, "") == 0;
}

static int new_mount_by_descriptor(const char *unused) {
    (void)unused;
    return permitted(syscall(SYS_fsopen, "tmpfs", 0));
}

static int detach_root(const char *unused) {
    (void)unused;
    return umount2("/etc/hosts", MNT_DETACH) == 0 || umount2("/proc/sys", MNT_DETACH) == 0;
}

static int pivot(const char *unused) {
    (void)unused;
    return permitted(syscall(SYS_pivot_root, "/", "/"));
}

// A second root below the working directory: from there `..` leads on, past the first.
static int leave_chroot(const char *marker) {
    mkdir("/attacked-root", 0700);
    if (chroot("/attacked-root") != 0) return 0;
    for (int level = 0; level < 64; level++)
        if (chdir("..") != 0) break;
    if (chroot(".") != 0) return 0;
    int fd = open(marker, O_RDONLY);
    return fd >= 0;
}

// `made` is to be made outside. A supervisor that makes the node in the step's place goes where the step may not.
static int climb_node(const char *made) {
    char path[4096];
    int root = open("/", O_RDONLY | O_DIRECTORY);
    mkdir("/attacked-root", 0700);
    if (chroot("/attacked-root") != 0) return 0;
    snprintf(path, sizeof path, "../../../../../../../../../../../../../../../..%s", made);
    return mknodat(root, path, S_IFBLK | 0600, makedev(8, 0)) == 0;
}

// `marker` lies outside. Any file of the disk can be named by its inode, if that is permitted.
static int by_handle(const char *unused) {
    (void)unused;
    struct { struct file_handle head; unsigned char bytes[128]; } handle = {{128, 0}, {0}};
    int mount, root = open("/", O_RDONLY | O_DIRECTORY);
    if (name_to_handle_at(AT_FDCWD, "/bin", &handle.head, &mount, 0) != 0) {
        // An overlay gives no handles: one of ext4 for inode 2, the top of the disk.
        handle.head.handle_bytes = 8;
        handle.head.handle_type = 1;
        memcpy(handle.bytes, "\2\0\0\0\0\0\0\0", 8);
    }
    return permitted(open_by_handle_at(root, &handle.head, O_RDONLY));
}

static int keyring(const char *unused) {
    (void)unused;
    return syscall(SYS_add_key, "user", "kiln-attack", "x", 1, KEY_SPEC_PROCESS_KEYRING) >= 0
        || syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0) >= 0;
}

static int typing(const char *unused) {
    (void)unused;
    int fd = open("/dev/tty", O_RDWR);
    if (fd < 0) fd = 0;
    return ioctl(fd, TIOCSTI, "x") == 0 || ioctl(fd, TIOCSCTTY, 1) == 0;
}

static int terminal(const char *unused) {
    (void)unused;
    return open("/dev/tty", O_RDWR) >= 0;
}

static int module(const char *unused) {
    (void)unused;
    return permitted(syscall(SYS_init_module, "x", 1, "")) || permitted(syscall(SYS_delete_module, "no-such", O_NONBLOCK));
}

static int program_for_kernel(const char *unused) {
    (void)unused;
    union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return permitted(syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes));
}

static int performance(const char *unused) {
    (void)unused;
    struct perf_event_attr attributes = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attributes};
    return permitted(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, 0));
}

static int faults(const char *unused) {
    (void)unused;
    return permitted(syscall(SYS_userfaultfd, 0));
}

static int ring(const char *unused) {
    (void)unused;
    char parameters[256] = {0};
    return permitted(syscall(SYS_io_uring_setup, 1, parameters));
}

static int machine(const char *unused) {
    (void)unused;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return permitted(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, 0))
        || permitted(syscall(SYS_swapoff, "/no/such")) || permitted(syscall(SYS_kexec_load, 0, 1, 0, 1))
        || clock_settime(CLOCK_REALTIME, &now) == 0 || permitted(syscall(SYS_acct, "/no/such"))
        || permitted(syscall(SYS_quotactl, 0, "/no/such", 0, 0));
}

static int kernel_log(const char *unused) {
    (void)unused;
    char text[64];
    return syscall(SYS_syslog, 3, text, sizeof text) >= 0;
}

static int host_name(const char *unused) {
    (void)unused;
    return sethostname("attacked", 8) == 0;
}

static int abstract_socket(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return connect(fd, (void *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)) == 0;
}

// Whether a node leads to a device. A file that stands for one is empty, and a mount that makes nodes inert says EACCES; what else
// may fail is the machine's own rules for devices, or its driver, and those are the last line of defence.
static int opened(const char *path) {
    char byte;
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    return fd >= 0 ? read(fd, &byte, 1) != 0 : errno != EACCES && errno != ENOENT;
}

// mknod and open in one: `KIND:MAJOR:MINOR`.
static int device(const char *which) {
    char kind;
    unsigned major, minor;
    if (sscanf(which, "%c:%u:%u", &kind, &major, &minor) != 3) return 0;
    unlink("/attacked-device");
    dev_t number = (dev_t)(major & 0xfff) << 8 | (minor & 0xff) | (dev_t)(minor & ~0xffu) << 12;
    if (mknod("/attacked-device", (kind == 'b' ? S_IFBLK : S_IFCHR) | 0600, number) != 0) return 0;
    return opened("/attacked-device");
}

static int writable(const char *path) {
    return open(path, O_WRONLY) >= 0;
}

// Whether the kernel can keep a process to its own sockets and signals: the sixth version of landlock.
static int scopes(const char *unused) {
    (void)unused;
    return syscall(SYS_landlock_create_ruleset, 0, 0, 1) >= 6;
}

// More directories within each other than any path has room for.
static int deep(const char *levels) {
    for (int level = 0; level < atoi(levels); level++)
        if (mkdir("d", 0755) != 0 || chdir("d") != 0) return 0;
    return 1;
}

static const struct { const char *name; int (*attack)(const char *); } attacks[] = {
    {"descriptors", descriptors}, {"seize", seize}, {"read-memory", read_memory}, {"signal", signalled},
    {"user-namespace", user_namespace}, {"mount-namespace", mount_namespace}, {"clone", cloned_namespace},
    {"clone3", cloned_namespace_3}, {"setns", enter_namespace}, {"mount", new_mount}, {"fsopen", new_mount_by_descriptor},
    {"umount", detach_root}, {"pivot-root", pivot}, {"leave-chroot", leave_chroot}, {"climb-node", climb_node},
    {"by-handle", by_handle},
    {"keyring", keyring}, {"typing", typing}, {"terminal", terminal}, {"module", module}, {"bpf", program_for_kernel},
    {"perf", performance}, {"userfaultfd", faults}, {"io-uring", ring}, {"machine", machine}, {"kernel-log", kernel_log},
    {"host-name", host_name}, {"abstract-socket", abstract_socket}, {"device", device}, {"opened", opened},
    {"writable", writable}, {"scopes", scopes}, {"deep", deep},
};

int main(int count, char **words) {
    for (size_t at = 0; count > 1 && at < sizeof attacks / sizeof *attacks; at++)
        if (strcmp(words[1], attacks[at].name) == 0) return attacks[at].attack(count > 2 ? words[2] : "") ? 0 : 1;
    // So that a mistake in a test is no proof of anything.
    printf("no such attack\n");
    return 0;
}
