/* Ways to execute a program, and to be executed. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static int exec_at(int fd, const char *path, char **argv, int flags)
{
	return syscall(SYS_execveat, fd, path, argv, environ, flags);
}

/* PATH ARGV0 ARG...: tells the error if it fails. */
static int exec(int argc, char **argv)
{
	(void)argc;
	execve(argv[0], argv + 1, environ);
	report("errno", errno);
	return 0;
}

/* As a shell does it: what is not executable by itself is a script of sh. */
static int exec_like_a_shell(int argc, char **argv)
{
	(void)argc;
	execvp(argv[0], argv);
	report("errno", errno);
	return 0;
}

static int exec_null_argv(int argc, char **argv)
{
	(void)argc;
	syscall(SYS_execve, argv[0], NULL, environ);
	fail(argv[0]);
}

/* FILE ARG...: by its descriptor. */
static int exec_at_empty_path(int argc, char **argv)
{
	int fd = must(open(argv[0], O_PATH), argv[0]);

	(void)argc;
	report("fd", fd);
	exec_at(fd, "", argv, AT_EMPTY_PATH);
	fail("execveat");
}

/* DIRECTORY NAME ARG... */
static int exec_at_directory(int argc, char **argv)
{
	int fd = must(open(argv[0], O_PATH | O_DIRECTORY), argv[0]);

	(void)argc;
	report("fd", fd);
	exec_at(fd, argv[1], argv + 1, 0);
	fail("execveat");
}

/* A script by a descriptor that its interpreter will not have. */
static int exec_cloexec(int argc, char **argv)
{
	int fd = must(open(argv[0], O_RDONLY | O_CLOEXEC), argv[0]);

	(void)argc;
	exec_at(fd, "", argv, AT_EMPTY_PATH);
	report("errno", errno);
	return 0;
}

static int exec_unlinked(int argc, char **argv)
{
	int fd = must(open(argv[0], O_RDONLY | O_CLOEXEC), argv[0]);

	(void)argc;
	must(unlink(argv[0]), argv[0]);
	exec_at(fd, "", argv, AT_EMPTY_PATH);
	fail("execveat");
}

/* FILE NAME ARG...: a copy in memory. */
static int exec_memfd(int argc, char **argv)
{
	int fd = must(memfd_create(argv[1], MFD_CLOEXEC), "memfd_create");

	(void)argc;
	copy_to(fd, argv[0]);
	exec_at(fd, "", argv + 1, AT_EMPTY_PATH);
	fail("execveat");
}

static int exec_self(int argc, char **argv)
{
	char *again[] = {argv[0], "exit", "0", NULL};

	(void)argc;
	run("/proc/self/exe", again);
}

static int change_name(int argc, char **argv)
{
	pid_t child;

	(void)argc;
	must(prctl(PR_SET_NAME, argv[0]), "prctl");
	child = forked();
	if (!child)
		_exit(0);
	report("child", child);
	reap(child);
	return 0;
}

/* The arguments that /proc/self/cmdline shows become others. */
static int overwrite_arguments(int argc, char **argv)
{
	pid_t child;

	for (int i = 0; i < argc; i++)
		memset(argv[i], 'x', strlen(argv[i]));
	child = forked();
	if (!child)
		_exit(0);
	report("child", child);
	reap(child);
	return 0;
}

static int wait_for_the_test(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	hold();
	return 0;
}

/* PROGRAM ARG...: waits, then executes. */
static int wait_then_exec(int argc, char **argv)
{
	(void)argc;
	hold();
	run(argv[0], argv);
}

/* DIRECTORY PROGRAM ARG... */
static int exec_in_deleted_directory(int argc, char **argv)
{
	(void)argc;
	must(chdir(argv[0]), argv[0]);
	must(rmdir(argv[0]), argv[0]);
	run(argv[1], argv + 1);
}

const struct command exec_commands[] = {
	{"exec", 2, exec},
	{"exec-like-a-shell", 1, exec_like_a_shell},
	{"exec-null-argv", 1, exec_null_argv},
	{"exec-at-empty-path", 1, exec_at_empty_path},
	{"exec-at-directory", 2, exec_at_directory},
	{"exec-cloexec", 1, exec_cloexec},
	{"exec-unlinked", 1, exec_unlinked},
	{"exec-memfd", 2, exec_memfd},
	{"exec-self", 1, exec_self},
	{"change-name", 1, change_name},
	{"overwrite-arguments", 1, overwrite_arguments},
	{"wait", 0, wait_for_the_test},
	{"wait-then-exec", 1, wait_then_exec},
	{"exec-in-deleted-directory", 2, exec_in_deleted_directory},
	{0},
};
