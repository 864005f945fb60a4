"""Other processes than the one that the event is about, by their entity id.

The sensor knows those that run, and those that ended up to some seconds ago. `wit/processes.wit`
lists the fields that it gives.
"""

from . import host
from .field import Flag, Number, Text, Texts


def ancestors(entity_id: str) -> list[str]:
    """Entity ids of a process's ancestors, the parent first; at most 64. Empty when the process or
    its parent is not known."""
    return host.processes.ancestors(entity_id)


def text(entity_id: str, field: Text) -> str | None:
    """A text field of a process. None when the process or the value is not known."""
    return host.processes.text(entity_id, field.number)


def number(entity_id: str, field: Number | Flag) -> int | None:
    """A number, a flag as 0 or 1, or a time, of a process."""
    return host.processes.number(entity_id, field.number)


def texts(entity_id: str, field: Texts) -> list[str]:
    """A field of several texts of a process."""
    return host.processes.texts(entity_id, field.number)
