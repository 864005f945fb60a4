// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The probes of Ocellus: where each attaches and what it hands on. For each tracepoint there are
 * four programs with the same body: one for tp_btf; two for raw_tp, of which the loader attaches
 * one where tp_btf is refused; and one by kprobe. Where one may be passed by, several of them are
 * attached (marks.h). Changes of credentials, session and process group have no tracepoint, so
 * there the ways differ.
 */
#include "exec.h"
#include "ids.h"
#include "maps.h"
#include "marks.h"
#include "path.h"
#include "task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The number of the running thread. */
static __always_inline oc_u32 oc_tid(void)
{
	return bpf_get_current_pid_tgid();
}

/* A process, and no thread of one nor a kernel thread. */
static __always_inline int oc_is_process(struct task_struct *task)
{
	return oc_get(task, tgid) == oc_get(task, pid) && !(oc_get(task, flags) & PF_KTHREAD);
}

/* A new process, before it first runs. */
static __always_inline void oc_fork(struct task_struct *child)
{
	struct oc_scratch *s;
	oc_u32 slot = 0;

	if (!oc_is_process(child))
		return;
	s = oc_take_slot(OC_FORK, &slot);
	if (!s)
		return;
	oc_begin(&s->fixed, OC_FORK, child);
	s->end = sizeof(struct oc_record);
	s->fixed.task.tid = s->fixed.task.pid;
	oc_put_cwd(s, child);
	oc_put_cgroup(s, child);
	oc_emit(s, OC_FORK);
	oc_give_slot(&slot);
}

/*
 * What wait(2) reports. The signal structure has it when the whole group was told to exit, else
 * the leader's own code counts, whichever thread is the last.
 */
static __always_inline oc_u32 oc_exit_status(struct task_struct *task)
{
	struct signal_struct *signal = oc_get(task, signal);

	if (oc_get(signal, flags) & SIGNAL_GROUP_EXIT)
		return oc_get(signal, group_exit_code);
	return oc_get(oc_get(task, group_leader), exit_code);
}

/*
 * Processes that ended last, for kernels before 6.16: two threads that exit at the same time may
 * both find that no thread is left. The older entries give way to newer ones.
 */
struct oc_ended {
	oc_u64 start_ns;
	oc_u64 pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct oc_ended);
	__type(value, oc_u8);
} ended SEC(".maps");

/* True for the first thread that asks for its process. */
static __always_inline int oc_ends_first(struct task_struct *task)
{
	struct oc_ended key = {
		.start_ns = oc_get(oc_get(task, group_leader), start_boottime),
		.pid = oc_get(task, tgid),
	};
	oc_u8 value = 1;

	return bpf_map_update_elem(&ended, &key, &value, BPF_NOEXIST) != -EEXIST;
}

/*
 * True when no thread of the group is left. Since 6.16 the tracepoint says so. Before, the count
 * of live threads does.
 */
static __always_inline int oc_is_last_exit(oc_u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	if (oc_get(task, flags) & PF_KTHREAD)
		return 0;
	if (oc_has(struct trace_event_raw_sched_process_exit, group_dead))
		return ctx[1] & 0xff;
	return oc_get(oc_get(task, signal), live.counter) == 0 && oc_ends_first(task);
}

/* The last thread of a process is about to go. Without spans, so no slot is needed. */
static __always_inline void oc_exit(oc_u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct oc_record *r;

	if (!oc_is_last_exit(ctx))
		return;
	r = oc_reserve(OC_EXIT, task);
	if (!r)
		return;
	r->exit_status = oc_exit_status(task);
	bpf_ringbuf_submit(r, 0);
}

static __always_inline int oc_on_fork(oc_u64 *ctx, enum oc_place place)
{
	struct task_struct *child = (void *)ctx[1];

	OC_ONCE(OC_FORK, oc_tid(), oc_get(child, start_boottime), place, oc_fork(child));
	return 0;
}

static __always_inline int oc_on_exec(oc_u64 *ctx, enum oc_place place)
{
	struct task_struct *task = (void *)ctx[0];

	OC_ONCE(OC_EXEC, oc_tid(), oc_get(task, start_boottime) + oc_get(task, self_exec_id), place,
		oc_exec(task, ctx[1], (void *)ctx[2]));
	return 0;
}

static __always_inline int oc_on_exit(oc_u64 *ctx, enum oc_place place)
{
	struct task_struct *task = bpf_get_current_task();

	/* A thread that executes takes over number and start time of the leader that it ended. */
	OC_ONCE(OC_EXIT, oc_tid(), oc_get(task, start_boottime) + (oc_u64)task, place,
		oc_exit(ctx));
	return 0;
}

static __always_inline int oc_on_name(oc_u64 *ctx, enum oc_place place)
{
	struct task_struct *task = (void *)ctx[0];
	struct oc_names names = {};

	oc_read_names(&names, task, (void *)ctx[1]);
	OC_ONCE(OC_NAME, oc_get(task, pid), oc_names_event(&names, task), place,
		oc_name(task, &names));
	return 0;
}

