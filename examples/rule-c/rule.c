/* Alerts when netcat is started, and says by whom. Build it with
 * `ocellus rules build .`. */
#include "ocellus.h"

static const ocellus_text kinds[] = {OCELLUS_TEXT("process.exec")};
static const ocellus_text names[] = {
    OCELLUS_TEXT("nc"),
    OCELLUS_TEXT("ncat"),
    OCELLUS_TEXT("netcat"),
};
static const ocellus_term terms[] = {{
    .field = OCELLUS_TEXT("process.name"),
    .test = OCELLUS_ONE_OF,
    .texts = OCELLUS_LIST(names),
}};
static const ocellus_interest interests[] = {{
    .kinds = OCELLUS_LIST(kinds),
    .terms = OCELLUS_LIST(terms),
}};
static const ocellus_text attack[] = {OCELLUS_TEXT("T1095")};
static const ocellus_rule_info rules[] = {{
    .id = OCELLUS_TEXT("example-netcat-c"),
    .name = OCELLUS_TEXT("Netcat was started"),
    .description = OCELLUS_TEXT("Any start of netcat"),
    .version = OCELLUS_TEXT("0.1.0"),
    .attack = OCELLUS_LIST(attack),
    .permissions = OCELLUS_MAY_ALERT,
    .interests = OCELLUS_LIST(interests),
}};

const ocellus_metadata ocellus_rule = {.rules = OCELLUS_LIST(rules)};

static ocellus_field user_name, command_line;

bool ocellus_configure(ocellus_text config) {
    (void)config;
    return ocellus_resolve((ocellus_text)OCELLUS_TEXT("user.name"), &user_name) &&
           ocellus_resolve((ocellus_text)OCELLUS_TEXT("process.command_line"), &command_line);
}

void ocellus_on_event(void) {
    ocellus_text user = OCELLUS_TEXT("someone"), command = OCELLUS_TEXT("netcat");
    ocellus_get_text(user_name, &user);
    ocellus_get_text(command_line, &command);
    const ocellus_text message[] = {user, OCELLUS_TEXT(" started "), command};
    ocellus_alert(0, OCELLUS_MEDIUM, ocellus_concat(message, 3));
}
