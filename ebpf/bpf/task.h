/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fills what every kind of record says of the process. */
#ifndef OCELLUS_TASK_H
#define OCELLUS_TASK_H

#include "helpers.h"
#include "kernel.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
struct cred___cap_words {
	struct {
		oc_u32 cap[2];
	} cap_effective;
} __attribute__((preserve_access_index));
#endif

/*
 * A capability set as one number, bit n being capability n, from the bytes of a kernel_cap_t, whose
 * own fields are not named: they changed, the bytes did not.
 */
static __always_inline oc_u64 oc_cap_number(oc_u64 set)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	/* The two words were stored low word first. */
	if (oc_has(struct cred___cap_words, cap_effective.cap))
		set = set << 32 | set >> 32;
#endif
	return set;
}

static __always_inline oc_u64 oc_caps(const kernel_cap_t *from)
{
	oc_u64 set = 0;

	bpf_probe_read_kernel(&set, sizeof(set), from);
	return oc_cap_number(set);
}

/* A field of struct cred begins so many bytes after another one. */
#define oc_cred_follows(field, first, bytes) \
	(oc_offset(struct cred, field) == oc_offset(struct cred, first) + (bytes))

/* Kernels have these in this order, without gaps. Then one read takes the place of eight. */
static __always_inline void oc_fill_ids(struct oc_task *out, struct cred *cred)
{
	struct {
		oc_u32 uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	} ids = {};

	if (oc_cred_follows(gid, uid, 4) && oc_cred_follows(suid, uid, 8) &&
	    oc_cred_follows(sgid, uid, 12) && oc_cred_follows(euid, uid, 16) &&
	    oc_cred_follows(egid, uid, 20) && oc_cred_follows(fsuid, uid, 24) &&
	    oc_cred_follows(fsgid, uid, 28)) {
		bpf_probe_read_kernel(&ids, sizeof(ids), &cred->uid);
	} else {
		ids.uid = oc_get(cred, uid.val);
		ids.gid = oc_get(cred, gid.val);
		ids.suid = oc_get(cred, suid.val);
		ids.sgid = oc_get(cred, sgid.val);
		ids.euid = oc_get(cred, euid.val);
		ids.egid = oc_get(cred, egid.val);
		ids.fsuid = oc_get(cred, fsuid.val);
		ids.fsgid = oc_get(cred, fsgid.val);
	}
	out->uid = ids.uid;
	out->gid = ids.gid;
	out->suid = ids.suid;
	out->sgid = ids.sgid;
	out->euid = ids.euid;
	out->egid = ids.egid;
	out->fsuid = ids.fsuid;
	out->fsgid = ids.fsgid;
}

/* So are these. */
static __always_inline void oc_fill_caps(struct oc_task *out, struct cred *cred)
{
	struct {
		oc_u64 inheritable, permitted, effective, bounding, ambient;
	} caps = {};

	if (oc_cred_follows(cap_permitted, cap_inheritable, 8) &&
	    oc_cred_follows(cap_effective, cap_inheritable, 16) &&
	    oc_cred_follows(cap_bset, cap_inheritable, 24) &&
	    oc_cred_follows(cap_ambient, cap_inheritable, 32)) {
		bpf_probe_read_kernel(&caps, sizeof(caps), &cred->cap_inheritable);
		out->cap_inheritable = oc_cap_number(caps.inheritable);
		out->cap_permitted = oc_cap_number(caps.permitted);
		out->cap_effective = oc_cap_number(caps.effective);
		out->cap_bounding = oc_cap_number(caps.bounding);
		out->cap_ambient = oc_cap_number(caps.ambient);
	} else {
		out->cap_inheritable = oc_caps(&cred->cap_inheritable);
		out->cap_permitted = oc_caps(&cred->cap_permitted);
		out->cap_effective = oc_caps(&cred->cap_effective);
		out->cap_bounding = oc_caps(&cred->cap_bset);
		out->cap_ambient = oc_caps(&cred->cap_ambient);
	}
}