/* The credentials before are still there, so the next ones are elsewhere. */
static __always_inline int oc_on_creds(oc_u64 next, enum oc_place place)
{
	struct task_struct *task = bpf_get_current_task();

	OC_ONCE(OC_IDS, oc_tid(), oc_get(task, start_boottime) + next, place,
		oc_creds((void *)next));
	return 0;
}

#define OC_PROGRAM(section, name, body, place) \
	SEC(section) int name(oc_u64 *ctx) { return body(ctx, place); }

/* On the function that calls the probes of a tracepoint, whose first argument is theirs. */
#define OC_KPROBE(tracepoint, name, body)                                                     \
	SEC("kprobe/__traceiter_" #tracepoint) int name(struct pt_regs *regs)                 \
	{                                                                                     \
		oc_u64 ctx[3] = {oc_argument(regs, 1), oc_argument(regs, 2),                  \
				 oc_argument(regs, 3)};                                       \
		return body(ctx, OC_FIRST);                                                   \
	}

/* Each tracepoint's programs. */
#define OC_PROGRAMS(tracepoint, name, body)                                                   \
	OC_KPROBE(tracepoint, oc_##name##_kprobe, body)                                       \
	OC_PROGRAM("tp_btf/" #tracepoint, oc_##name##_btf, body, OC_SECOND)                   \
	OC_PROGRAM("raw_tp/" #tracepoint, oc_##name##_raw, body, OC_SPARE)                    \
	OC_PROGRAM("raw_tp/" #tracepoint, oc_##name##_raw2, body, OC_SPARE)

OC_PROGRAMS(sched_process_fork, fork, oc_on_fork)
OC_PROGRAMS(sched_process_exec, exec, oc_on_exec)
OC_PROGRAMS(sched_process_exit, exit, oc_on_exit)
OC_PROGRAMS(task_rename, name, oc_on_name)

/* Of two probes of a function, the kernel runs the one by kprobe first. */
SEC("kprobe/commit_creds")
int oc_creds_kprobe(struct pt_regs *regs)
{
	return oc_on_creds(oc_argument(regs, 0), OC_FIRST);
}

SEC("fentry/commit_creds")
int oc_creds_fentry(oc_u64 *ctx)
{
	oc_u64 next = 0;

	/* As a number: the verifier knows the argument as an address, which cannot be added to. */
	bpf_probe_read_kernel(&next, sizeof(next), ctx);
	return oc_on_creds(next, OC_SECOND);
}

/* change_pid(task, type, pid) until 6.15; since 6.16 a list of what to free comes first. */
SEC("fentry/change_pid")
int oc_pids_fentry3(oc_u64 *ctx)
{
	oc_pids((void *)ctx[0], ctx[1], (void *)ctx[2]);
	return 0;
}

SEC("fentry/change_pid")
int oc_pids_fentry4(oc_u64 *ctx)
{
	oc_pids((void *)ctx[1], ctx[2], (void *)ctx[3]);
	return 0;
}

/* A kprobe knows no types: what looks like a type of a pid is one, as no address is that low. */
SEC("kprobe/change_pid")
int oc_pids_kprobe(struct pt_regs *regs)
{
	oc_u64 second = oc_argument(regs, 1);

	if (second <= PIDTYPE_SID)
		oc_pids((void *)oc_argument(regs, 0), second, (void *)oc_argument(regs, 2));
	else
		oc_pids((void *)second, oc_argument(regs, 2), (void *)oc_argument(regs, 3));
	return 0;
}

/*
 * Where functions cannot be probed. The filter of a socket of the process connector runs in the
 * process that changed its ids, and lets no message in.
 */
SEC("socket")
int oc_ids_connector(void *skb)
{
	oc_connector(skb);
	return 0;
}

/* The same, and more, for a price that each system call of the host pays. */
SEC("raw_tp/sys_exit")
int oc_ids_syscall(oc_u64 *ctx)
{
	oc_syscall((void *)ctx[0], ctx[1]);
	return 0;
}

/* `out` is zeroed. */
static __noinline void oc_fill_start(struct oc_task_start *out, struct task_struct *task)
{
	struct task_struct *parent = oc_get(task, real_parent);

	out->start_ns = oc_get(task, start_boottime);
	out->parent_start_ns = oc_get(oc_get(parent, group_leader), start_boottime);
	out->pid = oc_get(task, tgid);
	out->ppid = oc_get(parent, tgid);
	if (oc_get(task, flags) & PF_KTHREAD)
		out->flags = OC_F_KTHREAD;
}

/* Lists the processes there are, with start times as exact as those in the records. */
SEC("iter/task")
int oc_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct oc_task_start entry = {};

	if (!task || oc_get(task, tgid) != oc_get(task, pid))
		return 0;
	oc_fill_start(&entry, task);
	bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
	return 0;
}
