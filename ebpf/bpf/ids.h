/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changes of what a process is allowed and where it belongs: credentials, session, process group,
 * name. The records have no spans: they are built in the ring.
 *
 * Credentials belong to threads in Linux, and a C library that changes those of a process makes
 * each thread change its own. Each of these is a record; user space tells of the first, and the
 * others tell nothing new.
 */
#ifndef OCELLUS_IDS_H
#define OCELLUS_IDS_H

#include "maps.h"
#include "task.h"

/* A record of `kind` about `task`, in the ring; NULL when there is no room, which is counted. */
static __always_inline struct oc_record *oc_reserve(oc_u32 kind, struct task_struct *task)
{
	struct oc_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		oc_count_lost(OC_LOST_RING_FULL, kind);
		return 0;
	}
	oc_begin(r, kind, task);
	r->task.tid = oc_get(task, pid);
	return r;
}

/* An exec tells by its own record what becomes of credentials and name. */
static __always_inline int oc_in_exec(struct task_struct *task)
{
	return oc_has(struct task_struct, in_execve) && oc_get_bits(task, in_execve);
}

/*
 * Zero when both are the same. The compiler would make a branch of each, and the verifier look at
 * each combination of them: 200,000 instructions instead of 2,000.
 */
#define OC_XOR(a, b)                \
	({                          \
		oc_u64 x_ = (a) ^ (b); \
		oc_forget(x_);      \
		x_;                 \
	})
#define OC_DIFFER(a, b, field) OC_XOR(oc_get(a, field), oc_get(b, field))
#define OC_CAPS_DIFFER(a, b, field) OC_XOR(oc_caps(&(a)->field), oc_caps(&(b)->field))

static __noinline int oc_creds_differ(struct cred *a, struct cred *b)
{
	oc_u64 ids = OC_DIFFER(a, b, uid.val) | OC_DIFFER(a, b, gid.val) |
		     OC_DIFFER(a, b, suid.val) | OC_DIFFER(a, b, sgid.val) |
		     OC_DIFFER(a, b, euid.val) | OC_DIFFER(a, b, egid.val) |
		     OC_DIFFER(a, b, fsuid.val) | OC_DIFFER(a, b, fsgid.val);
	oc_u64 sets = OC_CAPS_DIFFER(a, b, cap_inheritable) |
		      OC_CAPS_DIFFER(a, b, cap_permitted) | OC_CAPS_DIFFER(a, b, cap_effective) |
		      OC_CAPS_DIFFER(a, b, cap_bset) | OC_CAPS_DIFFER(a, b, cap_ambient);

	return (ids | sets) != 0;
}

/* The running thread is about to get `next`: nothing can go wrong any more. */
static __always_inline void oc_creds(struct cred *next)
{
	struct task_struct *task = bpf_get_current_task();
	struct oc_record *r;

	if ((oc_get(task, flags) & PF_KTHREAD) || oc_in_exec(task) ||
	    !oc_creds_differ(oc_get(task, real_cred), next))
		return;
	r = oc_reserve(OC_IDS, task);
	if (!r)
		return;
	oc_fill_creds(&r->task, next);
	bpf_ringbuf_submit(r, 0);
}

/* The same, told after the change. User space finds out what changed, if anything did. */
static __always_inline void oc_changed(oc_u32 kind)
{
	struct task_struct *task = bpf_get_current_task();
	struct oc_record *r;

	if ((oc_get(task, flags) & PF_KTHREAD) || oc_in_exec(task))
		return;
	r = oc_reserve(kind, task);
	if (r)
		bpf_ringbuf_submit(r, 0);
}

/*
 * `leader` is about to move to the session or process group (by `type`) that `next` names.
 * setsid(2) does first the one, then the other, and is one record: who leads a session changes
 * groups in no other way.
 */
static __always_inline void oc_pids(struct task_struct *leader, oc_u32 type, struct pid *next)
{
	struct signal_struct *signal = oc_get(leader, signal);
	oc_u32 number = oc_get(next, numbers[0].nr);
	oc_u32 tgid = oc_get(leader, tgid);
	int leads = oc_pid_number(signal, PIDTYPE_SID) == tgid;
	int is_session = type == PIDTYPE_SID;
	struct oc_record *r;

	if (!is_session && (type != PIDTYPE_PGID || leads ||
			    oc_pid_number(signal, PIDTYPE_PGID) == number))
		return;
	r = oc_reserve(is_session ? OC_IDS : OC_PGID, leader);
	if (!r)
		return;
	r->task.pgid = number;
	if (is_session) {
		r->task.sid = number;
		r->task.tty_major = 0;
		r->task.tty_minor = 0;
	}
	bpf_ringbuf_submit(r, 0);
}

/* A name before and after a change, padded with NUL. */
struct oc_names {
	oc_u64 now[2];
	oc_u64 then[2];
};

/* `names` is zeroed. */
static __always_inline void oc_read_names(struct oc_names *names, struct task_struct *task,
					  const char *next)
{
	bpf_probe_read_kernel_str(names->now, sizeof(names->now), &task->comm);
	bpf_probe_read_kernel_str(names->then, sizeof(names->then), next);
}

