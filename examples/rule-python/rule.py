"""Alerts when netcat is started, and says by whom.

Build it with `ocellus rules build .`.
"""

from ocellus import MEDIUM, Event, Interest, Rule, Verdict, alert, fields


class Netcat(Rule):
    id = "example-netcat-python"
    name = "Netcat was started"
    description = "Any start of netcat"
    attack = ["T1095"]
    interests = [Interest.exec().one_of(fields.PROCESS_NAME, "nc", "ncat", "netcat")]

    def on_event(self, event: Event) -> Verdict | None:
        user = event.text(fields.USER_NAME) or "someone"
        command = event.text(fields.PROCESS_COMMAND_LINE) or "netcat"
        return alert(MEDIUM, f"{user} started {command}")


RULES = [Netcat()]
