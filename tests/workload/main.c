/* The dispatcher, and what the commands share. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void fail(const char *what)
{
	fprintf(stderr, "workload: %s: %s\n", what, strerror(errno));
	_exit(STATUS_FAILED);
}

long must(long result, const char *what)
{
	if (result == -1)
		fail(what);
	return result;
}

void report(const char *key, long number)
{
	/* By write(2): no buffer that a child would inherit and write again. */
	dprintf(STDOUT_FILENO, "%s=%ld\n", key, number);
}

void hold(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1)
		;
}

int reap(pid_t child)
{
	int status;

	must(waitpid(child, &status, __WALL), "waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_FAILED)
		_exit(STATUS_FAILED);
	return status;
}

void run(const char *path, char **argv)
{
	extern char **environ;

	execve(path, argv, environ);
	fail(path);
}

pid_t forked(void)
{
	return must(fork(), "fork");
}

pid_t cloned(uint64_t flags, pid_t set_tid)
{
	struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};

	if (set_tid) {
		args.set_tid = (uintptr_t)&set_tid;
		args.set_tid_size = 1;
	}
	/* With CLONE_PARENT the signal is that of the parent; the kernel refuses another. */
	if (flags & CLONE_PARENT)
		args.exit_signal = 0;
	return syscall(SYS_clone3, &args, sizeof(args));
}

void copy_to(int to, const char *from)
{
	char buffer[65536];
	int source = must(open(from, O_RDONLY | O_CLOEXEC), from);
	ssize_t len;

	while ((len = must(read(source, buffer, sizeof(buffer)), from)) > 0)
		if (write(to, buffer, len) != len)
			fail("write a copy");
	close(source);
}

int main(int argc, char **argv)
{
	const struct command *lists[] = {birth_commands,  exec_commands, thread_commands,
					 end_commands,    id_commands,   session_commands,
					 namespace_commands, load_commands};

	for (size_t i = 0; argc > 1 && i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct command *command = lists[i]; command->name; command++)
			if (!strcmp(command->name, argv[1]) && argc - 2 >= command->arguments_min)
				return command->run(argc - 2, argv + 2);
	fprintf(stderr, "workload: no command %s with so few arguments\n", argc > 1 ? argv[1] : "");
	return STATUS_FAILED;
}
