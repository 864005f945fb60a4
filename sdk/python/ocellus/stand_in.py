"""A stand-in for the sensor, so that rules run natively in tests. Fields and sets are their own
numbers here: a field's number is its place in the list of those that were asked for."""

from enum import Enum


class Err(Exception):
    """An error of the sensor."""

    def __init__(self, value: str):
        super().__init__(value)
        self.value = value


class Level(Enum):
    """How loud a log line is."""

    DEBUG = 0
    INFO = 1
    WARN = 2
    ERROR = 3


def _first_text(value) -> str | None:
    return value if isinstance(value, str) else None


def _number(value) -> int | None:
    return int(value) if isinstance(value, int) else None


def _texts(value) -> list[str]:
    if isinstance(value, list):
        return list(value)
    return [value] if isinstance(value, str) else []


class _Event:
    """Stands for the interface `event`."""

    class Match(Enum):
        ONE_OF = 0
        PREFIX = 1
        SUFFIX = 2
        CONTAINS = 3

    def __init__(self):
        self.names: list[str] = []
        self.sets: list[list[str]] = []
        #: Values of the current event, by name; None when there is none.
        self.values: dict | None = None

    def _value(self, field: int):
        if self.values is None:
            raise AssertionError("there is an event only inside `on_event`")
        return self.values.get(self.names[field])

    def resolve(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def text(self, field: int) -> str | None:
        return _first_text(self._value(field))

    def number(self, field: int) -> int | None:
        return _number(self._value(field))

    def texts(self, field: int) -> list[str]:
        return _texts(self._value(field))

    def many(self, fields: list[int]) -> list[str | None]:
        return [self.text(field) for field in fields]

    def make_set(self, texts: list[str]) -> int:
        self.sets.append(list(texts))
        return len(self.sets) - 1

    def test(self, field: int, how: Match, number: int) -> bool:
        return any(passes(text, how.value, self.sets[number]) for text in self.texts(field))


def passes(text: str, how: int, texts: list[str]) -> bool:
    """Whether a text passes a test with some texts, by the number of the test."""
    tests = [str.__eq__, str.startswith, str.endswith, str.__contains__]
    return any(tests[how](text, other) for other in texts)


class _Processes:
    """Stands for the interface `processes`."""

    def __init__(self):
        self.known: dict[str, dict] = {}

    def _value(self, entity_id: str, field: int):
        return self.known.get(entity_id, {}).get(event.names[field])

    def ancestors(self, entity_id: str) -> list[str]:
        return _texts(self.known.get(entity_id, {}).get("ocellus.ancestors.entity_id"))[:64]

    def text(self, entity_id: str, field: int) -> str | None:
        return _first_text(self._value(entity_id, field))

    def number(self, entity_id: str, field: int) -> int | None:
        return _number(self._value(entity_id, field))

    def texts(self, entity_id: str, field: int) -> list[str]:
        return _texts(self._value(entity_id, field))


class _State:
    """Stands for the interface `state`. Its time is that of the current event."""

    def __init__(self):
        self.kept: dict[str, tuple[bytes, int | None]] = {}

    def _now_ns(self) -> int:
        return (event.values or {}).get("@timestamp") or 0

    def _ends_ns(self, ttl_ms: int) -> int | None:
        return self._now_ns() + ttl_ms * 1_000_000 if ttl_ms else None

    def get(self, key: str) -> bytes | None:
        value, ends_ns = self.kept.get(key, (None, None))
        return None if ends_ns is not None and ends_ns <= self._now_ns() else value

    def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        if len(key.encode()) > 256:
            raise Err("the key has more than 256 bytes")
        if len(value) > 64 << 10:
            raise Err("the value has more than 64 KiB")
        self.kept[key] = (bytes(value), self._ends_ns(ttl_ms))

    def remove(self, key: str) -> None:
        self.kept.pop(key, None)

    def add(self, key: str, amount: int, ttl_ms: int) -> int:
        before = self.get(key)
        ends_ns = self.kept[key][1] if before is not None else None
        if before is None or len(before) != 8:
            before, ends_ns = bytes(8), self._ends_ns(ttl_ms)
        value = min(int.from_bytes(before, "little") + amount, 2**64 - 1)
        self.set(key, value.to_bytes(8, "little"), 0)
        self.kept[key] = (self.kept[key][0], ends_ns)
        return value


class _Host:
    """Stands for the interface `host`."""

    def __init__(self):
        self.lines: list[tuple[str, str]] = []

    def log(self, level: Level, message: str) -> None:
        self.lines.append((level.name.lower(), message))


event = _Event()
processes = _Processes()
state = _State()
host = _Host()
