"""Claims about how often an event happened: what lies in a window lies in every window around it, too."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from services.segment.domain.conditions.compare import COMPARE
from services.segment.domain.conditions.kinds.did import Did
from services.segment.domain.conditions.possible.claims import Claim
from services.segment.domain.conditions.window import Window
from shared.contracts.property_filter import PropertyFilter

_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class _Count(msgspec.Struct, eq=False):
    """What is counted, what is claimed of the number, and the least that it can be."""

    window: Window | None
    where: frozenset[PropertyFilter]
    claims: list[Claim]
    least: int = 0

    def allows(self, number: int) -> bool:
        if number and _is_empty(self.window):
            return False
        return all(COMPARE[one.leaf.op](number, one.leaf.times) in one.answers for one in self.claims)  # type: ignore[attr-defined]

    def from_(self, least: int) -> int | None:
        """Returns the least number, from this one, that the claims allow."""
        bounds = {least, *(one.leaf.times + step for one in self.claims for step in (0, 1))}  # type: ignore[attr-defined]
        return next((one for one in sorted(bounds) if one >= least and self.allows(one)), None)


def any_counts(claims: Sequence[Claim]) -> bool:
    """Returns whether the numbers of one event's happenings can be as these claims say."""
    counts: dict[tuple[Window | None, frozenset[PropertyFilter]], _Count] = {}
    for one in claims:
        assert isinstance(one.leaf, Did)
        window, where = one.leaf.window, frozenset(one.leaf.where)
        if window is not None and window.after and None in one.answers:
            continue  # where the other event never was
        counts.setdefault((window, where), _Count(window, where, [])).claims.append(one)
    around = {
        (one, other) for one in counts.values() for other in counts.values() if one is not other and _within(one, other)
    }
    return _grown(list(counts.values()), around)


def _grown(counts: Sequence[_Count], around: set[tuple[_Count, _Count]]) -> bool:
    """Returns whether there is a number for each count, none less than that of what lies in it: the least are found."""
    changed = True
    while changed:
        changed = False
        for one in counts:
            inner = max((other.least for other in counts if (other, one) in around), default=0)
            least = one.from_(max(inner, one.least))
            if least is None:
                return False
            changed = changed or least != one.least
            one.least = least
    return True


def _within(one: _Count, other: _Count) -> bool:
    """Returns whether all that one counts counts for the other, too, at every moment."""
    return one.where >= other.where and _inside(one.window, other.window)


def _inside(one: Window | None, other: Window | None) -> bool:
    if other is None or one == other:
        return True
    if one is None or one.after or other.after:
        return False
    if one.span is not None or other.span is not None:
        return one.span is not None and other.span is not None and one.span <= other.span
    first, last = _bounds(one)
    outer_first, outer_last = _bounds(other)
    return outer_first <= first and last <= outer_last


def _bounds(window: Window) -> tuple[datetime, datetime]:
    first, last = window.bounds
    return first or _FIRST, last or _LAST


def _is_empty(window: Window | None) -> bool:
    if window is None or not (window.since and window.until):
        return False
    first, last = _bounds(window)
    return first >= last