static __always_inline void oc_fill_creds(struct oc_task *out, struct cred *cred)
{
	oc_fill_ids(out, cred);
	oc_fill_caps(out, cred);
	out->ns_user = oc_get(oc_get(cred, user_ns), ns.inum);
}

static __always_inline void oc_fill_namespaces(struct oc_task *out, struct task_struct *task)
{
	struct nsproxy *proxy = oc_get(task, nsproxy);

	out->ns_uts = oc_get(oc_get(proxy, uts_ns), ns.inum);
	out->ns_ipc = oc_get(oc_get(proxy, ipc_ns), ns.inum);
	out->ns_mnt = oc_get(oc_get(proxy, mnt_ns), ns.inum);
	out->ns_net = oc_get(oc_get(proxy, net_ns), ns.inum);
	out->ns_cgroup = oc_get(oc_get(proxy, cgroup_ns), ns.inum);
	if (oc_has(struct nsproxy, time_ns))
		out->ns_time = oc_get(oc_get(proxy, time_ns), ns.inum);
}

/* The process's number and namespace at the deepest level, which is the process's own. */
static __always_inline void oc_fill_own_pid(struct oc_task *out, struct task_struct *leader)
{
	struct pid *pid = oc_get(leader, thread_pid);
	oc_u64 level = oc_get(pid, level);
	struct upid *own = (void *)pid + oc_offset(struct pid, numbers) +
			   level * oc_sizeof(struct upid);

	out->vpid = oc_get(own, nr);
	out->ns_pid = oc_get(oc_get(own, ns), ns.inum);
}

/* The number of a process group or session in the initial pid namespace. */
static __always_inline oc_u32 oc_pid_number(struct signal_struct *signal, int type)
{
	struct pid *pid = 0;

	bpf_probe_read_kernel(&pid, sizeof(pid),
			      &signal->pids[type]);
	return oc_get(pid, numbers[0].nr);
}

static __always_inline void oc_fill_tty(struct oc_task *out, struct signal_struct *signal)
{
	struct tty_struct *tty = oc_get(signal, tty);
	struct tty_driver *driver;

	if (!tty)
		return;
	driver = oc_get(tty, driver);
	out->tty_major = oc_get(driver, major);
	out->tty_minor = oc_get(driver, minor_start) + oc_get(tty, index);
}

/* `out` is zeroed. `tid` is left to the caller. */
static __noinline void oc_fill_task(struct oc_task *out, struct task_struct *task)
{
	struct task_struct *leader = oc_get(task, group_leader);
	struct task_struct *parent = oc_get(task, real_parent);
	struct signal_struct *signal = oc_get(task, signal);

	out->start_ns = oc_get(leader, start_boottime);
	out->parent_start_ns = oc_get(oc_get(parent, group_leader), start_boottime);
	out->pid = oc_get(task, tgid);
	out->ppid = oc_get(parent, tgid);
	out->pgid = oc_pid_number(signal, PIDTYPE_PGID);
	out->sid = oc_pid_number(signal, PIDTYPE_SID);
	/*
	 * The leader's, as ps(1) shows it: threads have names of their own, and any may be the last
	 * to exit. As a string: old kernels leave the rest of a longer name behind the NUL.
	 */
	bpf_probe_read_kernel_str(out->comm, sizeof(out->comm), &leader->comm);
	oc_fill_own_pid(out, leader);
	oc_fill_tty(out, signal);
	oc_fill_creds(out, oc_get(task, real_cred));
	oc_fill_namespaces(out, task);
}

/* Zeroes the fixed part and fills what does not depend on the kind. */
static __always_inline void oc_begin(struct oc_record *r, oc_u16 kind, struct task_struct *task)
{
	__builtin_memset(r, 0, sizeof(*r));
	r->head.size = sizeof(*r);
	r->head.kind = kind;
	r->head.version = OC_ABI_VERSION;
	r->head.time_ns = bpf_ktime_get_boot_ns();
	r->head.cpu = bpf_get_smp_processor_id();
	oc_fill_task(&r->task, task);
}

#endif
