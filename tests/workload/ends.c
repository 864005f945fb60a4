/* Ways to end. */
#include "workload.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static int end_by_exit(int argc, char **argv)
{
	(void)argc;
	return atoi(argv[0]);
}

/* SIGNAL CORE: with a core file if CORE is not 0. */
static int end_by_signal(int argc, char **argv)
{
	rlim_t size = atoi(argv[1]) ? RLIM_INFINITY : 0;
	struct rlimit limit = {.rlim_cur = size, .rlim_max = size};

	(void)argc;
	must(setrlimit(RLIMIT_CORE, &limit), "setrlimit");
	signal(atoi(argv[0]), SIG_DFL);
	raise(atoi(argv[0]));
	return STATUS_FAILED;
}

/* The child is dead for as long as the test wants, and not reaped. */
static int zombie(int argc, char **argv)
{
	pid_t child = forked();

	(void)argc;
	(void)argv;
	if (!child)
		_exit(4);
	report("child", child);
	hold();
	reap(child);
	return 0;
}

const struct command end_commands[] = {
	{"exit", 1, end_by_exit},
	{"signal", 2, end_by_signal},
	{"zombie", 0, zombie},
	{0},
};
