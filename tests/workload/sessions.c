/* Sessions, process groups, terminals and orphans. */
#include "workload.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between two looks at who our parent is. */
#define LOOK_US 1000

static int new_session(int argc, char **argv)
{
	(void)argc;
	must(setsid(), "setsid");
	run(argv[0], argv);
}

/* PROGRAM: a child in a group of its own, and another that joins it. */
static int new_group(int argc, char **argv)
{
	pid_t leader = forked(), member;

	(void)argc;
	if (!leader) {
		must(setpgid(0, 0), "setpgid");
		run(argv[0], argv);
	}
	setpgid(leader, leader);
	member = forked();
	if (!member) {
		must(setpgid(0, leader), "setpgid");
		run(argv[0], argv);
	}
	report("leader", leader);
	report("member", member);
	reap(member);
	reap(leader);
	return 0;
}

/* PROGRAM ARG... as the leader of a session on a new terminal; what we read goes to it. */
static int on_terminal(int argc, char **argv)
{
	int master = must(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "posix_openpt");
	struct stat slave;
	char end_of_file = 4;
	pid_t child;

	(void)argc;
	must(grantpt(master), "grantpt");
	must(unlockpt(master), "unlockpt");
	child = forked();
	if (!child) {
		int fd;

		must(setsid(), "setsid");
		fd = must(open(ptsname(master), O_RDWR), "the terminal");
		must(ioctl(fd, TIOCSCTTY, 0), "TIOCSCTTY");
		must(dup2(fd, STDIN_FILENO), "dup2");
		run(argv[0], argv);
	}
	must(stat(ptsname(master), &slave), "the terminal");
	report("child", child);
	report("major", major(slave.st_rdev));
	report("minor", minor(slave.st_rdev));
	hold();
	must(write(master, &end_of_file, 1), "write to the terminal");
	reap(child);
	return 0;
}

/*
 * The second fork of a daemon: its parent, which leads a session, ends at once, and PROGRAM runs
 * when that is so.
 */
static void become_daemon(char **argv)
{
	pid_t middle = forked(), leader, daemon;

	if (middle) {
		report("middle", middle);
		reap(middle);
		return;
	}
	must(setsid(), "setsid");
	leader = getpid();
	daemon = forked();
	if (daemon) {
		report("daemon", daemon);
		_exit(0);
	}
	while (getppid() == leader)
		usleep(LOOK_US);
	report("adopted_by", getppid());
	run(argv[0], argv);
}

static int daemonize(int argc, char **argv)
{
	(void)argc;
	become_daemon(argv);
	return 0;
}

static int adopt_daemon(int argc, char **argv)
{
	int status;

	(void)argc;
	must(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
	become_daemon(argv);
	must(wait(&status), "wait for the daemon");
	return 0;
}

const struct command session_commands[] = {
	{"new-session", 1, new_session},
	{"new-group", 1, new_group},
	{"on-terminal", 1, on_terminal},
	{"daemonize", 1, daemonize},
	{"adopt-daemon", 1, adopt_daemon},
	{0},
};
