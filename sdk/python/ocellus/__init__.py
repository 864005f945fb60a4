"""Write detection rules for the Ocellus sensor in Python.

A rule is a class with `on_event`; `rule.py` lists its rules in `RULES`:

    from ocellus import MEDIUM, Interest, Rule, alert, fields

    class Netcat(Rule):
        id = "netcat"
        name = "Netcat was started"
        attack = ["T1095"]
        interests = [Interest.exec().one_of(fields.PROCESS_NAME, "nc", "ncat")]

        def on_event(self, event):
            return alert(MEDIUM, f"netcat: {event.text(fields.PROCESS_COMMAND_LINE)}")

    RULES = [Netcat()]

`ocellus rules build` makes a component of it. `ocellus.testing` tests it without a sensor.
"""

from . import fields, log, processes, state
from .event import Event
from .rule import Interest, Rule
from .sets import Set
from .verdict import (
    CRITICAL,
    HIGH,
    LOW,
    MEDIUM,
    Alert,
    Drop,
    Tag,
    Verdict,
    alert,
    drop_event,
    tag,
)

__all__ = [
    "CRITICAL",
    "HIGH",
    "LOW",
    "MEDIUM",
    "Alert",
    "Drop",
    "Event",
    "Interest",
    "Rule",
    "Set",
    "Tag",
    "Verdict",
    "alert",
    "drop_event",
    "fields",
    "log",
    "processes",
    "state",
    "tag",
]
