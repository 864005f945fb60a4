"""What a rule wants done with an event."""

from dataclasses import dataclass, field

#: Severity of an alert that is worth knowing, on its own not worth a look.
LOW = 21
#: Severity of an alert that someone should look at when there is time.
MEDIUM = 47
#: Severity of an alert that someone should look at today.
HIGH = 73
#: Severity of an alert that someone should look at now.
CRITICAL = 99

#: Longest message, in bytes. Longer ones are cut: a command line may have megabytes.
MESSAGE_BYTES = 1024


@dataclass
class Alert:
    """Something that a person should look at."""

    severity: int
    message: str
    tags: list[str] = field(default_factory=list)


@dataclass
class Tag:
    """Add these tags to the event."""

    tags: list[str]


@dataclass
class Drop:
    """Do not deliver the event."""


Verdict = Alert | Tag | Drop


def alert(severity: int, message: str, *tags: str) -> Alert:
    """Mark the event as an alert. `severity` is 0 to 100; `message` is one line that says what
    happened, and is cut at 1,024 bytes."""
    if len(message) * 4 > MESSAGE_BYTES and len(encoded := message.encode()) > MESSAGE_BYTES:
        # Three bytes less make room for the sign that something is missing.
        message = encoded[: MESSAGE_BYTES - 3].decode(errors="ignore") + "…"
    return Alert(max(0, min(severity, 100)), message, list(tags))


def tag(*tags: str) -> Tag:
    """Add tags to the event."""
    return Tag(list(tags))


def drop_event() -> Drop:
    """Do not deliver the event. The rule must ask for this, with `drops = True`."""
    return Drop()
