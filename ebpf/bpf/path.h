/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Absolute paths of files and of control groups. Both walk from the last component up and write
 * the path from the end of the scratch buffer towards its start, so that it comes out in order.
 *
 * What lives across the turns of these loops is kept in the scratch slot and not in registers. The
 * verifier knows nothing of memory in a map, so it meets the same state at each turn and prunes,
 * instead of following each combination of branches. The walks take no lock: a rename at that very
 * moment may give a mixture of both names.
 */
#ifndef OCELLUS_PATH_H
#define OCELLUS_PATH_H

#include "kernel.h"
#include "maps.h"

/* Components and mounts that a path may cross: nobody's tree is deeper by hand. */
#define OC_PATH_TURNS 144
/* Levels of control groups: kubelet and systemd together make about ten. */
#define OC_CGROUP_TURNS 64

/* Puts "/NAME" before the path so far; false when it does not fit. */
static __always_inline int oc_put_name(struct oc_scratch *s, const void *name, oc_u64 len)
{
	oc_u64 at = s->walk.begin;

	len &= OC_NAME_MAX;
	if (at < len + 1) {
		s->walk.lost = 1;
		return 0;
	}
	at -= len + 1;
	s->walk.begin = at;
	oc_forget(at);
	oc_forget(len);
	at &= OC_PATH_MAX - 1;
	len &= OC_NAME_MAX;
	s->path[at] = '/';
	bpf_probe_read_kernel(&s->path[at + 1], len, name);
	return 1;
}

/* Takes one step up; false at the end. */
static __always_inline int oc_step_path(struct oc_scratch *s)
{
	struct oc_walk *w = &s->walk;
	struct dentry *dentry = w->node, *parent;

	if (!dentry || (dentry == w->root_node && w->mount == w->root_mount))
		return 0;
	if (dentry == w->mount_root) {
		struct mount *mount = w->mount - oc_offset(struct mount, mnt);
		struct mount *above = oc_get(mount, mnt_parent);

		if (above == mount || !above)
			return 0;
		w->node = oc_get(mount, mnt_mountpoint);
		w->mount = &above->mnt;
		w->mount_root = oc_get(&above->mnt, mnt_root);
		return 1;
	}
	parent = oc_get(dentry, d_parent);
	if (!oc_put_name(s, oc_get(dentry, d_name.name), oc_get(dentry, d_name.len)))
		return 0;
	if (parent == dentry) {
		/* Not in a tree: the name of a memfd, which takes no slash. */
		w->begin++;
		return 0;
	}
	w->node = parent;
	return 1;
}

/*
 * The steps are functions that are not static, so that the verifier looks at each once and believes
 * it at each turn: it would look at 40,000 instructions for a walk of both kinds. Such functions
 * take numbers only (Linux 5.10), hence the slot's.
 */
__noinline int oc_path_turn(oc_u32 slot)
{
	struct oc_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	return s ? oc_step_path(s) : 0;
}

/* Writes the path of `dentry` on `mount`, seen from the root directory set in the walk. */
static __noinline int oc_walk_path(struct oc_scratch *s, struct dentry *dentry,
				   struct vfsmount *mount)
{
	s->walk.node = dentry;
	s->walk.mount = mount;
	s->walk.mount_root = oc_get(mount, mnt_root);
	s->walk.begin = OC_PATH_MAX;
	s->walk.lost = 0;
	for (int turn = 0; turn < OC_PATH_TURNS; turn++) {
		oc_reload();
		if (!oc_path_turn(s->slot))
			return 0;
	}
	s->walk.lost = 1;
	return 0;
}

static __always_inline struct kernfs_node *oc_kernfs_parent(struct kernfs_node *node)
{
	if (oc_has(struct kernfs_node___underscored, __parent))
		return oc_get((struct kernfs_node___underscored *)node, __parent);
	return oc_get((struct kernfs_node___parent *)node, parent);
}

