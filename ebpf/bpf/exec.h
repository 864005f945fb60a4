/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What only an exec record carries: the executable, what was asked for, argv, environment. */
#ifndef OCELLUS_EXEC_H
#define OCELLUS_EXEC_H

#include "file.h"
#include "path.h"
#include "task.h"

/* The most pages that OC_ARGS_MAX bytes touch. */
#define OC_ARGS_PAGES (OC_ARGS_MAX / OC_PAGE + 1)

/*
 * Copies `want` bytes of user memory to the record's end and returns how many it could. A program
 * cannot wait for a page that is swapped out: what lies before that page is kept.
 */
static __noinline oc_u64 oc_copy_user(struct oc_scratch *s, oc_u64 from, oc_u64 want)
{
	oc_u64 at = s->end, done;

	at &= OC_AT_ARGS_MASK;
	oc_forget(want);
	if (want > OC_ARGS_MAX)
		want = OC_ARGS_MAX;
	if (!bpf_probe_read_user(&s->record[at], want, (void *)from))
		return want;

	s->copied = 0;
	for (int page = 0; page < OC_ARGS_PAGES; page++) {
		oc_u64 left, in_page;

		oc_reload();
		done = s->copied;
		if (done >= want)
			break;
		left = want - done;
		in_page = OC_PAGE - ((from + done) & (OC_PAGE - 1));
		if (left > in_page)
			left = in_page;
		at = s->end;
		oc_forget(left);
		oc_forget(done);
		at &= OC_AT_ARGS_MASK;
		done &= OC_ARGS_MAX - 1;
		if (left > OC_PAGE)
			break;
		if (bpf_probe_read_user(&s->record[at + done], left, (void *)(from + done)))
			break;
		s->copied = done + left;
	}
	oc_reload();
	return s->copied;
}

/* Appends the user memory from `start` to `end`, `max` bytes at most. */
static __always_inline void oc_put_user(struct oc_scratch *s, oc_u32 span, oc_u64 start, oc_u64 end,
					oc_u64 max)
{
	oc_u64 full = end > start ? end - start : 0;
	oc_u64 want = full < max ? full : max;
	oc_u64 len = want ? oc_copy_user(s, start, want) : 0;

	s->fixed.span[span].len = len;
	s->fixed.span[span].full = full;
	s->end += len;
	if (len < want)
		s->fixed.head.flags |= span == OC_SPAN_ARGS ? OC_F_ARGS_FAULT : OC_F_ENV_FAULT;
}

static __always_inline void oc_put_filename(struct oc_scratch *s, struct linux_binprm *bprm)
{
	oc_u64 at = s->end & OC_AT_PATH_MASK;
	long len = bpf_probe_read_kernel_str(&s->record[at], OC_PATH_MAX, oc_get(bprm, filename));

	/* The length counts the final NUL; negative: not readable. */
	if (len < 1)
		return;
	s->fixed.span[OC_SPAN_FILENAME].len = len - 1;
	s->fixed.span[OC_SPAN_FILENAME].full = len - 1;
	s->end += len - 1;
}

static __always_inline void oc_exec(struct task_struct *task, oc_u32 old_tid,
				    struct linux_binprm *bprm)
{
	struct mm_struct *mm = oc_get(task, mm);
	struct file *file = oc_get(bprm, file);
	oc_u32 slot = 0;
	struct oc_scratch *s = oc_take_slot(OC_EXEC, &slot);

	if (!s)
		return;
	oc_begin(&s->fixed, OC_EXEC, task);
	s->end = sizeof(struct oc_record);
	s->fixed.task.tid = old_tid;
	if (old_tid != s->fixed.task.pid)
		s->fixed.head.flags |= OC_F_THREAD_EXEC;
	if (oc_has(struct linux_binprm, secureexec) && oc_get_bits(bprm, secureexec))
		s->fixed.head.flags |= OC_F_SECURE_EXEC;
	s->fixed.argc = oc_get(bprm, argc);
	s->fixed.envc = oc_get(bprm, envc);
	oc_fill_file(&s->fixed.file, file);

	oc_put_path(s, OC_SPAN_EXE, task, &file->f_path);
	oc_put_filename(s, bprm);
	oc_put_cwd(s, task);
	oc_put_cgroup(s, task);
	oc_put_user(s, OC_SPAN_ARGS, oc_get(mm, arg_start), oc_get(mm, arg_end),
		    oc_config.args_max);
	if (oc_config.env_max)
		oc_put_user(s, OC_SPAN_ENV, oc_get(mm, env_start), oc_get(mm, env_end),
			    oc_config.env_max);
	oc_emit(s, OC_EXEC);
	oc_give_slot(&slot);
}

#endif
