"""Failpoints: named places between two durable effects, where a drill ends the process as SIGKILL would.

In production none is armed, and each costs one look at a variable that is None. `docs/reliability.md` lists them all,
each with the two effects that it separates; the fault tests kill a service at every one.
"""

import os
import signal
import sys
from collections.abc import Callable

_reached: Callable[[str], None] | None = None  # of the process, as the death that it brings is


def failpoint(name: str) -> None:
    """Ends the process here if a drill has armed this name; otherwise does nothing."""
    if _reached is not None:
        _reached(name)


def arm(spec: str) -> None:
    """Arms `name`, or `name@3` for the third time that it is reached; an empty text arms nothing.

    The process says `failpoint.fired NAME` on standard error and dies by SIGKILL: nothing is flushed, closed or
    rolled back. Raises `ValueError` for an invalid count.
    """
    global _reached
    wanted, _, count = spec.partition("@")
    left = int(count or "1")
    if left < 1:
        raise ValueError(f"{spec}: count from 1")

    def reached(name: str) -> None:
        nonlocal left
        if name != wanted:
            return
        left -= 1
        if left == 0:
            os.write(sys.stderr.fileno(), f"failpoint.fired {name}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    _reached = reached if wanted else None