/*
 * A number for marks.h: the same change does not come twice in a row, but for an exec, which goes
 * back to a name, and for a name that stays as it is, which makes no record. The factor is any
 * large odd number.
 */
static __always_inline oc_u64 oc_names_event(struct oc_names *names, struct task_struct *task)
{
	const oc_u64 factor = 0x9e3779b97f4a7c15;
	oc_u64 sum = (names->now[0] * factor + names->now[1]) * factor;

	sum = ((sum + names->then[0]) * factor + names->then[1]) * factor;
	return sum + oc_get(task, start_boottime) + oc_get(task, self_exec_id);
}

/* `task` is about to change its name. A thread's own name is not that of the process. */
static __always_inline void oc_name(struct task_struct *task, struct oc_names *names)
{
	struct oc_record *r;

	if (oc_get(task, tgid) != oc_get(task, pid) || (oc_get(task, flags) & PF_KTHREAD) ||
	    oc_in_exec(task))
		return;
	if (names->now[0] == names->then[0] && names->now[1] == names->then[1])
		return;
	r = oc_reserve(OC_NAME, task);
	if (!r)
		return;
	__builtin_memcpy(r->task.comm, names->then, sizeof(names->then));
	bpf_ringbuf_submit(r, 0);
}

/* Argument `n`, up to 3, of the function that a kprobe is on. */
static __always_inline oc_u64 oc_argument(struct pt_regs *regs, int n)
{
	struct pt_regs___x86 *x86 = (void *)regs;
	struct pt_regs___arm64 *arm64 = (void *)regs;

	if (oc_has(struct pt_regs___x86, di))
		return n == 0   ? oc_get(x86, di)
		       : n == 1 ? oc_get(x86, si)
		       : n == 2 ? oc_get(x86, dx)
				: oc_get(x86, cx);
	if (oc_has(struct pt_regs___arm64, regs))
		return n == 0   ? oc_get(arm64, regs[0])
		       : n == 1 ? oc_get(arm64, regs[1])
		       : n == 2 ? oc_get(arm64, regs[2])
				: oc_get(arm64, regs[3]);
	return 0;
}

/*
 * System calls that change credentials, session or process group, as bits of the two words from
 * number 64 on. Of 32-bit programs only the change that comes with a 64-bit number is seen.
 */
#define OC_CALL(number) (1ULL << ((number) & 63))
#define OC_CALLS_FROM 64

/* x86: setpgid, setuid, setgid, setsid, setreuid, setregid, setresuid, setresgid, setfsuid,
 * setfsgid, capset. */
#define OC_CALLS_X86                                                                          \
	(OC_CALL(109) | OC_CALL(105) | OC_CALL(106) | OC_CALL(112) | OC_CALL(113) |           \
	 OC_CALL(114) | OC_CALL(117) | OC_CALL(119) | OC_CALL(122) | OC_CALL(123) |           \
	 OC_CALL(126))
#define OC_SETPGID_X86 109

/* arm64: capset from the first word; the others, in the order of their numbers, from the second. */
#define OC_CALLS_ARM64_1 OC_CALL(91)
#define OC_CALLS_ARM64_2                                                                      \
	(OC_CALL(143) | OC_CALL(144) | OC_CALL(145) | OC_CALL(146) | OC_CALL(147) |           \
	 OC_CALL(149) | OC_CALL(151) | OC_CALL(152) | OC_CALL(154) | OC_CALL(157))
#define OC_SETPGID_ARM64 154

/* A system call returned `result`. Of setpgid(2) only what the process does to itself is seen. */
static __always_inline void oc_syscall(struct pt_regs *regs, long result)
{
	struct pt_regs___x86 *x86 = (void *)regs;
	struct pt_regs___arm64 *arm64 = (void *)regs;
	oc_u64 number, calls[2] = {OC_CALLS_X86, 0};
	oc_u64 setpgid = OC_SETPGID_X86;

	if (oc_has(struct pt_regs___x86, orig_ax)) {
		number = oc_get(x86, orig_ax);
	} else if (oc_has(struct pt_regs___arm64, syscallno)) {
		number = oc_get(arm64, syscallno);
		calls[0] = OC_CALLS_ARM64_1;
		calls[1] = OC_CALLS_ARM64_2;
		setpgid = OC_SETPGID_ARM64;
	} else {
		return;
	}
	number -= OC_CALLS_FROM;
	if (result < 0 || number >= 128 ||
	    !((number < 64 ? calls[0] : calls[1]) & OC_CALL(number)))
		return;
	oc_changed(number + OC_CALLS_FROM == setpgid ? OC_PGID : OC_IDS);
}

/* What the kernel's process connector sends: the message follows two headers (linux/cn_proc.h). */
#define OC_CN_WHAT 36
#define OC_CN_UID 0x4
#define OC_CN_GID 0x40
#define OC_CN_SID 0x80

/* The running process told the connector of something. */
static __always_inline void oc_connector(void *skb)
{
	oc_u32 what = 0;

	if (bpf_skb_load_bytes(skb, OC_CN_WHAT, &what, sizeof(what)))
		return;
	if (what == OC_CN_UID || what == OC_CN_GID || what == OC_CN_SID)
		oc_changed(OC_IDS);
}

#endif
