/* The golden component in C; see ../README.md. */
#include "ocellus.h"

#define TEXT(literal) ((ocellus_text)OCELLUS_TEXT(literal))

static const ocellus_text exec[] = {OCELLUS_TEXT("process.exec")};
static const ocellus_text exec_or_exit[] = {OCELLUS_TEXT("process.exec"),
                                            OCELLUS_TEXT("process.exit")};
static const ocellus_text names[] = {OCELLUS_TEXT("sh"), OCELLUS_TEXT("bash"),
                                     OCELLUS_TEXT("make"), OCELLUS_TEXT("名前")};
static const ocellus_text folders[] = {OCELLUS_TEXT("/usr/"), OCELLUS_TEXT("/opt/")};
static const ocellus_text scripts[] = {OCELLUS_TEXT(".sh"), OCELLUS_TEXT(".py")};
static const ocellus_text parts[] = {OCELLUS_TEXT("-"), OCELLUS_TEXT("é")};
static const ocellus_text shells[] = {OCELLUS_TEXT("sh"), OCELLUS_TEXT("bash"),
                                      OCELLUS_TEXT("dash")};
static const ocellus_text dash[] = {OCELLUS_TEXT("-")};
static const ocellus_text accents[] = {OCELLUS_TEXT("é"), OCELLUS_TEXT("日")};

static const ocellus_term programs[] = {
    {OCELLUS_TEXT(OCELLUS_FIELD_PROCESS_NAME), OCELLUS_ONE_OF, {OCELLUS_LIST(names)}},
    {OCELLUS_TEXT(OCELLUS_FIELD_PROCESS_EXECUTABLE), OCELLUS_PREFIX, {OCELLUS_LIST(folders)}},
};
static const ocellus_term options[] = {
    {OCELLUS_TEXT(OCELLUS_FIELD_PROCESS_EXECUTABLE), OCELLUS_SUFFIX, {OCELLUS_LIST(scripts)}},
    {OCELLUS_TEXT(OCELLUS_FIELD_PROCESS_ARGS), OCELLUS_CONTAINS, {OCELLUS_LIST(parts)}},
};
static const ocellus_term pids[] = {
    {OCELLUS_TEXT(OCELLUS_FIELD_PROCESS_PID), OCELLUS_RANGE, {.range = {10, 40}}},
    {.field = OCELLUS_TEXT(OCELLUS_FIELD_PROCESS_PARENT_ENTITY_ID), .test = OCELLUS_PRESENT},
};
static const ocellus_interest of_texts[] = {
    {OCELLUS_LIST(exec), OCELLUS_LIST(programs)},
    {.terms = OCELLUS_LIST(options)},
};
static const ocellus_interest of_numbers[] = {{OCELLUS_LIST(exec_or_exit), OCELLUS_LIST(pids)}};

enum { MAY = OCELLUS_MAY_TAG | OCELLUS_MAY_ALERT };
static const ocellus_rule_info rules[] = {
    {.id = OCELLUS_TEXT("golden-text"),
     .name = OCELLUS_TEXT("Golden texts"),
     .version = OCELLUS_TEXT("0.1.0"),
     .permissions = MAY,
     .interests = OCELLUS_LIST(of_texts)},
    {.id = OCELLUS_TEXT("golden-state"),
     .name = OCELLUS_TEXT("Golden state"),
     .version = OCELLUS_TEXT("0.1.0"),
     .permissions = MAY},
    {.id = OCELLUS_TEXT("golden-number"),
     .name = OCELLUS_TEXT("Golden numbers"),
     .version = OCELLUS_TEXT("0.1.0"),
     .permissions = MAY | OCELLUS_MAY_DROP,
     .interests = OCELLUS_LIST(of_numbers)},
};
const ocellus_metadata ocellus_rule = {.rules = OCELLUS_LIST(rules)};

static ocellus_field name, executable, rule_id, args, entity_id, parent_id, kinds, pid, exit_code,
    interactive;
static ocellus_set shell_set, dash_set, accent_set, script_set;

bool ocellus_configure(ocellus_text config) {
    (void)config;
    return ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_NAME), &name) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_EXECUTABLE), &executable) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_RULE_ID), &rule_id) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_ARGS), &args) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_ENTITY_ID), &entity_id) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_PARENT_ENTITY_ID), &parent_id) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_OCELLUS_KINDS), &kinds) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_PID), &pid) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_EXIT_CODE), &exit_code) &&
           ocellus_resolve(TEXT(OCELLUS_FIELD_PROCESS_INTERACTIVE), &interactive) &&
           ocellus_make_set((ocellus_texts)OCELLUS_LIST(shells), &shell_set) &&
           ocellus_make_set((ocellus_texts)OCELLUS_LIST(dash), &dash_set) &&
           ocellus_make_set((ocellus_texts)OCELLUS_LIST(accents), &accent_set) &&
           ocellus_make_set((ocellus_texts)OCELLUS_LIST(scripts), &script_set);
}

