/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Several probes on one tracepoint or function, so that each event is seen by one of them.
 *
 * The kernel does not run a program on a CPU where a run of the same program is under way. A task
 * may be preempted inside a probe of a function, and since about 7.0 also inside one of a
 * tracepoint; what other tasks do on that CPU until it goes on passes the probe by: 55 of 1,000
 * execs on one busy CPU of Linux 7.3. The kernel counts these (recursion_misses). So there are
 * spare programs, which are called right after the first one in the same task: whoever sees an
 * event leaves a mark, and who finds the mark of an event has nothing to do.
 *
 * The spares of tracepoints are copies. A spare that jumped into the first program (bpf_tail_call)
 * would get round the kernel's guard, on which the kernel relies: since 6.13 a program may have one
 * stack for each CPU, and two runs would share it.
 *
 * Credentials have two programs, one by kprobe and one by fentry. The one by kprobe runs first and
 * is never preempted. It is passed by where a task was preempted in a system call on maps, which is
 * rare and does not keep off the other one. That one alone missed 1,531 of 4,000 changes of eight
 * processes that did little else on two CPUs of Linux 7.3.
 *
 * Some probes need no spares, as they are never passed by: change_pid is called with a lock that
 * only one task has, and filters of sockets are not guarded. The end of system calls has none for
 * the price that each call of the host would pay.
 */
#ifndef OCELLUS_MARKS_H
#define OCELLUS_MARKS_H

#include "maps.h"

/*
 * Marks for each kind. Tasks whose numbers agree modulo this share one: when both are between two
 * programs at the same instant, a record is repeated.
 */
#define OC_MARKS 4096
/* Kinds whose probes have spares: their numbers are below this. */
#define OC_MARKED_KINDS (OC_NAME + 1)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OC_MARKED_KINDS * OC_MARKS);
	__type(key, oc_u32);
	__type(value, oc_u64);
} marks SEC(".maps");

/*
 * True when another program has seen the event; else marks it as seen. `event` is a number that
 * differs from that of the event before, of this kind and in the thread with the number `tid`, and
 * from those of a later thread of that number.
 */
static __always_inline int oc_is_seen(oc_u32 kind, oc_u32 tid, oc_u64 event)
{
	oc_u32 index = kind * OC_MARKS + (tid & (OC_MARKS - 1));
	oc_u64 *mark = bpf_map_lookup_elem(&marks, &index);

	if (!mark)
		return 0;
	if (*mark == event)
		return 1;
	*mark = event;
	return 0;
}

/*
 * Calls `body` once for an event. Where `spare` is true, the kernel did not run the programs
 * before this one, and that is counted. It counts each call of them, so events of which no record
 * is made are marked as well, and `body` is to sort them out.
 */
#define OC_ONCE(kind, tid, event, spare, body)                                                \
	do {                                                                                  \
		if (oc_config.spares & (1u << (kind))) {                                      \
			if (oc_is_seen(kind, tid, event))                                     \
				break;                                                        \
			if (spare)                                                            \
				oc_count_lost(OC_LOST_PREEMPTED, kind);                       \
		}                                                                             \
		body;                                                                         \
	} while (0)

#endif
