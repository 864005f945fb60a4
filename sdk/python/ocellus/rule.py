"""Who a rule is, and which events it wants to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from .event import Event
from .field import Field, Number
from .verdict import Verdict


@dataclass(frozen=True)
class Term:
    """A test of one field that the sensor runs natively."""

    field: str
    #: `one-of`, `prefix`, `suffix`, `contains`, `range` or `present`.
    how: str
    #: Texts of the first four, the two bounds of a range.
    values: tuple[str, ...] | tuple[int, int] = ()


@dataclass(frozen=True)
class Interest:
    """Which events a rule wants to see: those for which all terms pass. The sensor evaluates them
    natively, much faster than it can call a rule. Each method gives a new interest with one term
    more."""

    kinds: tuple[str, ...] = ()
    terms: tuple[Term, ...] = field(default=())

    @classmethod
    def of(cls, *kinds: str) -> Interest:
        """Events of these kinds, for example `process.exit`; of every kind when there is none."""
        return cls(kinds)

    @classmethod
    def exec(cls) -> Interest:
        """Executions."""
        return cls(("process.exec",))

    def _and(self, field: Field, how: str, values: tuple) -> Interest:
        return Interest(self.kinds, (*self.terms, Term(field.name, how, values)))

    def one_of(self, field: Field, *texts: str) -> Interest:
        """And the field is one of these."""
        return self._and(field, "one-of", texts)

    def starts_with(self, field: Field, *texts: str) -> Interest:
        """And the field starts with one of these."""
        return self._and(field, "prefix", texts)

    def ends_with(self, field: Field, *texts: str) -> Interest:
        """And the field ends with one of these."""
        return self._and(field, "suffix", texts)

    def contains(self, field: Field, *texts: str) -> Interest:
        """And the field contains one of these."""
        return self._and(field, "contains", texts)

    def between(self, field: Number, least: int, most: int) -> Interest:
        """And the number lies between these two, both included."""
        return self._and(field, "range", (least, most))

    def present(self, field: Field) -> Interest:
        """And the event has the field."""
        return self._and(field, "present", ())


class Rule:
    """A detection rule. Events come in order, and never two at a time: a rule may keep state."""

    #: Stable and unique on a host: lower-case letters, digits and `-`, at most 64 bytes.
    id: ClassVar[str]
    #: A short title for people.
    name: ClassVar[str]
    #: What it detects, in a sentence or two.
    description: ClassVar[str] = ""
    version: ClassVar[str] = "0.1.0"
    #: MITRE ATT&CK techniques, for example `T1059.004`.
    attack: ClassVar[list[str]] = []
    #: What is known to set it off without harm.
    false_positives: ClassVar[list[str]] = []
    #: It may also drop events, where the operator grants that.
    drops: ClassVar[bool] = False
    #: It may see the environment of processes, where the operator grants that.
    environment: ClassVar[bool] = False
    #: The rule sees an event that one of these lets through; every event when there is none.
    interests: ClassVar[list[Interest]] = []

    def configure(self, config: dict) -> None:
        """Take the configuration, once, before the first event. Raise `ValueError` to refuse it:
        the version before stays in force."""

    def on_event(self, event: Event) -> Verdict | None:
        """Judge the event. None lets it pass."""
        raise NotImplementedError

    def save_state(self) -> bytes | None:
        """What the rule keeps in its attributes, for its next version. What it keeps in
        `ocellus.state` needs none of this."""
        return None

    def load_state(self, saved: bytes) -> None:
        """Take over what a version before saved, after `configure`. Raise `ValueError` to begin
        without it."""
