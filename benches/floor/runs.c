/* The least that a RUN takes: N times, in namespaces of its own on an overlay over LOWER, `sh -c "echo"` of the base.
 * usage: runs N LOWER SCRATCH [READ-FROM-BELOW] */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    need(argc >= 4, "usage");
    int count = atoi(argv[1]);
    char lower[65536], options[70000], upper[4096], work[4096], merged[4096], path[4096];
    snprintf(lower, sizeof lower, "%s", argv[2]);
    snprintf(merged, sizeof merged, "%s/merged", argv[3]);
    mkdir(merged, 0755);
    for (int step = 0; step < count; step++) {
        snprintf(upper, sizeof upper, "%s/u%d", argv[3], step);
        snprintf(work, sizeof work, "%s/w%d", argv[3], step);
        need(!mkdir(upper, 0755) && !mkdir(work, 0755), "mkdir");
        snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,volatile", lower, upper, work);
        struct clone_args arguments = {
            .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
            .exit_signal = SIGCHLD,
        };
        pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
        need(child >= 0, "clone3");
        if (child == 0) {
            need(!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
            need(!mount("overlay", merged, "overlay", 0, options), "overlay");
            need(!chdir(merged), "chdir");
            need(!syscall(SYS_pivot_root, ".", "."), "pivot_root");
            need(!umount2(".", MNT_DETACH) && !chdir("/"), "umount");
            execl("/bin/sh", "sh", "-c", "echo step", NULL);
            need(0, "exec");
        }
        int status;
        need(waitpid(child, &status, 0) == child && status == 0, "step");
        /* The next step stands on this one, as deep as one mount allows. */
        snprintf(path, sizeof path, "%s:%s", upper, lower);
        if (strlen(path) < 3000)
            snprintf(lower, sizeof lower, "%s", path);
    }
    return 0;
}
