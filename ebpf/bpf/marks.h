/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Several probes on one tracepoint, so that each event is seen by one of them.
 *
 * The kernel does not run a program on a CPU where a run of the same program is under way. Until
 * about 7.0 tracepoints kept off preemption, and that never happened to these probes. Since then a
 * task may be preempted inside a probe, and what other tasks do on that CPU until it goes on passes
 * the probe by: 55 of 1,000 execs on one busy CPU of Linux 7.3. The kernel counts these
 * (recursion_misses). So there are spare programs, which are called right after the first one in
 * the same task: whoever sees an event leaves a mark, and who finds the mark of an event has
 * nothing to do.
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
#define OC_MARKED_KINDS (OC_EXIT + 1)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, OC_MARKED_KINDS * OC_MARKS);
	__type(key, oc_u32);
	__type(value, oc_u64);
} marks SEC(".maps");

/*
 * True when another program has seen the event; else marks it as seen. `event` is a number that the
 * events of this kind in this task do not share, nor those of a later task of the same number.
 */
static __always_inline int oc_is_seen(oc_u32 kind, oc_u64 event)
{
	oc_u32 index = kind * OC_MARKS + (bpf_get_current_pid_tgid() & (OC_MARKS - 1));
	oc_u64 *mark;

	if (!oc_config.spare)
		return 0;
	mark = bpf_map_lookup_elem(&marks, &index);
	if (!mark)
		return 0;
	if (*mark == event)
		return 1;
	*mark = event;
	return 0;
}

#endif
