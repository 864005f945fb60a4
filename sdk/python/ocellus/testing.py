"""Test a rule natively, without a sensor.

    import unittest
    from ocellus.testing import FakeEvent, Tester
    from rule import Netcat

    class NetcatTest(unittest.TestCase):
        def test_netcat_alerts_and_others_pass(self):
            rule = Tester(Netcat())
            alert = rule.expect_alert(FakeEvent.exec("/usr/bin/nc", "nc", "-l"))
            self.assertEqual(alert.message, "user started nc -l")
            rule.expect_pass(FakeEvent.exec("/usr/bin/ls", "ls"))
"""

from __future__ import annotations

from . import fields, stand_in
from .event import Event
from .field import Field, Flag, Number, Text, Texts
from .rule import Interest, Rule, Term
from .verdict import Alert, Verdict

#: Longest command name that the kernel keeps, in bytes.
COMM_BYTES = 15
#: Time of an event that is given none: 2026-01-01T00:00:00Z, ns since the epoch.
FIRST_EVENT_NS = 1_767_225_600_000_000_000


def _comm(path: str) -> str:
    return path.rsplit("/", 1)[-1].encode()[:COMM_BYTES].decode(errors="ignore")


class FakeEvent:
    """An event with the fields that a test gives it, and no others."""

    def __init__(self, *kinds: str):
        self.values: dict = {"ocellus.kinds": list(kinds), "@timestamp": FIRST_EVENT_NS}

    @classmethod
    def exec(cls, executable: str, *args: str) -> FakeEvent:
        """An ordinary execution by `user`, from a shell."""
        event = cls("process.fork", "process.exec")
        event = event.set(fields.PROCESS_EXECUTABLE, executable)
        event = event.set(fields.PROCESS_NAME, _comm(executable))
        event = event.set(fields.PROCESS_ARGS, list(args)).set(fields.PROCESS_PID, 4321)
        event = event.set(fields.PROCESS_COMMAND_LINE, " ".join(args))
        event = event.set(fields.PROCESS_ENTITY_ID, "fake-process")
        for field in (fields.USER_ID, fields.USER_EFFECTIVE_ID):
            event = event.set(field, "1000")
        for field in (fields.USER_NAME, fields.USER_EFFECTIVE_NAME):
            event = event.set(field, "user")
        return event.parent("/usr/bin/bash")

    def set(self, field: Field, value: str | list[str] | int | bool) -> FakeEvent:
        """A copy with another value. One of the wrong type is an error of the test."""
        wanted = {Text: str, Texts: list, Flag: bool, Number: int}
        kind = next(python for own, python in wanted.items() if isinstance(field, own))
        if not isinstance(value, kind):
            raise TypeError(f"{field!r} does not hold {value!r}")
        copy = FakeEvent()
        copy.values = {**self.values, field.name: value}
        return copy

    def without(self, field: Field) -> FakeEvent:
        """A copy that lacks a field."""
        copy = FakeEvent()
        copy.values = {name: value for name, value in self.values.items() if name != field.name}
        return copy

    def parent(self, executable: str) -> FakeEvent:
        """A copy with another parent."""
        event = self.set(fields.PROCESS_PARENT_EXECUTABLE, executable)
        event = event.set(fields.PROCESS_PARENT_NAME, _comm(executable))
        return event.set(fields.PROCESS_PARENT_ENTITY_ID, f"fake-parent-{executable}")

    def user(self, name: str) -> FakeEvent:
        """A copy by another user; `root` has the id 0."""
        event = self.set(fields.USER_NAME, name).set(fields.USER_EFFECTIVE_NAME, name)
        user_id = "0" if name == "root" else "1000"
        return event.set(fields.USER_ID, user_id).set(fields.USER_EFFECTIVE_ID, user_id)

    def ancestors(self, *names: str) -> FakeEvent:
        """A copy with these command names above it, the parent first."""
        return self.set(fields.OCELLUS_ANCESTORS_NAME, list(names))

    def after_ms(self, milliseconds: int) -> FakeEvent:
        """A copy that happened later."""
        return self.set(fields.TIMESTAMP, self.values["@timestamp"] + milliseconds * 1_000_000)


def _passes(term: Term, values: dict) -> bool:
    value = values.get(term.field)
    if term.how == "present":
        return value is not None
    if term.how == "range":
        return isinstance(value, int) and term.values[0] <= value <= term.values[1]
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    how = ["one-of", "prefix", "suffix", "contains"].index(term.how)
    return any(stand_in.passes(text, how, list(term.values)) for text in texts)


def _wants(interest: Interest, event: FakeEvent) -> bool:
    kinds = event.values.get("ocellus.kinds", [])
    is_kind = not interest.kinds or any(kind in kinds for kind in interest.kinds)
    return is_kind and all(_passes(term, event.values) for term in interest.terms)


class Tester:
    """Judges events with one rule, as the sensor does: only those that its interests want. It
    begins without state, processes and log lines."""

    def __init__(self, rule: Rule, config: dict | None = None):
        stand_in.state.kept.clear()
        stand_in.processes.known.clear()
        stand_in.host.lines.clear()
        self.rule = rule
        rule.configure(config or {})

    def add_process(self, entity_id: str, event: FakeEvent) -> None:
        """Let the rule find a process, with the fields of an event about it."""
        stand_in.processes.known[entity_id] = event.values

    def log(self) -> list[tuple[str, str]]:
        """Level and text of the lines that the rule has logged."""
        return list(stand_in.host.lines)

    def judge(self, event: FakeEvent) -> Verdict | None:
        """What the rule says; None also when its interests do not want the event."""
        interests = self.rule.interests
        if interests and not any(_wants(interest, event) for interest in interests):
            return None
        stand_in.event.values = event.values
        try:
            return self.rule.on_event(Event())
        finally:
            stand_in.event.values = None

    def expect_alert(self, event: FakeEvent) -> Alert:
        """The alert on this event; an error of the test when there is none."""
        verdict = self.judge(event)
        if not isinstance(verdict, Alert):
            raise AssertionError(f"expected an alert, got {verdict!r}")
        return verdict

    def expect_pass(self, event: FakeEvent) -> None:
        """The event passes; an error of the test when it does not."""
        verdict = self.judge(event)
        if verdict is not None:
            raise AssertionError(f"expected the event to pass, got {verdict!r}")
