/* Who a process is. */
#include "workload.h"

#include <endian.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <unistd.h>

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
	extern int capget(cap_user_header_t, cap_user_data_t);
	extern int capset(cap_user_header_t, cap_user_data_t);

	(void)argc;
	must(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0), "PR_CAPBSET_DROP");
	must(capget(&header, data), "capget");
	data[0].inheritable |= 1 << CAP_NET_RAW;
	must(capset(&header, data), "capset");
	must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0), "PR_CAP_AMBIENT");
	run(argv[0], argv);
}

const struct command id_commands[] = {
	{"change-ids", 1, change_ids},
	{"grant-net-raw", 1, grant_net_raw},
	{"ambient", 1, ambient},
	{0},
};
