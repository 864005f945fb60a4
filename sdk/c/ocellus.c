/* The canonical ABI of the `rule` world, by hand: imports, exports, memory.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "ocellus.h"

/* ---- What the sensor gives -------------------------------------------- */

#define IMPORT(interface, name)                                                \
    __attribute__((import_module("ocellus:rule/" interface "@1.0.0"), import_name(name)))

/* Answers that do not fit one number are written through a pointer. */
typedef struct {
    uint8_t is_error;
    union {
        uint32_t value;
        ocellus_text error;
    };
} result_u32;

typedef struct {
    uint8_t is_some;
    ocellus_text value;
} option_text;

typedef struct {
    uint8_t is_some;
    uint64_t value;
} option_number;

IMPORT("event", "resolve") void event_resolve(const char *, size_t, result_u32 *);
IMPORT("event", "text") void event_text(ocellus_field, option_text *);
IMPORT("event", "number") void event_number(ocellus_field, option_number *);
IMPORT("event", "texts") void event_texts(ocellus_field, ocellus_texts *);
IMPORT("event", "make-set") void event_make_set(const ocellus_text *, size_t, result_u32 *);
IMPORT("event", "test") int32_t event_test(ocellus_field, int32_t, ocellus_set);
IMPORT("host", "log") void host_log(int32_t, const char *, size_t);

_Static_assert(sizeof(result_u32) == 12, "result<u32, string>");
_Static_assert(sizeof(option_text) == 12, "option<string>");
_Static_assert(sizeof(option_number) == 16, "option<u64>");

/* ---- Memory ------------------------------------------------------------ */

/* All memory is one arena that only grows. What an event allocates is given
 * back before the next event; what ocellus_configure allocates stays. */
extern uint8_t __heap_base;
static uintptr_t arena_next;
static uintptr_t arena_event_start;

#define PAGE_BYTES 65536

static void *arena_take(size_t size, size_t align) {
    if (arena_next == 0)
        arena_next = (uintptr_t)&__heap_base;
    uintptr_t start = (arena_next + align - 1) & ~(uintptr_t)(align - 1);
    uintptr_t end = start + size;
    if (start < arena_next || end < start)
        __builtin_trap();
    uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE_BYTES;
    if (end > have) {
        size_t pages = (end - have + PAGE_BYTES - 1) / PAGE_BYTES;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1)
            __builtin_trap(); /* the rule's memory budget is used up */
    }
    arena_next = end;
    return (void *)start;
}

/* The compiler calls these for copies of structures. */
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *out = to;
    for (const uint8_t *in = from; size > 0; size--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, size_t size) {
    for (uint8_t *out = to; size > 0; size--)
        *out++ = (uint8_t)value;
    return to;
}

void *ocellus_alloc(size_t size) { return memset(arena_take(size, 8), 0, size); }

__attribute__((export_name("cabi_realloc"))) void *
cabi_realloc(void *old, size_t old_size, size_t align, size_t new_size) {
    if (new_size == 0)
        return (void *)align; /* any aligned address will do */
    void *memory = arena_take(new_size, align);
    if (old_size > 0)
        memcpy(memory, old, old_size < new_size ? old_size : new_size);
    return memory;
}

/* ---- Configuration ------------------------------------------------------ */

static ocellus_text failure;

typedef struct {
    uint8_t is_error;
    union {
        ocellus_metadata value;
        ocellus_text error;
    };
} result_metadata;

_Static_assert(sizeof(result_metadata) == 12, "result<metadata, string>");

__attribute__((weak)) bool ocellus_configure(ocellus_text config) {
    (void)config;
    return true;
}

__attribute__((export_name("configure"))) result_metadata *configure(const char *data,
                                                                     size_t size) {
    static result_metadata answer;
    failure = (ocellus_text)OCELLUS_TEXT("the rule refused its configuration");
    answer.is_error = !ocellus_configure((ocellus_text){data, size});
    if (answer.is_error)
        answer.error = failure;
    else
        answer.value = ocellus_rule;
    arena_event_start = arena_next;
    return &answer;
}

bool ocellus_fail(ocellus_text reason) {
    failure = reason;
    return false;
}

static bool accept(result_u32 answer, uint32_t *value) {
    if (answer.is_error)
        return ocellus_fail(answer.error);
    *value = answer.value;
    return true;
}

