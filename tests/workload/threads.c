/* Threads: none of them is a process. */
#include "workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Between two looks at a state that another thread changes. */
#define LOOK_US 1000

static void *do_nothing(void *unused)
{
	return unused;
}

static pthread_t start(void *(*body)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, argument))
		fail("pthread_create");
	return thread;
}

static int threads(int argc, char **argv)
{
	int count = atoi(argv[0]);
	pthread_t *all = calloc(count, sizeof(*all));

	(void)argc;
	if (!all)
		fail("calloc");
	for (int i = 0; i < count; i++)
		all[i] = start(do_nothing, NULL);
	for (int i = 0; i < count; i++)
		pthread_join(all[i], NULL);
	return 0;
}

static void *exec_in_thread(void *argument)
{
	char **argv = argument;

	report("tid", syscall(SYS_gettid));
	run(argv[0], argv);
}

static int thread_exec(int argc, char **argv)
{
	(void)argc;
	pthread_join(start(exec_in_thread, argv), NULL);
	return STATUS_FAILED;
}

static void wait_for_the_leaders_end(void)
{
	char path[64], line[256], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", getpid(), getpid());
	while (state != 'Z') {
		FILE *stat = fopen(path, "r");

		if (!stat || !fgets(line, sizeof(line), stat))
			fail(path);
		fclose(stat);
		state = strrchr(line, ')')[2];
		usleep(LOOK_US);
	}
}

/* Outlives the leader, runs a child in that state, and is the last to go. */
static void *outlive(void *argument)
{
	char **argv = argument;
	pid_t child;

	wait_for_the_leaders_end();
	child = forked();
	if (!child)
		run(argv[1], argv + 1);
	report("child", child);
	reap(child);
	if (!strcmp(argv[0], "group"))
		syscall(SYS_exit_group, 5);
	syscall(SYS_exit, 9);
	return NULL;
}

/* group|thread PROGRAM: how the last thread ends, and what it runs before. */
static int leader_exits(int argc, char **argv)
{
	(void)argc;
	start(outlive, argv);
	syscall(SYS_exit, 7);
	return STATUS_FAILED;
}

const struct command thread_commands[] = {
	{"threads", 1, threads},
	{"thread-exec", 1, thread_exec},
	{"leader-exits", 2, leader_exits},
	{0},
};
