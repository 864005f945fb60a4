/* Write Ocellus detection rules in C.
 *
 * A rule defines `ocellus_rule` (who it is and what it wants to see) and
 * `ocellus_on_event`, and may define `ocellus_configure`. It needs no C
 * library: `ocellus rules build DIR` compiles rule.c with clang, and adds
 * this file and ocellus.c itself.
 *
 * The structures that cross into the sensor have the layout of the component
 * model's canonical ABI for wit/types.wit; the assertions at the end hold it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef OCELLUS_H
#define OCELLUS_H

#include "ocellus_fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text: UTF-8, not ended by a zero byte. */
typedef struct {
    const char *data;
    size_t size; /* bytes */
} ocellus_text;

/* Several texts. */
typedef struct {
    const ocellus_text *data;
    size_t size;
} ocellus_texts;

/* A text of a string literal. */
#define OCELLUS_TEXT(literal) {(literal), sizeof(literal) - 1}

/* An array as a list: OCELLUS_LIST(array). */
#define OCELLUS_LIST(array) {(array), sizeof(array) / sizeof((array)[0])}

/* ---- Who the rule is and what it wants to see ------------------------- */

/* How a text is compared. */
typedef enum {
    OCELLUS_ONE_OF,   /* it is one of these */
    OCELLUS_PREFIX,   /* it starts with one of these */
    OCELLUS_SUFFIX,   /* it ends with one of these */
    OCELLUS_CONTAINS, /* it contains one of these */
} ocellus_match;

/* One test of a field that the sensor runs natively. A field that the event
 * does not have never passes. */
typedef struct {
    ocellus_text field; /* an ECS name, for example process.executable */
    uint8_t test;       /* an ocellus_match, OCELLUS_RANGE or OCELLUS_PRESENT */
    union {
        ocellus_texts texts; /* of an ocellus_match */
        struct {
            uint64_t from, to; /* of OCELLUS_RANGE, both included */
        } range;
    };
} ocellus_term;

enum { OCELLUS_RANGE = 4, OCELLUS_PRESENT = 5 };

/* All terms must pass. No kinds: every kind of event. */
typedef struct {
    ocellus_texts kinds; /* for example process.exec */
    struct {
        const ocellus_term *data;
        size_t size;
    } terms;
} ocellus_interest;

/* What a rule asks to be allowed to do. */
enum {
    OCELLUS_MAY_TAG = 1,
    OCELLUS_MAY_ALERT = 2,
    OCELLUS_MAY_DROP = 4,
    OCELLUS_MAY_SEE_ENVIRONMENT = 8, /* process.env_vars */
};

/* One rule of a component. */
typedef struct {
    ocellus_text id; /* unique on a host: a-z, 0-9 and -, at most 64 bytes */
    ocellus_text name;
    ocellus_text description;
    ocellus_text version;
    ocellus_texts attack; /* MITRE ATT&CK techniques, for example T1059.004 */
    ocellus_texts false_positives;
    uint8_t permissions; /* OCELLUS_MAY_... */
    /* The rule is called for an event that one of these lets through; for
     * every event when there is none. */
    struct {
        const ocellus_interest *data;
        size_t size;
    } interests;
} ocellus_rule_info;

/* The rules of a component. */
typedef struct {
    struct {
        const ocellus_rule_info *data;
        size_t size;
    } rules;
} ocellus_metadata;

/* ---- What a rule defines ---------------------------------------------- */

extern const ocellus_metadata ocellus_rule;

/* Once, before the first event: resolve fields, make sets, read the
 * configuration. To refuse it, give false; ocellus_fail says why. */
bool ocellus_configure(ocellus_text config);

/* Judge the current event. */
void ocellus_on_event(void);

/* ---- What a rule may call --------------------------------------------- */

typedef uint32_t ocellus_field;
typedef uint32_t ocellus_set;

typedef enum { OCELLUS_DEBUG, OCELLUS_INFO, OCELLUS_WARN, OCELLUS_ERROR } ocellus_level;

/* The usual steps of severity. */
enum { OCELLUS_LOW = 21, OCELLUS_MEDIUM = 47, OCELLUS_HIGH = 73, OCELLUS_CRITICAL = 99 };

/* The number of a field. In ocellus_configure only. When the sensor does not
 * know it, false, and the reason becomes that of ocellus_configure. */
bool ocellus_resolve(ocellus_text name, ocellus_field *field);

