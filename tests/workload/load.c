/* A load of processes, one after the other, for whoever measures what a sensor costs. */
#include "workload.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long now_ns(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_MONOTONIC, &now), "clock_gettime");
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

/*
 * COUNT [PROGRAM ARG...]: so many children by fork, each of which executes the program, or just
 * ends. Tells how long all of that took.
 */
static int load(int argc, char **argv)
{
	int count = atoi(argv[0]);
	long begin = now_ns();

	for (int i = 0; i < count; i++) {
		pid_t child = forked();

		if (!child && argc > 1)
			run(argv[1], argv + 1);
		if (!child)
			_exit(0);
		reap(child);
	}
	report("ns", now_ns() - begin);
	return 0;
}

const struct command load_commands[] = {
	{"load", 1, load},
	{0},
};
