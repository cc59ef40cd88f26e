"""What is wrong with a definition: where, and what to write instead."""

from collections.abc import Collection
from difflib import get_close_matches

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, or for a warning may be. `at` is a JSON pointer into the definition.

    `line` counts the lines of a text at that place from 1; it is 0 where there is no such text.
    """

    at: str
    message: str
    warning: bool = False
    line: int = 0


def nearest(name: str, known: Collection[str]) -> str:
    """Returns ` (did you mean …?)` where one of these names is close to it; else an empty text."""
    close = get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
