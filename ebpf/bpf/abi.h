/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The record that a probe hands to user space. One layout for every kind: a
 * fixed part, then the bytes of six spans, one after the other in span order,
 * without padding. Little and big endian alike: native byte order.
 *
 * Guarded three times: the _Static_asserts below, const assertions in
 * ebpf/src/abi.rs, and a test that compares the object's BTF with that mirror.
 * Change a field here and OC_ABI_VERSION goes up.
 */
#ifndef OCELLUS_ABI_H
#define OCELLUS_ABI_H

typedef unsigned char oc_u8;
typedef unsigned short oc_u16;
typedef unsigned int oc_u32;
typedef unsigned long long oc_u64;

#define OC_ABI_VERSION 1

/* oc_head.kind */
enum oc_kind {
	OC_FORK = 1,		/* a new thread group; the record describes the child */
	OC_EXEC = 2,		/* a thread group replaced its image */
	OC_EXIT = 3,		/* the last thread of a group is gone */
	OC_IDS = 4,		/* a thread's credentials, or the session, changed; the record has
				 * what came of it */
	OC_NAME = 5,		/* a process has another name (comm), and not by an exec */
	OC_PGID = 6,		/* a process moved to another process group */
	OC_KIND_COUNT,		/* must be last of what probes send */

	/* Made by user space in the same form: a process that ran before the sensor did. */
	OC_EXISTING = 64
};

/* Why a record was lost in the kernel; index of the counters in map "lost". */
enum oc_lost {
	OC_LOST_RING_FULL = 0,	/* the ring had no room */
	OC_LOST_NO_SCRATCH = 1,	/* no free scratch slot to build the record in */
	OC_LOST_PREEMPTED = 2,	/* the kernel did not run the probe (marks.h). It counts these
				 * itself; in the map is how many the spare probes saw instead. */
	OC_LOST_MISSED = 3,	/* the kernel did not run the probe, as another one of its kind
				 * was at work on that CPU (kprobes only) */
	OC_LOST_COUNT		/* must be last */
};

/* One more index of map "lost": what programs in the second place saw (marks.h). */
#define OC_SEEN_SECOND OC_LOST_COUNT

/* oc_head.flags */
#define OC_F_KTHREAD	 (1u << 0)	/* PF_KTHREAD is set (oc_task_start only: kernel
					 * threads make no records, and exec clears it) */
#define OC_F_THREAD_EXEC (1u << 1)	/* exec by a thread that was not the leader */
#define OC_F_ARGS_FAULT	 (1u << 2)	/* part of argv could not be read */
#define OC_F_ENV_FAULT	 (1u << 3)	/* part of the environment could not be read */
#define OC_F_TICKS	 (1u << 4)	/* start times have clock-tick precision (from /proc) */
#define OC_F_SECURE_EXEC (1u << 5)	/* exec: the file gave rights that the caller had not, or a
					 * security module asked for the same care (AT_SECURE) */
/* The span (an enum oc_span_id) is not from the kernel at that moment: user space read it from
 * /proc afterwards, or could not find it out and left it empty. */
#define OC_F_INFERRED(span) (1u << (8 + (span)))

struct oc_head {
	oc_u32 size;		/* bytes of the whole record, spans included */
	oc_u16 kind;		/* enum oc_kind */
	oc_u16 version;		/* OC_ABI_VERSION */
	oc_u64 time_ns;		/* CLOCK_BOOTTIME when the probe ran */
	oc_u32 cpu;
	oc_u32 flags;		/* OC_F_* */
};

