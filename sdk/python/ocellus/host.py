"""What the sensor offers: its own functions inside a component, a stand-in outside one."""

try:
    from wit_world.imports import event, host, processes, state
except ImportError:
    from .stand_in import event, host, processes, state

try:
    from componentize_py_types import Err
except ImportError:
    from .stand_in import Err

__all__ = ["Err", "event", "host", "processes", "state"]
