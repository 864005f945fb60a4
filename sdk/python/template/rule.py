"""Alerts when netcat is started, and says by whom.

Build it with `ocellus rules build .`.
"""

import wit_world
from wit_world.imports import event
from wit_world.imports.types import (
    Alert,
    Hit,
    Interest,
    Metadata,
    Permissions,
    RuleInfo,
    Term,
    Test_OneOf,
    Verdict_Alert,
)

MEDIUM = 47

# Numbers of fields. Kept here and not in the object, which is made anew for each call.
numbers: dict[str, int] = {}


class WitWorld(wit_world.WitWorld):
    def configure(self, config: str) -> Metadata:
        for name in ("user.name", "process.command_line"):
            numbers[name] = event.resolve(name)
        return Metadata(
            rules=[
                RuleInfo(
                    id="{{name}}",
                    name="Netcat was started",
                    description="Any start of netcat",
                    version="0.1.0",
                    attack=["T1095"],
                    false_positives=[],
                    permissions=Permissions.ALERT,
                )
            ],
            interests=[
                Interest(
                    kinds=["process.exec"],
                    terms=[Term("process.name", Test_OneOf(["nc", "ncat", "netcat"]))],
                )
            ],
        )

    def on_event(self) -> list[Hit]:
        user = event.text(numbers["user.name"]) or "someone"
        command = event.text(numbers["process.command_line"]) or "netcat"
        alert = Alert(severity=MEDIUM, message=f"{user} started {command}", tags=[])
        return [Hit(rule=0, verdict=Verdict_Alert(alert))]