/* FNV-1a of texts, each with a zero byte after it. */
static uint32_t fnv1a(uint32_t value, ocellus_text text) {
    for (size_t i = 0; i < text.size; i++)
        value = (value ^ (uint8_t)text.data[i]) * 0x01000193;
    return value * 0x01000193;
}

enum { FNV1A = (int)0x811c9dc5 };

static ocellus_text hex(uint32_t number) {
    char *text = ocellus_alloc(8);
    for (int i = 7; i >= 0; i--, number >>= 4)
        text[i] = "0123456789abcdef"[number & 15];
    return (ocellus_text){text, 8};
}

#define CONCAT(...)                                                                               \
    ocellus_concat((const ocellus_text[]){__VA_ARGS__},                                           \
                   sizeof((const ocellus_text[]){__VA_ARGS__}) / sizeof(ocellus_text))

static void on_texts(void) {
    const ocellus_field asked[] = {name, executable, rule_id};
    const ocellus_maybe *all = ocellus_get_many(asked, 3);
    ocellus_text *tags = ocellus_alloc(4 * sizeof(ocellus_text));
    size_t count = 0;
    if (ocellus_test(name, OCELLUS_ONE_OF, shell_set))
        tags[count++] = TEXT("shell");
    if (ocellus_test(args, OCELLUS_PREFIX, dash_set))
        tags[count++] = TEXT("option");
    if (ocellus_test(args, OCELLUS_CONTAINS, accent_set))
        tags[count++] = TEXT("accent");
    if (ocellus_test(executable, OCELLUS_SUFFIX, script_set)) {
        uint32_t sum = fnv1a((uint32_t)FNV1A, all[0].has ? all[0].text : TEXT(""));
        sum = fnv1a(sum, all[1].has ? all[1].text : TEXT(""));
        sum = fnv1a(sum, all[2].has ? all[2].text : TEXT("none"));
        tags[count++] = CONCAT(TEXT("script "), hex(sum));
    }
    if (count > 0)
        ocellus_tags(0, (ocellus_texts){tags, count});
}

static void on_state(void) {
    ocellus_text entity, own_name = TEXT(""), parent = TEXT("");
    if (!ocellus_get_text(entity_id, &entity))
        return;
    ocellus_get_text(name, &own_name);
    ocellus_get_text(parent_id, &parent);
    ocellus_texts own_kinds = ocellus_get_texts(kinds), own_args = ocellus_get_texts(args);
    ocellus_text last_key = CONCAT(TEXT("last/"), own_name);
    for (size_t i = 0; i < own_kinds.size; i++)
        if (ocellus_equal(own_kinds.data[i], TEXT("process.exit")))
            ocellus_state_remove(last_key);
    uint64_t count = ocellus_state_add(CONCAT(TEXT("count/"), parent), 1, 5000);
    uint32_t sum = (uint32_t)FNV1A;
    for (size_t i = 0; i < own_args.size; i++)
        sum = fnv1a(sum, own_args.data[i]);
    sum = fnv1a(sum, own_name);
    ocellus_text before = TEXT("-"), last;
    if (ocellus_state_get(last_key, &last)) {
        uint32_t number = 0;
        for (int i = 3; i >= 0; i--)
            number = number << 8 | (uint8_t)last.data[i];
        before = hex(number);
    }
    char bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (char)(sum >> 8 * i);
    ocellus_state_set(last_key, (ocellus_text){bytes, 4}, 2000);
    if (count % 4 != 0 && sum % 7 != 0)
        return;
    uint64_t parent_pid = 0;
    ocellus_text parent_executable = TEXT("-"), space = TEXT(" ");
    ocellus_text_of(parent, executable, &parent_executable);
    ocellus_number_of(parent, pid, &parent_pid);
    ocellus_text message = CONCAT(
        own_name, space, ocellus_decimal(count), space, hex(sum), space, before, space,
        ocellus_decimal(ocellus_ancestors(entity).size), space, parent_executable, space,
        ocellus_decimal(parent_pid), space, ocellus_decimal(ocellus_texts_of(parent, args).size));
    ocellus_alert_tagged(1, (uint8_t)(sum % 101), message, own_kinds);
}

static void on_numbers(void) {
    uint64_t own_pid = 0, code, is_interactive = 0;
    ocellus_get_number(pid, &own_pid);
    if (own_pid % 5 == 0) {
        ocellus_get_number(interactive, &is_interactive);
        ocellus_text *tags = ocellus_alloc(2 * sizeof(ocellus_text));
        tags[0] = TEXT("five");
        tags[1] = CONCAT(TEXT("pid "), ocellus_decimal(own_pid),
                         is_interactive == 1 ? TEXT(" yes") : TEXT(" no"));
        ocellus_tags(2, (ocellus_texts){tags, 2});
    } else if (ocellus_get_number(exit_code, &code) && (own_pid + code) % 3 == 0) {
        ocellus_drop(2);
    }
}

void ocellus_on_event(void) {
    if (ocellus_wanted(0))
        on_texts();
    if (ocellus_wanted(1))
        on_state();
    if (ocellus_wanted(2))
        on_numbers();
}