/* Hand a set of texts to the sensor. In ocellus_configure only. */
bool ocellus_make_set(ocellus_texts texts, ocellus_set *set);

/* Say why ocellus_configure gives false; it gives this function's answer. */
bool ocellus_fail(ocellus_text reason);

/* A text field. False when the event does not have it. What is read during an
 * event is valid until the event has been judged. */
bool ocellus_get_text(ocellus_field field, ocellus_text *text);

/* A number; a flag, as 0 or 1; a time, in nanoseconds since the epoch. */
bool ocellus_get_number(ocellus_field field, uint64_t *number);

/* All values of a field of several texts; none when the event lacks it. */
ocellus_texts ocellus_get_texts(ocellus_field field);

/* A text that an event may lack. */
typedef struct {
    uint8_t has;
    ocellus_text text;
} ocellus_maybe;

/* Several text fields in one call, in the order asked for. */
const ocellus_maybe *ocellus_get_many(const ocellus_field *fields, size_t count);

/* Compare inside the sensor: nothing is copied. */
bool ocellus_test(ocellus_field field, ocellus_match how, ocellus_set set);

/* Verdicts. `rule` is the position in ocellus_rule.rules; severity is 0 to
 * 100. A message is cut at 1,024 bytes. At most OCELLUS_HITS for an event,
 * further ones are left out. */
void ocellus_alert(uint32_t rule, uint8_t severity, ocellus_text message);
void ocellus_alert_tagged(uint32_t rule, uint8_t severity, ocellus_text message,
                          ocellus_texts tags);
void ocellus_tag(uint32_t rule, ocellus_text tag);
void ocellus_tags(uint32_t rule, ocellus_texts tags);
void ocellus_drop(uint32_t rule);

/* Most verdicts for an event: a few for each rule of a component. */
#define OCELLUS_HITS 16

/* The rules of a component of several that want the event, by their position.
 * A component of one rule need not ask. */
bool ocellus_wanted(uint32_t rule);

/* Other processes than the one that the event is about, by their entity id;
 * wit/processes.wit lists the fields that the sensor gives. */
ocellus_texts ocellus_ancestors(ocellus_text entity_id);
bool ocellus_text_of(ocellus_text entity_id, ocellus_field field, ocellus_text *text);
bool ocellus_number_of(ocellus_text entity_id, ocellus_field field, uint64_t *number);
ocellus_texts ocellus_texts_of(ocellus_text entity_id, ocellus_field field);

/* What the sensor keeps for the component, beyond faults and new versions of
 * it: bounded, what was not used for the longest time makes room. Time is that
 * of the events; a ttl of 0 is as long as there is room. False or 0 when there
 * is no value, or when a key (256 bytes) or a value (64 KiB) is too long. */
bool ocellus_state_get(ocellus_text key, ocellus_text *value);
bool ocellus_state_set(ocellus_text key, ocellus_text value, uint64_t ttl_ms);
void ocellus_state_remove(ocellus_text key);
uint64_t ocellus_state_add(ocellus_text key, uint64_t amount, uint64_t ttl_ms);

/* A line in the sensor's log. */
void ocellus_log(ocellus_level level, ocellus_text message);

/* Texts. */
ocellus_text ocellus_decimal(uint64_t number);
bool ocellus_equal(ocellus_text a, ocellus_text b);
bool ocellus_starts_with(ocellus_text text, ocellus_text start);
bool ocellus_ends_with(ocellus_text text, ocellus_text end);
bool ocellus_contains(ocellus_text text, ocellus_text part);
ocellus_text ocellus_concat(const ocellus_text *parts, size_t count);

/* Memory, zeroed; what is allocated during an event is gone after it. */
void *ocellus_alloc(size_t size);

/* ---- The layout that the sensor reads --------------------------------- */

_Static_assert(sizeof(ocellus_text) == 8, "string");
_Static_assert(sizeof(ocellus_maybe) == 12, "option<string>");
_Static_assert(sizeof(ocellus_term) == 32, "record term");
_Static_assert(offsetof(ocellus_term, texts) == 16, "payload of variant test");
_Static_assert(sizeof(ocellus_interest) == 16, "record interest");
_Static_assert(sizeof(ocellus_rule_info) == 60, "record rule-info");
_Static_assert(offsetof(ocellus_rule_info, permissions) == 48, "permissions");
_Static_assert(offsetof(ocellus_rule_info, interests) == 52, "interests");
_Static_assert(sizeof(ocellus_metadata) == 8, "record metadata");

#endif
