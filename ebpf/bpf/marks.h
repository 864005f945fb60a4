/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two probes on one tracepoint, so that each event is seen by one of them.
 *
 * The kernel does not run a program on a CPU where a run of the same program is under way. Until
 * about 7.0 tracepoints kept off preemption, and that never happened to these probes. Since then a
 * task may be preempted inside a probe, and what other tasks do on that CPU until it goes on passes
 * the probe by. The kernel counts these (recursion_misses). So there are two programs: the first
 * leaves a mark for the event, and the second, called right after it in the same task, does the
 * work if it finds none.
 */
#ifndef OCELLUS_MARKS_H
#define OCELLUS_MARKS_H

#include "maps.h"

/*
 * Marks for each kind. Tasks whose numbers agree modulo this share one: when both are between the
 * two programs at the same instant, the second program repeats a record.
 */
#define OC_MARKS 4096

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OC_KIND_COUNT * OC_MARKS);
	__type(key, oc_u32);
	__type(value, oc_u64);
} marks SEC(".maps");

static __always_inline oc_u64 *oc_mark(oc_u32 kind)
{
	oc_u32 index = kind * OC_MARKS + (bpf_get_current_pid_tgid() & (OC_MARKS - 1));

	return bpf_map_lookup_elem(&marks, &index);
}

/* In the first program: the event that `object` stands for is being seen. */
static __always_inline void oc_leave_mark(oc_u32 kind, void *object)
{
	oc_u64 *mark;

	if (!oc_config.spare)
		return;
	mark = oc_mark(kind);
	if (mark)
		*mark = (oc_u64)object;
}

/* In the second program: true when the first one has seen the event. */
static __always_inline int oc_is_seen(oc_u32 kind, void *object)
{
	oc_u64 *mark;

	if (!oc_config.spare)
		return 0;
	mark = oc_mark(kind);
	if (mark && *mark == (oc_u64)object) {
		*mark = 0;
		return 1;
	}
	oc_count_lost(OC_LOST_PREEMPTED, kind);
	return 0;
}

#endif
