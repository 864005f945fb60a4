"""Fields: ECS names, and the numbers under which the sensor knows them."""

from . import host, log

#: A number that no field has: the sensor finds no value under it.
UNKNOWN = 2**32 - 1


class Field:
    """A field of events. `ocellus.fields` has each one of the field table."""

    __slots__ = ("name", "_number")

    def __init__(self, name: str):
        self.name = name
        self._number: int | None = None

    @property
    def number(self) -> int:
        """The sensor's number for the field, asked for once. A sensor that is older than the
        rule may not know the field; then no event has it, and the log says so."""
        if self._number is None:
            try:
                self._number = host.event.resolve(self.name)
            except host.Err as why:
                log.warn(f"this sensor has no field {self.name}: {why.value}")
                self._number = UNKNOWN
        return self._number

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Text(Field):
    """A field that holds a text."""

    __slots__ = ()


class Texts(Field):
    """A field that holds several texts."""

    __slots__ = ()


class Number(Field):
    """A field that holds a number."""

    __slots__ = ()


class Time(Number):
    """A time, in nanoseconds since the epoch."""

    __slots__ = ()


class Flag(Field):
    """A field that holds yes or no."""

    __slots__ = ()
