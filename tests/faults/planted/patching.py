"""Putting a bug in the place of what is right."""

from types import ModuleType
from typing import Any


def patch(module: ModuleType, **wrong: Any) -> None:
    """Replaces names of a module; a bug whose place has gone is not planted, and must not pass for one."""
    for name, value in wrong.items():
        if not hasattr(module, name):
            raise AttributeError(f"{module.__name__}.{name} has gone: this bug is not planted")
        setattr(module, name, value)
