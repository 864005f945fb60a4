/* Other roots, mounts and users. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

/* DIRECTORY PROGRAM ARG...: PROGRAM is a path in it. */
static int in_root(int argc, char **argv)
{
	(void)argc;
	must(chroot(argv[0]), argv[0]);
	must(chdir("/"), "/");
	run(argv[1], argv + 1);
}

static void leave_mounts(void)
{
	must(unshare(CLONE_NEWNS), "unshare mounts");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
}

/* DIRECTORY SOURCE NAME ARG...: a copy of SOURCE as NAME on a tmpfs that nobody else sees. */
static int on_private_tmpfs(int argc, char **argv)
{
	int fd;

	(void)argc;
	leave_mounts();
	must(mount("scenario", argv[0], "tmpfs", 0, NULL), "mount a tmpfs");
	must(chdir(argv[0]), argv[0]);
	fd = must(open(argv[2], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755), argv[2]);
	copy_to(fd, argv[1]);
	close(fd);
	run(argv[2], argv + 2);
}

/* OPTIONS DIRECTORY PROGRAM ARG...: PROGRAM is below DIRECTORY, where the overlay is mounted. */
static int on_overlay(int argc, char **argv)
{
	(void)argc;
	leave_mounts();
	if (mount("overlay", argv[1], "overlay", 0, argv[0])) {
		report("errno", errno);
		return 0;
	}
	run(argv[2], argv + 2);
}

static void write_to(const char *path, const char *text)
{
	int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);

	must(dprintf(fd, "%s", text), path);
	close(fd);
}

/* USER PROGRAM ARG...: as root of a user namespace that USER made, and outside still USER. */
static int in_user_namespace(int argc, char **argv)
{
	uid_t user = atoi(argv[0]);
	char map[64];

	(void)argc;
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(user, user, user), "setresgid");
	must(setresuid(user, user, user), "setresuid");
	/* Else /proc/self belongs to root. */
	must(prctl(PR_SET_DUMPABLE, 1), "PR_SET_DUMPABLE");
	if (unshare(CLONE_NEWUSER)) {
		report("errno", errno);
		return 0;
	}
	snprintf(map, sizeof(map), "0 %u 1", user);
	write_to("/proc/self/setgroups", "deny");
	write_to("/proc/self/uid_map", map);
	write_to("/proc/self/gid_map", map);
	run(argv[1], argv + 1);
}

const struct command namespace_commands[] = {
	{"in-root", 2, in_root},
	{"on-private-tmpfs", 3, on_private_tmpfs},
	{"on-overlay", 3, on_overlay},
	{"in-user-namespace", 2, in_user_namespace},
	{0},
};