/* Numbers are those of the initial namespaces unless said otherwise. */
struct oc_task {
	oc_u64 start_ns;	/* group_leader->start_boottime */
	oc_u64 parent_start_ns;	/* the same of real_parent's group leader */
	oc_u64 cap_effective;
	oc_u64 cap_permitted;
	oc_u64 cap_inheritable;
	oc_u64 cap_bounding;
	oc_u64 cap_ambient;
	oc_u32 pid;		/* tgid */
	oc_u32 tid;		/* the thread that ran the probe (fork: the child's;
				 * exec: its number before the exec; ids: the one whose
				 * credentials these are; name, pgid: the process's own) */
	oc_u32 ppid;		/* real_parent->tgid */
	oc_u32 pgid;
	oc_u32 sid;
	oc_u32 vpid;		/* tgid in the process's own pid namespace */
	oc_u32 uid;
	oc_u32 euid;
	oc_u32 suid;
	oc_u32 fsuid;
	oc_u32 gid;
	oc_u32 egid;
	oc_u32 sgid;
	oc_u32 fsgid;
	oc_u32 tty_major;	/* 0, 0: no controlling terminal */
	oc_u32 tty_minor;
	oc_u32 ns_cgroup;	/* inode numbers of namespaces; 0: not known */
	oc_u32 ns_ipc;
	oc_u32 ns_mnt;
	oc_u32 ns_net;
	oc_u32 ns_pid;
	oc_u32 ns_time;
	oc_u32 ns_user;
	oc_u32 ns_uts;
	oc_u8 comm[16];		/* NUL-padded */
};

/* oc_file.flags */
#define OC_FILE_MEMFD	 (1u << 0)	/* lives in the kernel's internal shm mount */
#define OC_FILE_DELETED	 (1u << 1)	/* no name left: nlink is 0, or its name was
					 * removed; a memfd never had one and counts */
#define OC_FILE_UPPER	 (1u << 2)	/* in the upper layer of an overlay */
#define OC_FILE_OVERLAY	 (1u << 3)	/* on an overlay */

/* The executable, as the kernel had it at exec. All zero in other kinds. */
struct oc_file {
	oc_u64 inode;
	oc_u64 size;
	oc_u64 mtime_ns;	/* since the epoch */
	oc_u64 ctime_ns;
	oc_u32 dev_major;
	oc_u32 dev_minor;
	oc_u32 nlink;
	oc_u32 mode;
	oc_u32 uid;
	oc_u32 gid;
	oc_u32 flags;		/* OC_FILE_* */
	oc_u32 pad;
};

/* Spans, in the order of their bytes. */
enum oc_span_id {
	OC_SPAN_EXE = 0,	/* absolute path of the executable, from the task's root */
	OC_SPAN_FILENAME = 1,	/* what was passed to exec; a script's own path */
	OC_SPAN_CWD = 2,
	OC_SPAN_CGROUP = 3,	/* of the pids controller on a system with version 1 unless
				 * that is "/", else of the unified hierarchy */
	OC_SPAN_ARGS = 4,	/* argv, each argument ended by NUL */
	OC_SPAN_ENV = 5,	/* only when configured; same form */
	OC_SPAN_COUNT
};

struct oc_span {
	oc_u32 len;		/* bytes in this record */
	oc_u32 full;		/* bytes that there were; more than len: truncated.
				 * A path that lost leading components has full = len + 1
				 * and does not start with '/'. So does the exe of a memfd,
				 * "memfd:NAME", but with full = len. */
};

struct oc_record {
	struct oc_head head;
	struct oc_task task;
	struct oc_file file;
	oc_u32 exit_status;	/* as wait(2) has it: code << 8 | core << 7 | signal */
	oc_u32 argc;		/* true counts, whatever was read (exec) */
	oc_u32 envc;
	oc_u32 pad;
	struct oc_span span[OC_SPAN_COUNT];
	/* span bytes follow */
};

_Static_assert(sizeof(struct oc_head) == 24, "oc_head");
_Static_assert(sizeof(struct oc_task) == 168, "oc_task");
_Static_assert(sizeof(struct oc_file) == 64, "oc_file");
_Static_assert(sizeof(struct oc_record) == 320, "oc_record");

/* What the task iterator writes for each thread group leader. */
struct oc_task_start {
	oc_u64 start_ns;	/* as in struct oc_task */
	oc_u64 parent_start_ns;
	oc_u32 pid;
	oc_u32 ppid;
	oc_u32 flags;		/* OC_F_KTHREAD */
	oc_u32 pad;
};

_Static_assert(sizeof(struct oc_task_start) == 32, "oc_task_start");

/* What the loader sets before the object is loaded (.rodata). */
struct oc_config {
	oc_u32 args_max;	/* bytes of argv copied at most */
	oc_u32 env_max;		/* bytes of the environment copied at most; 0: none */
	oc_u32 spares;		/* bits of kinds of which several programs tell (marks.h) */
};

#endif
