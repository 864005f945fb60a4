"""Sets of texts that the sensor keeps, so that comparing copies nothing."""

from . import host, log
from .field import UNKNOWN


class Set:
    """A set of texts for `Event.test`. Make it where a module or a class begins, not in `on_event`:
    an instance may have 64."""

    __slots__ = ("texts", "_number")

    def __init__(self, *texts: str):
        self.texts = list(texts)
        self._number: int | None = None

    @property
    def number(self) -> int:
        """The sensor's number for the set, which is handed over once. One that it refuses is
        empty, and the log says so."""
        if self._number is None:
            try:
                self._number = host.event.make_set(self.texts)
            except host.Err as why:
                log.error(f"this sensor refuses a set of {len(self.texts)} texts: {why.value}")
                self._number = UNKNOWN
        return self._number