bool ocellus_resolve(ocellus_text name, ocellus_field *field) {
    result_u32 answer;
    event_resolve(name.data, name.size, &answer);
    return accept(answer, field);
}

bool ocellus_make_set(ocellus_texts texts, ocellus_set *set) {
    result_u32 answer;
    event_make_set(texts.data, texts.size, &answer);
    return accept(answer, set);
}

/* ---- Events ------------------------------------------------------------- */

bool ocellus_get_text(ocellus_field field, ocellus_text *text) {
    option_text answer;
    event_text(field, &answer);
    if (answer.is_some)
        *text = answer.value;
    return answer.is_some;
}

bool ocellus_get_number(ocellus_field field, uint64_t *number) {
    option_number answer;
    event_number(field, &answer);
    if (answer.is_some)
        *number = answer.value;
    return answer.is_some;
}

ocellus_texts ocellus_get_texts(ocellus_field field) {
    ocellus_texts answer;
    event_texts(field, &answer);
    return answer;
}

bool ocellus_test(ocellus_field field, ocellus_match how, ocellus_set set) {
    return event_test(field, how, set) != 0;
}

void ocellus_log(ocellus_level level, ocellus_text message) {
    host_log(level, message.data, message.size);
}

/* ---- Verdicts ------------------------------------------------------------ */

enum { VERDICT_TAG, VERDICT_ALERT, VERDICT_DROP };

typedef struct {
    uint32_t rule;
    uint8_t verdict;
    union {
        ocellus_texts tag;
        struct {
            uint8_t severity;
            ocellus_text message;
            ocellus_texts tags;
        } alert;
    };
} hit;

_Static_assert(sizeof(hit) == 28, "record hit");
_Static_assert(offsetof(hit, alert.message) == 12, "record alert");

static hit hits[OCELLUS_HITS];
static struct {
    hit *data;
    size_t size;
} answer;

__attribute__((export_name("on-event"))) void *on_event(void) {
    arena_next = arena_event_start;
    answer.data = hits;
    answer.size = 0;
    ocellus_on_event();
    return &answer;
}

static void add(hit hit) {
    if (answer.size < OCELLUS_HITS)
        hits[answer.size++] = hit;
}

/* A command line may have megabytes; a longer answer is a fault of the rule. */
#define MESSAGE_BYTES 1024

void ocellus_alert(uint32_t rule, uint8_t severity, ocellus_text message) {
    if (message.size > MESSAGE_BYTES) {
        message.size = MESSAGE_BYTES;
        while (message.size > 0 && (message.data[message.size] & 0xC0) == 0x80)
            message.size--; /* not within a character */
    }
    add((hit){
        .rule = rule,
        .verdict = VERDICT_ALERT,
        .alert = {.severity = severity > 100 ? 100 : severity, .message = message},
    });
}

void ocellus_tag(uint32_t rule, ocellus_text tag) {
    ocellus_text *kept = ocellus_alloc(sizeof(tag));
    *kept = tag;
    add((hit){.rule = rule, .verdict = VERDICT_TAG, .tag = {kept, 1}});
}

void ocellus_drop(uint32_t rule) { add((hit){.rule = rule, .verdict = VERDICT_DROP}); }

/* ---- Texts ---------------------------------------------------------------- */

static bool same(const char *a, const char *b, size_t size) {
    for (; size > 0; size--)
        if (*a++ != *b++)
            return false;
    return true;
}

bool ocellus_equal(ocellus_text a, ocellus_text b) {
    return a.size == b.size && same(a.data, b.data, a.size);
}

bool ocellus_starts_with(ocellus_text text, ocellus_text start) {
    return text.size >= start.size && same(text.data, start.data, start.size);
}

bool ocellus_ends_with(ocellus_text text, ocellus_text end) {
    return text.size >= end.size && same(text.data + text.size - end.size, end.data, end.size);
}

bool ocellus_contains(ocellus_text text, ocellus_text part) {
    for (size_t at = 0; at + part.size <= text.size; at++)
        if (same(text.data + at, part.data, part.size))
            return true;
    return false;
}

ocellus_text ocellus_concat(const ocellus_text *parts, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    char *text = ocellus_alloc(size), *end = text;
    for (size_t i = 0; i < count; i++) {
        memcpy(end, parts[i].data, parts[i].size);
        end += parts[i].size;
    }
    return (ocellus_text){text, size};
}
