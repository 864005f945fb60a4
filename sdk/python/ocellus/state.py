"""What a component remembers beyond one event, kept by the sensor: it outlives faults and new
versions of the component.

It is bounded: what was not used for the longest time makes room. Time is that of the events. Rules
of one component share the keys, so begin them with the rule's id.
"""

from . import host, log

#: As long as there is room.
FOREVER = 0


def get(key: str) -> bytes | None:
    """The value of a key. None when there is none, or when its time is over."""
    return host.state.get(key)


def get_text(key: str) -> str | None:
    """The value of a key that holds a text."""
    value = host.state.get(key)
    return None if value is None else value.decode(errors="replace")


def count(key: str) -> int:
    """A counter's value; 0 when there is none, or when its time is over."""
    value = host.state.get(key)
    return int.from_bytes(value, "little") if value is not None and len(value) == 8 else 0


def set(key: str, value: bytes | str, ttl_ms: int) -> None:
    """Keep a value for some milliseconds from the current event on; `FOREVER`: as long as there is
    room. A key of more than 256 bytes, or a value of more than 64 KiB, is not kept, and the log
    says so."""
    try:
        host.state.set(key, value.encode() if isinstance(value, str) else value, ttl_ms)
    except host.Err as why:
        log.error(f"cannot keep the value of {key!r}: {why.value}")


def remove(key: str) -> None:
    """Forget a key."""
    host.state.remove(key)


def add(key: str, amount: int, ttl_ms: int) -> int:
    """Add to a counter and give its value. A counter ends some milliseconds after its first
    addition; `FOREVER`: it stays as long as there is room."""
    try:
        return host.state.add(key, amount, ttl_ms)
    except host.Err as why:
        log.error(f"cannot count {key!r}: {why.value}")
        return amount
