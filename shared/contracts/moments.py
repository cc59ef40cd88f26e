"""The moments that an event may speak of.

Nothing that a shop's systems know happened before the earliest or will happen after the latest; what lies beyond is
the default of a language, a broken clock or a wrong unit (year 1, 1601, microseconds). The bounds stand far enough from
the ends of Python's calendar, and of PostgreSQL's, that windows of years can be added and taken away.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)  # the first moment that is too late

BOUNDS: Final = f"from {EARLIEST:%Y-%m-%d} to before {LATEST:%Y-%m-%d}"


def is_plausible(moment: datetime) -> bool:
    """Returns whether an aware moment lies within the bounds."""
    return EARLIEST <= moment < LATEST


def implausible_field(struct: Any, names: Iterable[str]) -> str | None:
    """Returns the first of these fields whose moment has no zone or lies outside the bounds; None if all are right."""
    for name in names:
        value = getattr(struct, name)
        if isinstance(value, datetime) and (value.tzinfo is None or not is_plausible(value)):
            return name
    return None
