/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the probes share with user space: the ring, the scratch slots, the counters of losses. */
#ifndef OCELLUS_MAPS_H
#define OCELLUS_MAPS_H

#include "helpers.h"

/* Bytes of one path at most: PATH_MAX, what a system call accepts. */
#define OC_PATH_MAX 4096
/* Bytes of a file name at most: NAME_MAX. */
#define OC_NAME_MAX 255
/* Bytes of argv and of the environment at most. With more, few records fill the ring. */
#define OC_ARGS_MAX 32768
#define OC_ENV_MAX 32768
#define OC_PAGE 4096

/*
 * Where a span may begin: paths below 32 KiB (the fixed part and four paths are 16.3 KiB), argv and
 * the environment below 64 KiB. Powers of two, so that a mask is the bound.
 */
#define OC_AT_PATH_MASK 0x7fff
#define OC_AT_ARGS_MASK 0xffff
/* The farthest byte that a copy can touch: a page after argv's farthest page. */
#define OC_RECORD_ROOM (OC_AT_ARGS_MASK + 1 + OC_ARGS_MAX + OC_PAGE)

_Static_assert(sizeof(struct oc_record) + 4 * OC_PATH_MAX <= OC_AT_PATH_MASK, "paths");
_Static_assert(sizeof(struct oc_record) + 4 * OC_PATH_MAX + OC_ARGS_MAX <= OC_AT_ARGS_MASK, "args");

/* Where a walk from a file up to the root stands. */
struct oc_walk {
	void *node;		/* dentry or kernfs node */
	void *mount;		/* struct vfsmount */
	void *mount_root;
	void *root_node;	/* where to stop: the task's root directory */
	void *root_mount;
	oc_u64 begin;		/* the path so far begins here in oc_scratch.path */
	oc_u64 lost;		/* true: leading components did not fit */
};

/*
 * Where a record is built. Slots are taken from a pool and not owned by a CPU: since 6.13 a program
 * may be preempted by another one on its CPU (lazy preemption), which would share the slot.
 */
struct oc_scratch {
	union {
		struct oc_record fixed;
		oc_u8 record[OC_RECORD_ROOM];
	};
	oc_u64 end;		/* bytes of the record so far */
	oc_u64 copied;		/* bytes that a copy of user memory has so far */
	oc_u64 slot;		/* its own number */
	struct oc_walk walk;
	oc_u8 path[OC_PATH_MAX + OC_NAME_MAX + 1];	/* a path, written from its end */
	oc_u8 name[OC_NAME_MAX + 1];
};

/* The loader sets the sizes of ring, scratch and free_slots, and fills free_slots. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, oc_u32);
	__type(value, struct oc_scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, oc_u32);
} free_slots SEC(".maps");

/* Index: cause * OC_KIND_COUNT + kind, where OC_SEEN_SECOND counts as a cause. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, (OC_LOST_COUNT + 1) * OC_KIND_COUNT);
	__type(key, oc_u32);
	__type(value, oc_u64);
} lost SEC(".maps");

const volatile struct oc_config oc_config = { .args_max = OC_ARGS_MAX };

static __always_inline void oc_count_lost(oc_u32 cause, oc_u32 kind)
{
	oc_u32 index = cause * OC_KIND_COUNT + kind;
	oc_u64 *count = bpf_map_lookup_elem(&lost, &index);

	/* Atomic: another program on this CPU may come in between. */
	if (count)
		__sync_fetch_and_add(count, 1);
}

/* Takes a free slot; NULL when there is none, and the loss is counted. */
static __always_inline struct oc_scratch *oc_take_slot(oc_u32 kind, oc_u32 *slot)
{
	struct oc_scratch *s;

	if (bpf_map_pop_elem(&free_slots, slot)) {
		oc_count_lost(OC_LOST_NO_SCRATCH, kind);
		return 0;
	}
	s = bpf_map_lookup_elem(&scratch, slot);
	if (s)
		s->slot = *slot;
	return s;
}

/* The stack's lock may be refused (since 6.15, after a wait): a slot is worth some more tries. */
#define OC_GIVE_TRIES 4

static __always_inline void oc_give_slot(oc_u32 *slot)
{
	for (int try = 0; try < OC_GIVE_TRIES; try++)
		if (!bpf_map_push_elem(&free_slots, slot, 0))
			return;
}

/* Hands the record to user space. */
static __always_inline void oc_emit(struct oc_scratch *s, oc_u32 kind)
{
	oc_u64 size;

	oc_reload();
	size = s->end;
	s->fixed.head.size = size;
	oc_forget(size);
	if (size > OC_RECORD_ROOM)
		return;
	if (bpf_ringbuf_output(&ring, s->record, size, 0))
		oc_count_lost(OC_LOST_RING_FULL, kind);
}

#endif
