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

typedef ocellus_maybe option_text;

typedef struct {
    uint8_t is_error;
    union {
        uint64_t value;
        ocellus_text error;
    };
} result_u64;

typedef struct {
    const ocellus_maybe *data;
    size_t size;
} list_maybe;

typedef struct {
    const uint32_t *data;
    size_t size;
} list_u32;

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
IMPORT("event", "many") void event_many(const ocellus_field *, size_t, list_maybe *);
IMPORT("event", "candidates") void event_candidates(list_u32 *);
IMPORT("processes", "ancestors") void of_ancestors(const char *, size_t, ocellus_texts *);
IMPORT("processes", "text") void of_text(const char *, size_t, ocellus_field, option_text *);
IMPORT("processes", "number") void of_number(const char *, size_t, ocellus_field, option_number *);
IMPORT("processes", "texts") void of_texts(const char *, size_t, ocellus_field, ocellus_texts *);
IMPORT("state", "get") void state_get(const char *, size_t, option_text *);
IMPORT("state", "set")
void state_set(const char *, size_t, const char *, size_t, uint64_t, result_u32 *);
IMPORT("state", "remove") void state_remove(const char *, size_t);
IMPORT("state", "add") void state_add(const char *, size_t, uint64_t, uint64_t, result_u64 *);
IMPORT("host", "log") void host_log(int32_t, const char *, size_t);

_Static_assert(sizeof(result_u32) == 12, "result<u32, string>");
_Static_assert(sizeof(result_u64) == 16, "result<u64, string>");
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

/* Events so far. */
static uint64_t events;

static bool give_text(option_text answer, ocellus_text *text) {
    if (answer.has)
        *text = answer.text;
    return answer.has;
}

static bool give_number(option_number answer, uint64_t *number) {
    if (answer.is_some)
        *number = answer.value;
    return answer.is_some;
}

bool ocellus_get_text(ocellus_field field, ocellus_text *text) {
    option_text answer;
    event_text(field, &answer);
    return give_text(answer, text);
}

bool ocellus_get_number(ocellus_field field, uint64_t *number) {
    option_number answer;
    event_number(field, &answer);
    return give_number(answer, number);
}

ocellus_texts ocellus_get_texts(ocellus_field field) {
    ocellus_texts answer;
    event_texts(field, &answer);
    return answer;
}

bool ocellus_test(ocellus_field field, ocellus_match how, ocellus_set set) {
    return event_test(field, how, set) != 0;
}

const ocellus_maybe *ocellus_get_many(const ocellus_field *fields, size_t count) {
    list_maybe answer;
    event_many(fields, count, &answer);
    return answer.data;
}

bool ocellus_wanted(uint32_t rule) {
    static list_u32 wanted;
    static uint64_t asked_at;
    if (asked_at != events) { /* once for each event */
        event_candidates(&wanted);
        asked_at = events;
    }
    for (size_t i = 0; i < wanted.size; i++)
        if (wanted.data[i] == rule)
            return true;
    return false;
}

void ocellus_log(ocellus_level level, ocellus_text message) {
    host_log(level, message.data, message.size);
}

/* ---- Other processes, and state ------------------------------------------- */

ocellus_texts ocellus_ancestors(ocellus_text id) {
    ocellus_texts answer;
    of_ancestors(id.data, id.size, &answer);
    return answer;
}

bool ocellus_text_of(ocellus_text id, ocellus_field field, ocellus_text *text) {
    option_text answer;
    of_text(id.data, id.size, field, &answer);
    return give_text(answer, text);
}

bool ocellus_number_of(ocellus_text id, ocellus_field field, uint64_t *number) {
    option_number answer;
    of_number(id.data, id.size, field, &answer);
    return give_number(answer, number);
}

ocellus_texts ocellus_texts_of(ocellus_text id, ocellus_field field) {
    ocellus_texts answer;
    of_texts(id.data, id.size, field, &answer);
    return answer;
}

bool ocellus_state_get(ocellus_text key, ocellus_text *value) {
    option_text answer;
    state_get(key.data, key.size, &answer);
    return give_text(answer, value);
}

bool ocellus_state_set(ocellus_text key, ocellus_text value, uint64_t ttl_ms) {
    result_u32 answer;
    state_set(key.data, key.size, value.data, value.size, ttl_ms, &answer);
    return !answer.is_error;
}

void ocellus_state_remove(ocellus_text key) { state_remove(key.data, key.size); }

uint64_t ocellus_state_add(ocellus_text key, uint64_t amount, uint64_t ttl_ms) {
    result_u64 answer;
    state_add(key.data, key.size, amount, ttl_ms, &answer);
    return answer.is_error ? 0 : answer.value;
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
    events++;
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
    ocellus_alert_tagged(rule, severity, message, (ocellus_texts){0});
}

void ocellus_alert_tagged(uint32_t rule, uint8_t severity, ocellus_text message,
                          ocellus_texts tags) {
    if (message.size > MESSAGE_BYTES) {
        message.size = MESSAGE_BYTES;
        while (message.size > 0 && (message.data[message.size] & 0xC0) == 0x80)
            message.size--; /* not within a character */
    }
    add((hit){
        .rule = rule,
        .verdict = VERDICT_ALERT,
        .alert = {severity > 100 ? 100 : severity, message, tags},
    });
}

void ocellus_tag(uint32_t rule, ocellus_text tag) {
    ocellus_text *kept = ocellus_alloc(sizeof(tag));
    *kept = tag;
    ocellus_tags(rule, (ocellus_texts){kept, 1});
}

void ocellus_tags(uint32_t rule, ocellus_texts tags) {
    add((hit){.rule = rule, .verdict = VERDICT_TAG, .tag = tags});
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

ocellus_text ocellus_decimal(uint64_t number) {
    char *text = ocellus_alloc(20), *end = text + 20, *start = end;
    do
        *--start = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return (ocellus_text){start, (size_t)(end - start)};
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