/* Takes one step up; false at the end. */
static __always_inline int oc_step_kernfs(struct oc_scratch *s)
{
	struct kernfs_node *node = s->walk.node;
	struct kernfs_node *parent = oc_kernfs_parent(node);
	long len;

	/* The root has no name. */
	if (!parent)
		return 0;
	len = bpf_probe_read_kernel_str(s->name, sizeof(s->name), oc_get(node, name));
	if (len < 1) {
		s->walk.lost = 1;
		return 0;
	}
	s->walk.node = parent;
	return oc_put_name(s, s->name, len - 1);
}

__noinline int oc_kernfs_turn(oc_u32 slot)
{
	struct oc_scratch *s = bpf_map_lookup_elem(&scratch, &slot);

	return s ? oc_step_kernfs(s) : 0;
}

/* Writes the path of a control group in its hierarchy. */
static __noinline int oc_walk_kernfs(struct oc_scratch *s, struct kernfs_node *node)
{
	s->walk.node = node;
	s->walk.begin = OC_PATH_MAX;
	s->walk.lost = 0;
	for (int turn = 0; turn < OC_CGROUP_TURNS; turn++) {
		oc_reload();
		if (!oc_kernfs_turn(s->slot))
			return 0;
	}
	s->walk.lost = 1;
	return 0;
}

/* Appends the walked path to the record. */
static __always_inline void oc_keep_path(struct oc_scratch *s, oc_u32 span)
{
	oc_u64 begin, len, lost, at;

	oc_reload();
	begin = s->walk.begin;
	if (begin >= OC_PATH_MAX) {
		/* Nothing above the start: it is the root itself. */
		s->path[OC_PATH_MAX - 1] = '/';
		begin = OC_PATH_MAX - 1;
	}
	/* A path that lost its head begins with a component, not with a slash. */
	lost = !!s->walk.lost;
	begin += lost;
	len = OC_PATH_MAX - begin;
	s->fixed.span[span].len = len;
	s->fixed.span[span].full = len + lost;
	at = s->end;
	s->end = at + len;
	oc_forget(at);
	oc_forget(len);
	at &= OC_AT_PATH_MASK;
	if (len <= OC_PATH_MAX)
		bpf_probe_read_kernel(&s->record[at], len, s->path + begin);
}

/* Appends `path` as `span`, seen from the task's root. */
static __always_inline void oc_put_path(struct oc_scratch *s, oc_u32 span,
					struct task_struct *task, struct path *path)
{
	struct fs_struct *fs = oc_get(task, fs);

	s->walk.root_mount = oc_get(fs, root.mnt);
	s->walk.root_node = oc_get(fs, root.dentry);
	oc_walk_path(s, oc_get(path, dentry), oc_get(path, mnt));
	oc_keep_path(s, span);
}

static __always_inline void oc_put_cwd(struct oc_scratch *s, struct task_struct *task)
{
	struct fs_struct *fs = oc_get(task, fs);

	if (fs)
		oc_put_path(s, OC_SPAN_CWD, task, &fs->pwd);
}

/*
 * The control group that a process is told apart by. On a system with version 1, mixed ones
 * included, it is the one of the pids controller, where container runtimes put their containers;
 * else, and where that says no more than "/", the one of the unified hierarchy (version 2).
 */
static __always_inline struct kernfs_node *oc_cgroup_node(struct css_set *set)
{
	struct cgroup *unified = oc_get(set, dfl_cgrp), *pids;
	struct cgroup_subsys_state *state = 0;
	void *subsys = &set->subsys[0];

	if (oc_has_enum(enum cgroup_subsys_id, pids_cgrp_id)) {
		subsys += oc_enum(enum cgroup_subsys_id, pids_cgrp_id) * sizeof(void *);
		bpf_probe_read_kernel(&state, sizeof(state), subsys);
		pids = oc_get(state, cgroup);
		if (oc_get(pids, root) != oc_get(unified, root) &&
		    oc_kernfs_parent(oc_get(pids, kn)))
			return oc_get(pids, kn);
	}
	return oc_get(unified, kn);
}

/* Appends the control group. */
static __always_inline void oc_put_cgroup(struct oc_scratch *s, struct task_struct *task)
{
	struct kernfs_node *node = oc_cgroup_node(oc_get(task, cgroups));

	if (!node)
		return;
	oc_walk_kernfs(s, node);
	oc_keep_path(s, OC_SPAN_CGROUP);
}

#endif
