/* Who a process is. */
#include "workload.h"

#include <endian.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

extern int capget(cap_user_header_t, cap_user_data_t);
extern int capset(cap_user_header_t, cap_user_data_t);

/* Becomes 1001, 1002, 1003 with groups 2001, 2002, 2003; a child is born so; then PROGRAM runs. */
static int change_ids(int argc, char **argv)
{
	pid_t child;

	(void)argc;
	must(setgroups(0, NULL), "setgroups");
	must(setresgid(2001, 2002, 2003), "setresgid");
	must(setresuid(1001, 1002, 1003), "setresuid");
	child = forked();
	if (!child)
		_exit(0);
	report("child", child);
	reap(child);
	run(argv[0], argv);
}

/* Gives FILE the capability CAP_NET_RAW, permitted and effective. */
static int grant_net_raw(int argc, char **argv)
{
	struct vfs_cap_data data = {
		.magic_etc = htole32(VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE),
		.data[0].permitted = htole32(1 << CAP_NET_RAW),
	};

	(void)argc;
	must(setxattr(argv[0], "security.capability", &data, XATTR_CAPS_SZ_2, 0), argv[0]);
	return 0;
}

/* Raises CAP_NET_RAW to an ambient capability, drops CAP_SYS_TIME from the bounding set, runs. */
static int ambient(int argc, char **argv)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	(void)argc;
	must(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0), "PR_CAPBSET_DROP");
	must(capget(&header, data), "capget");
	data[0].inheritable |= 1 << CAP_NET_RAW;
	must(capset(&header, data), "capset");
	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0), "PR_CAP_AMBIENT");
	run(argv[0], argv);
}

/* Each call of the families, in an order that keeps the right to make the next one. */
static int each_id(int argc, char **argv)
{
	(void)argc, (void)argv;
	must(setgid(2001), "setgid");
	must(setregid(2002, 2003), "setregid");
	must(setresgid(2004, 2005, 2006), "setresgid");
	setfsgid(2007);
	setfsuid(1007);
	must(setreuid(1002, 0), "setreuid");
	must(setresuid(1004, 0, 1006), "setresuid");
	must(setuid(1001), "setuid");
	return 0;
}

/* What changes nothing: the same ids, the same group, the same name, and a refusal. */
static int same_ids(int argc, char **argv)
{
	char name[16];

	(void)argc, (void)argv;
	must(setresuid(1001, 1001, 1001), "setresuid");
	must(setresuid(1001, 1001, 1001), "setresuid");
	must(setuid(1001), "setuid");
	must(setresgid(-1, -1, -1), "setresgid");
	if (setresuid(0, 0, 0) != -1)
		fail("setresuid did not fail");
	must(setpgid(0, 0), "setpgid");
	must(setpgid(0, 0), "setpgid");
	must(prctl(PR_GET_NAME, name), "PR_GET_NAME");
	must(prctl(PR_SET_NAME, name), "PR_SET_NAME");
	return 0;
}

/* A session, in a child; a process group of its own, in another one; a third joins that. */
static int places(int argc, char **argv)
{
	pid_t session, group, other;
	int ready[2];
	char byte;

	(void)argc, (void)argv;
	session = forked();
	if (!session) {
		must(setsid(), "setsid");
		_exit(0);
	}
	report("session", session);
	reap(session);
	must(pipe(ready), "pipe");
	group = forked();
	if (!group) {
		must(setpgid(0, 0), "setpgid");
		must(write(ready[1], "", 1), "write");
		hold();
		_exit(0);
	}
	report("group", group);
	must(read(ready[0], &byte, 1), "read");
	other = forked();
	if (!other) {
		must(read(ready[0], &byte, 1), "read");
		_exit(0);
	}
	report("other", other);
	must(setpgid(other, group), "setpgid");
	must(write(ready[1], "", 1), "write");
	reap(other);
	reap(group);
	return 0;
}

/* Gives CAP_SYS_TIME up, for now: it stays permitted. */
static int lower_capability(int argc, char **argv)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	(void)argc, (void)argv;
	must(capget(&header, data), "capget");
	data[0].effective &= ~(1U << CAP_SYS_TIME);
	must(capset(&header, data), "capset");
	return 0;
}

static void *own_credentials(void *unused)
{
	(void)unused;
	report("thread", syscall(SYS_gettid));
	/* Past the C library, which would tell the other threads. */
	must(syscall(SYS_setresuid, 1001, 1001, 1001), "setresuid");
	return 0;
}

/* One thread changes its credentials, and its alone. */
static int thread_ids(int argc, char **argv)
{
	pthread_t thread;

	(void)argc, (void)argv;
	if (pthread_create(&thread, NULL, own_credentials, NULL) || pthread_join(thread, NULL))
		fail("a thread");
	return 0;
}

static void *wait_for_end(void *unused)
{
	(void)unused;
	pause();
	return 0;
}

/* The C library makes every thread change its credentials. */
static int all_threads_ids(int argc, char **argv)
{
	pthread_t thread;

	(void)argc, (void)argv;
	for (int i = 0; i < 8; i++)
		if (pthread_create(&thread, NULL, wait_for_end, NULL))
			fail("a thread");
	must(setresuid(1001, 1001, 1001), "setresuid");
	_exit(0);
}

static void *own_name(void *unused)
{
	(void)unused;
	must(prctl(PR_SET_NAME, "a thread"), "PR_SET_NAME");
	return 0;
}

/* Two names, one by each way, and that of a thread, which is not the process's. */
static int names(int argc, char **argv)
{
	pthread_t thread;
	int comm;

	(void)argc, (void)argv;
	must(prctl(PR_SET_NAME, "first name"), "PR_SET_NAME");
	if (pthread_create(&thread, NULL, own_name, NULL) || pthread_join(thread, NULL))
		fail("a thread");
	comm = must(open("/proc/self/comm", O_WRONLY | O_CLOEXEC), "comm");
	must(write(comm, "second name", strlen("second name")), "write");
	return 0;
}

const struct command id_commands[] = {
	{"each-id", 0, each_id},
	{"same-ids", 0, same_ids},
	{"places", 0, places},
	{"lower-capability", 0, lower_capability},
	{"thread-ids", 0, thread_ids},
	{"all-threads-ids", 0, all_threads_ids},
	{"names", 0, names},
	{"change-ids", 1, change_ids},
	{"grant-net-raw", 1, grant_net_raw},
	{"ambient", 1, ambient},
	{0},
};
