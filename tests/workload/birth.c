/* Ways to make a process. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tries to get a pid that another process may take at that moment. */
#define REUSE_TRIES 200

static int fork_only(int argc, char **argv)
{
	pid_t child = forked();

	(void)argc;
	if (!child)
		_exit(atoi(argv[0]));
	report("child", child);
	reap(child);
	return 0;
}

static int vfork_exec(int argc, char **argv)
{
	pid_t child = vfork();

	(void)argc;
	if (!child)
		run(argv[0], argv);
	must(child, "vfork");
	report("child", child);
	reap(child);
	return 0;
}

static int clone3_exit(int argc, char **argv)
{
	pid_t child = must(cloned(0, 0), "clone3");

	(void)argc;
	(void)argv;
	if (!child)
		_exit(0);
	report("child", child);
	reap(child);
	return 0;
}

/* The child that our child makes is our child, too. */
static int clone_parent(int argc, char **argv)
{
	pid_t middle = forked(), child;
	int status;

	(void)argc;
	(void)argv;
	if (!middle) {
		child = must(cloned(CLONE_PARENT, 0), "clone3 with CLONE_PARENT");
		if (child)
			report("child", child);
		_exit(0);
	}
	report("middle", middle);
	must(wait(&status), "wait for the first");
	must(wait(&status), "wait for the second");
	return 0;
}

static int new_pid_namespace(int argc, char **argv)
{
	pid_t child = must(cloned(CLONE_NEWPID, 0), "clone3 with CLONE_NEWPID");

	(void)argc;
	if (!child)
		run(argv[0], argv);
	report("child", child);
	reap(child);
	return 0;
}

/* Two processes, one after the other, with one number. */
static int reuse_pid(int argc, char **argv)
{
	char *first[] = {argv[0], "first", NULL}, *second[] = {argv[0], "second", NULL};
	pid_t child = forked(), again = -1;

	(void)argc;
	if (!child)
		run(argv[0], first);
	reap(child);
	for (int i = 0; i < REUSE_TRIES && again < 0; i++) {
		again = cloned(0, child);
		if (again < 0 && errno != EEXIST)
			fail("clone3 with set_tid");
	}
	must(again, "clone3 with the number of a process that is gone");
	if (!again)
		run(argv[0], second);
	report("child", child);
	reap(again);
	return 0;
}

static void set_last_pid(pid_t pid)
{
	int fd = must(open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC), "ns_last_pid");

	must(dprintf(fd, "%d", pid), "write ns_last_pid");
	close(fd);
}

/* The same by ns_last_pid, in a namespace where nobody else takes a number. */
static int reuse_vpid(int argc, char **argv)
{
	pid_t init = must(cloned(CLONE_NEWPID, 0), "clone3 with CLONE_NEWPID"), first, second;

	(void)argc;
	(void)argv;
	if (init) {
		report("init", init);
		return WEXITSTATUS(reap(init));
	}
	first = forked();
	if (!first)
		_exit(0);
	reap(first);
	set_last_pid(first - 1);
	second = forked();
	if (!second)
		_exit(0);
	reap(second);
	report("first", first);
	report("second", second);
	return 0;
}

/* A child that exits, or runs argv[0] if there is one. */
static __attribute__((noinline)) void vfork_one(char **argv)
{
	pid_t child = vfork();

	if (!child && argv[0])
		run(argv[0], argv);
	if (!child)
		_exit(0);
	reap(must(child, "vfork"));
}

/* COUNT [PROGRAM ARG...] */
static int storm_vfork(int argc, char **argv)
{
	(void)argc;
	for (int i = atoi(argv[0]); i > 0; i--)
		vfork_one(argv + 1);
	return 0;
}

/* COUNT PROGRAM ARG...: so many children that run at the same time. */
static int children(int argc, char **argv)
{
	int count = atoi(argv[0]);

	(void)argc;
	for (int i = 0; i < count; i++)
		if (!forked())
			run(argv[1], argv + 1);
	for (int i = 0; i < count; i++)
		reap(-1);
	return 0;
}

const struct command birth_commands[] = {
	{"children", 2, children},
	{"fork", 1, fork_only},
	{"vfork-exec", 1, vfork_exec},
	{"clone3", 0, clone3_exit},
	{"clone-parent", 0, clone_parent},
	{"new-pid-namespace", 1, new_pid_namespace},
	{"reuse-pid", 1, reuse_pid},
	{"reuse-vpid", 0, reuse_vpid},
	{"storm-vfork", 1, storm_vfork},
	{0},
};
