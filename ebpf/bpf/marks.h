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
 * Copies are preempted like the first one: where the emulated CPUs of an overloaded machine ran
 * little but execs, two copies missed 2 of some 10,000. So the first program, where the kernel can
 * have it, is one by kprobe: that runs without preemption. It is passed by where a task was
 * preempted in a system call on maps, which is rare and does not keep off the others. Credentials
 * have the kprobe on the function itself and fentry behind it, which alone missed 1,531 of 4,000
 * changes of eight processes that did little else on two CPUs of Linux 7.3. Tracepoints have it on
 * the function that calls the probes of one when there are several; behind it come tp_btf and a
 * copy, or two copies where kprobes are refused.
 *
 * A spare that jumped into the first program (bpf_tail_call) would be smaller than a copy, but get
 * round the kernel's guard, on which the kernel relies: since 6.13 a program may have one stack for
 * each CPU, and two runs would share it.
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

/* Where a program stands among those of one event. */
enum oc_place {
	OC_FIRST,	/* by kprobe */
	OC_SECOND,	/* by tp_btf or fentry; the first one where that is refused */
	OC_SPARE	/* behind both */
};

/*
 * Calls `body` once for an event. What a program sees that is not the first one, the kernel did not
 * run those before it for, and that is counted. The kernel counts each call, so events of which no
 * record is made are marked as well, and `body` is to sort them out.
 */
#define OC_ONCE(kind, tid, event, place, body)                                                \
	do {                                                                                  \
		if (oc_config.spares & (1u << (kind))) {                                      \
			if (oc_is_seen(kind, tid, event))                                     \
				break;                                                        \
			if ((place) != OC_FIRST)                                              \
				oc_count_lost((place) == OC_SECOND ? OC_SEEN_SECOND           \
								   : OC_LOST_PREEMPTED,       \
					      kind);                                          \
		}                                                                             \
		body;                                                                         \
	} while (0)

#endif
