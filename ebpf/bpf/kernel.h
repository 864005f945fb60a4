/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel fields that the probes read, and no others. CO-RE finds each by name in the running
 * kernel's BTF, so order, neighbours and sizes of the structures here mean nothing. A name with
 * three underscores is another version of the structure: CO-RE cuts the suffix off.
 */
#ifndef OCELLUS_KERNEL_H
#define OCELLUS_KERNEL_H

#include "abi.h"

#define PF_KTHREAD 0x00200000		/* task_struct.flags */
#define SIGNAL_GROUP_EXIT 0x00000004	/* signal_struct.flags */
#define SB_KERNMOUNT (1u << 22)		/* super_block.s_flags: an internal mount */
#define PIDTYPE_PGID 2			/* index of signal_struct.pids */
#define PIDTYPE_SID 3

/* super_block.s_magic */
#define RAMFS_MAGIC 0x858458f6
#define TMPFS_MAGIC 0x01021994
#define HUGETLBFS_MAGIC 0x958458f6
#define OVERLAYFS_MAGIC 0x794c7630

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	oc_u32 inum;
};

struct uts_namespace {
	struct ns_common ns;
};

struct ipc_namespace {
	struct ns_common ns;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct cgroup_namespace {
	struct ns_common ns;
};

struct time_namespace {
	struct ns_common ns;
};

struct user_namespace {
	struct ns_common ns;
};

struct pid_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
	struct time_namespace *time_ns;		/* since 5.6 */
	struct cgroup_namespace *cgroup_ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	oc_u32 level;
	struct upid numbers[1];
};

struct tty_driver {
	int major;
	int minor_start;
};

struct tty_struct {
	struct tty_driver *driver;
	int index;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
	oc_u32 flags;
	struct pid *pids[4];
	struct tty_struct *tty;
};

typedef struct {
	oc_u32 val;
} kuid_t;

typedef struct {
	oc_u32 val;
} kgid_t;

/* Two words `cap[2]` until 6.2, then one `val`: the same eight bytes on little endian. */
typedef struct {
	oc_u64 val;
} kernel_cap_t;

struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t suid;
	kgid_t sgid;
	kuid_t euid;
	kgid_t egid;
	kuid_t fsuid;
	kgid_t fsgid;
	kernel_cap_t cap_inheritable;
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
	kernel_cap_t cap_bset;
	kernel_cap_t cap_ambient;
	struct user_namespace *user_ns;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long env_start;
	unsigned long env_end;
};

struct qstr {
	oc_u32 len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
};

struct super_block {
	oc_u32 s_dev;
	unsigned long s_flags;
	unsigned long s_magic;
};

struct inode {
	oc_u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	oc_u32 i_nlink;
	long long i_size;
};

struct timespec64 {
	long long tv_sec;
	long tv_nsec;
};

/* Until 6.5. */
struct inode___timespecs {
	struct timespec64 i_ctime;
	struct timespec64 i_mtime;
};

/* 6.6: only ctime was renamed. 6.7 to 6.10: both. */
struct inode___underscored {
	struct timespec64 __i_ctime;
	struct timespec64 __i_mtime;
};

/* Since 6.11. */
struct inode___split {
	long long i_ctime_sec;
	long long i_mtime_sec;
	oc_u32 i_ctime_nsec;	/* bit 31 is a mark of multigrain timestamps (6.13) */
	oc_u32 i_mtime_nsec;
};

/* Overlayfs is often a module, whose BTF is not in vmlinux. */
struct ovl_inode {
	struct inode vfs_inode;
	struct dentry *__upperdentry;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

struct kernfs_node {
	const char *name;
};

/* Until 6.14. */
struct kernfs_node___parent {
	struct kernfs_node *parent;
};

/* Since 6.15. */
struct kernfs_node___underscored {
	struct kernfs_node *__parent;
};

struct cgroup_root;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;	/* the hierarchy that it belongs to */
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

enum cgroup_subsys_id {
	pids_cgrp_id = 0,	/* the number is the running kernel's */
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	oc_u32 flags;
	int exit_code;
	int pid;
	int tgid;
	oc_u64 start_boottime;
	oc_u64 self_exec_id;		/* goes up with each exec */
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct mm_struct *mm;
	struct cred *real_cred;
	char comm[16];
	struct fs_struct *fs;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct css_set *cgroups;
	unsigned in_execve:1;
};

struct linux_binprm {
	struct file *file;
	unsigned secureexec:1;
	int argc;
	int envc;
	const char *filename;
};

/* Tells whether tracepoint sched_process_exit passes group_dead (since 6.16). */
struct trace_event_raw_sched_process_exit {
	_Bool group_dead;
};

/* Registers: where arguments of functions and numbers of system calls are. */
struct pt_regs {
	int unused;
};

struct pt_regs___x86 {
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long cx;
	unsigned long orig_ax;
};

struct pt_regs___arm64 {
	oc_u64 regs[4];
	int syscallno;
};

struct seq_file {
	int unused;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
