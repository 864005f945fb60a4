/* What the scenarios' processes do: one program with a command for each. */
#ifndef OCELLUS_WORKLOAD_H
#define OCELLUS_WORKLOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <sys/types.h>

/* The status of a command that could not do what it is for. */
#define STATUS_FAILED 99

/* A command. Its arguments begin at argv[0]; it returns the status to exit with. */
struct command {
	const char *name;
	int arguments_min;
	int (*run)(int argc, char **argv);
};

/* Each list ends with a command without a name. */
extern const struct command birth_commands[];
extern const struct command exec_commands[];
extern const struct command thread_commands[];
extern const struct command end_commands[];
extern const struct command id_commands[];
extern const struct command session_commands[];
extern const struct command namespace_commands[];
extern const struct command load_commands[];

/* Says why and exits with STATUS_FAILED. errno is of the call that failed. */
void fail(const char *what) __attribute__((noreturn));
/* Fails if a call gave -1, else returns what it gave. */
long must(long result, const char *what);
/* Tells the test a fact, as a line KEY=NUMBER on standard output. */
void report(const char *key, long number);
/* Waits until the test closes our standard input. */
void hold(void);
/*
 * Waits for the end of a child, -1: of any, and returns its status, as wait(2) has it. Fails if
 * the child failed.
 */
int reap(pid_t child);
/* Runs a program, and fails if that fails. */
void run(const char *path, char **argv) __attribute__((noreturn));
/* fork, and fails if that fails. */
pid_t forked(void);
/* clone3 with these flags; what `set_tid` names, unless 0, becomes the child's number. */
pid_t cloned(uint64_t flags, pid_t set_tid);
/* Copies a file to an open descriptor. */
void copy_to(int to, const char *from);

#endif
