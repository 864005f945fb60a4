"""Write to the sensor's log, under the name of the rule. Lines are cut at 1,024 bytes, and limited
in rate."""

from . import host


def _write(level: str, message: str) -> None:
    try:
        from wit_world.imports.types import Level
    except ImportError:
        from .stand_in import Level
    host.host.log(Level[level], message)


def debug(message: str) -> None:
    """Write a line that is of use only while a rule is written."""
    _write("DEBUG", message)


def info(message: str) -> None:
    """Write a line that is worth knowing."""
    _write("INFO", message)


def warn(message: str) -> None:
    """Write a line about something that is not as it should be."""
    _write("WARN", message)


def error(message: str) -> None:
    """Write a line about something that failed."""
    _write("ERROR", message)
