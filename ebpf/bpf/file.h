/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The identity of the executable, as the kernel has it at this moment. */
#ifndef OCELLUS_FILE_H
#define OCELLUS_FILE_H

#include "helpers.h"
#include "kernel.h"

#define NSEC_PER_SEC 1000000000ULL
/* Bit 31 of i_ctime_nsec marks a queried multigrain timestamp and is no part of the time. */
#define CTIME_NSEC_MASK 0x7fffffffU

static __always_inline void oc_fill_times(struct oc_file *out, struct inode *inode)
{
	struct inode___timespecs *old = (void *)inode;
	struct inode___underscored *mid = (void *)inode;
	struct inode___split *new = (void *)inode;

	if (oc_has(struct inode___split, i_ctime_sec))
		out->ctime_ns = oc_get(new, i_ctime_sec) * NSEC_PER_SEC +
				(oc_get(new, i_ctime_nsec) & CTIME_NSEC_MASK);
	else if (oc_has(struct inode___underscored, __i_ctime))
		out->ctime_ns = oc_get(mid, __i_ctime.tv_sec) * NSEC_PER_SEC +
				oc_get(mid, __i_ctime.tv_nsec);
	else if (oc_has(struct inode___timespecs, i_ctime))
		out->ctime_ns = oc_get(old, i_ctime.tv_sec) * NSEC_PER_SEC +
				oc_get(old, i_ctime.tv_nsec);

	if (oc_has(struct inode___split, i_mtime_sec))
		out->mtime_ns = oc_get(new, i_mtime_sec) * NSEC_PER_SEC +
				oc_get(new, i_mtime_nsec);
	else if (oc_has(struct inode___underscored, __i_mtime))
		out->mtime_ns = oc_get(mid, __i_mtime.tv_sec) * NSEC_PER_SEC +
				oc_get(mid, __i_mtime.tv_nsec);
	else if (oc_has(struct inode___timespecs, i_mtime))
		out->mtime_ns = oc_get(old, i_mtime.tv_sec) * NSEC_PER_SEC +
				oc_get(old, i_mtime.tv_nsec);
}

/*
 * True when the file is in the upper layer: its overlay inode knows an upper dentry. The field
 * follows the embedded inode in every kernel since 4.13 (fs/overlayfs/ovl_entry.h); where BTF
 * knows the structure its offset is taken from there, else from the size of struct inode.
 */
static __always_inline int oc_in_upper(struct inode *inode)
{
	struct dentry *upper = 0;
	oc_u64 after_inode = oc_sizeof(struct inode);

	if (oc_has(struct ovl_inode, __upperdentry))
		after_inode = oc_offset(struct ovl_inode, __upperdentry) -
			      oc_offset(struct ovl_inode, vfs_inode);
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + after_inode);
	return !!upper;
}

static __always_inline oc_u32 oc_file_flags(struct file *file, struct inode *inode,
					    struct super_block *sb, oc_u32 nlink)
{
	struct dentry *dentry = oc_get(file, f_path.dentry);
	unsigned long magic = oc_get(sb, s_magic);
	oc_u32 flags = 0;

	/* memfd, System V and other anonymous memory is on a tmpfs that only the kernel mounts. */
	if ((magic == TMPFS_MAGIC || magic == HUGETLBFS_MAGIC || magic == RAMFS_MAGIC) &&
	    (oc_get(sb, s_flags) & SB_KERNMOUNT))
		flags |= OC_FILE_MEMFD;
	/* unlink(2) takes the dentry out of its hash chain; another hard link may keep nlink. */
	if (nlink == 0 || !oc_get(dentry, d_hash.pprev))
		flags |= OC_FILE_DELETED;
	if (magic == OVERLAYFS_MAGIC) {
		flags |= OC_FILE_OVERLAY;
		if (oc_in_upper(inode))
			flags |= OC_FILE_UPPER;
	}
	return flags;
}

/* `out` is zeroed. */
static __noinline void oc_fill_file(struct oc_file *out, struct file *file)
{
	struct inode *inode = oc_get(file, f_inode);
	struct super_block *sb = oc_get(inode, i_sb);
	oc_u32 dev = oc_get(sb, s_dev);

	if (!inode)
		return;
	out->inode = oc_get(inode, i_ino);
	out->size = oc_get(inode, i_size);
	oc_fill_times(out, inode);
	out->dev_major = dev >> 20;
	out->dev_minor = dev & 0xfffff;
	out->nlink = oc_get(inode, i_nlink);
	out->mode = oc_get(inode, i_mode);
	out->uid = oc_get(inode, i_uid.val);
	out->gid = oc_get(inode, i_gid.val);
	out->flags = oc_file_flags(file, inode, sb, out->nlink);
}

#endif
