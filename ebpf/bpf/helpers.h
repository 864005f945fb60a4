/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel helpers, map attributes and CO-RE builtins that the probes use, declared here so
 * that building needs clang and nothing else. The numbers are the kernel's ABI (linux/bpf.h).
 */
#ifndef OCELLUS_HELPERS_H
#define OCELLUS_HELPERS_H

#include "abi.h"

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))

/* Flag of bpf_map_update_elem: fail with -EEXIST where there is an entry already. */
#define BPF_NOEXIST 1
#define EEXIST 17

/* Map definitions in BTF form. */
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name

enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_RINGBUF = 27,
};

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value,
					 oc_u64 flags) = (void *)2;
static oc_u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static oc_u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_skb_load_bytes)(const void *skb, oc_u32 offset, void *to, oc_u32 len) =
	(void *)26;
static void *(*const bpf_get_current_task)(void) = (void *)35;
static long (*const bpf_map_push_elem)(void *map, const void *value, oc_u64 flags) = (void *)87;
static long (*const bpf_map_pop_elem)(void *map, void *value) = (void *)88;
static long (*const bpf_probe_read_user)(void *dst, oc_u32 size, const void *from) = (void *)112;
static long (*const bpf_probe_read_kernel)(void *dst, oc_u32 size, const void *from) = (void *)113;
static long (*const bpf_probe_read_kernel_str)(void *dst, oc_u32 size, const void *from) =
	(void *)115;
static oc_u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*const bpf_seq_write)(void *seq, const void *data, oc_u32 len) = (void *)127;
static long (*const bpf_ringbuf_output)(void *ring, void *data, oc_u64 size, oc_u64 flags) =
	(void *)130;
static void *(*const bpf_ringbuf_reserve)(void *ring, oc_u64 size, oc_u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, oc_u64 flags) = (void *)132;

/*
 * CO-RE. `field` is an lvalue as in ((struct cred *)0)->uid. What the running kernel lacks makes an
 * instruction that the verifier refuses only where it can be reached, hence ask oc_has first.
 */
#define oc_has(type, field) __builtin_preserve_field_info(((type *)0)->field, 2)
#define oc_offset(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)
#define oc_sizeof(type) __builtin_preserve_type_info(*(typeof(type) *)0, 1)
#define oc_has_enum(enum_type, value) \
	__builtin_preserve_enum_value(*(typeof(enum_type) *)value, 0)
#define oc_enum(enum_type, value) \
	__builtin_preserve_enum_value(*(typeof(enum_type) *)value, 1)

/*
 * Reads one field of a kernel structure. A pointer that cannot be read, NULL included, gives zero,
 * so a chain of reads needs no test at each link.
 */
#define oc_get(pointer, field)                                                                \
	({                                                                                    \
		typeof(pointer) oc_from_ = (pointer);                                         \
		typeof(oc_from_->field) oc_value_;                                            \
		bpf_probe_read_kernel(&oc_value_, sizeof(oc_value_), &oc_from_->field);       \
		oc_value_;                                                                    \
	})

/* Reads one bit field, of a structure that CO-RE relocates. Little endian or big. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define oc_bits_at(size) (8 - (size))
#else
#define oc_bits_at(size) 0
#endif
#define oc_get_bits(pointer, field)                                                           \
	({                                                                                    \
		oc_u64 oc_bits_ = 0;                                                          \
		oc_u32 oc_size_ = __builtin_preserve_field_info((pointer)->field, 1);         \
		bpf_probe_read_kernel((void *)&oc_bits_ + oc_bits_at(oc_size_), oc_size_ & 7, \
				      (void *)(pointer) +                                     \
					      __builtin_preserve_field_info((pointer)->field, \
									    0));              \
		oc_bits_ <<= __builtin_preserve_field_info((pointer)->field, 4);              \
		oc_bits_ >>= __builtin_preserve_field_info((pointer)->field, 5);              \
		oc_bits_;                                                                     \
	})

/*
 * Makes the compiler forget what it knows of a variable. The verifier must see the bound (a mask or
 * a comparison) on the very register that is used next; without this the compiler moves or drops
 * bounds that it can prove and the verifier cannot.
 */
#define oc_forget(variable) asm volatile("" : "+r"(variable))

/*
 * Makes the compiler read memory again. The verifier knows nothing of what is in a map, so a value
 * that went through one is the same to it at each turn of a loop and on each branch.
 */
#define oc_reload() asm volatile("" : : : "memory")

#endif
