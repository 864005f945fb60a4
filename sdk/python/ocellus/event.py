"""The event that is being judged."""

from . import host
from .field import Field, Flag, Number, Text, Texts
from .sets import Set

_MATCH = host.event.Match


class Event:
    """The current event. Nothing is copied until it is asked for; ask once and keep the answer when
    you need it twice."""

    __slots__ = ()

    def text(self, field: Text) -> str | None:
        """A text field. None when the event does not have it."""
        return host.event.text(field.number)

    def number(self, field: Number | Flag) -> int | None:
        """A number or a time (nanoseconds since the epoch); a flag, as 0 or 1. None when the event
        does not have it."""
        return host.event.number(field.number)

    def flag(self, field: Flag) -> bool:
        """Whether the event has the flag and it is set."""
        return host.event.number(field.number) == 1

    def texts(self, field: Texts) -> list[str]:
        """All values of a field that holds several texts. Empty when the event does not have it."""
        return host.event.texts(field.number)

    def many(self, *fields: Text) -> list[str | None]:
        """Several text fields in one call, which is cheaper than one by one."""
        return host.event.many([field.number for field in fields])

    def is_one_of(self, field: Field, texts: Set) -> bool:
        """Compare inside the sensor: nothing is copied. A field of several texts passes when one
        of them does; a field that the event does not have never passes."""
        return host.event.test(field.number, _MATCH.ONE_OF, texts.number)

    def starts_with(self, field: Field, texts: Set) -> bool:
        """Whether the field starts with one of these; see `is_one_of`."""
        return host.event.test(field.number, _MATCH.PREFIX, texts.number)

    def ends_with(self, field: Field, texts: Set) -> bool:
        """Whether the field ends with one of these; see `is_one_of`."""
        return host.event.test(field.number, _MATCH.SUFFIX, texts.number)

    def contains(self, field: Field, texts: Set) -> bool:
        """Whether the field contains one of these; see `is_one_of`."""
        return host.event.test(field.number, _MATCH.CONTAINS, texts.number)
