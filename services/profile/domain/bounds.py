"""Bounds of a profile's state that keep it a join.

Each keeps the least n of a set by an order of its keys alone, which never change: of two joined sets the least n are
among the least n of each, and what went once would go again, whatever is stated of it later.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from heapq import nsmallest
from typing import Any, Final, TypeVar

from shared.contracts.consent import CHANNELS, pair_of
from shared.contracts.events import MARKETING
from shared.contracts.identity import Namespace

MAX_PUBLIC_REFUSALS: Final = 20  # that public keys say of one anonymous id; the others are kept as one
MAX_VISITORS: Final = 100  # of whom public keys say that they withdraw something; likewise
MAX_PAIRS: Final = 100  # that trusted sources speak of; others are not agreed to
MAX_PAIR_LENGTH: Final = 200  # characters as it is spelt; what is longer is not agreed to
MAX_NAMES: Final = 100  # under which one pair is granted; and under which it is withdrawn: then for good
MAX_VOUCHED: Final = 1_000  # anonymous ids that trusted sources linked; then the no of any other counts, too
MAX_VERIFIED: Final = 1_000  # addresses known to be verified; others are not
MAX_JOINED: Final = 1_000  # pairs of names stated to be one customer's; then nobody's word is anybody else's

_Value = TypeVar("_Value")
_RANKS: Final = {namespace.value: rank for rank, namespace in enumerate(Namespace)}


def least(values: dict[str, _Value], most: int, *, order: Callable[[str], Any] | None = None) -> dict[str, _Value]:
    """Returns so many of these, the least by name."""
    if len(values) <= most:
        return values
    return {name: values[name] for name in nsmallest(most, values, key=order)}


def beyond(names: Iterable[str], most: int, *, order: Callable[[str], Any] | None = None) -> list[str]:
    """Returns the others: all but so many least."""
    return sorted(names, key=order)[most:]


def least_pairs(pairs: dict[str, dict[str, datetime]], most: int) -> dict[str, dict[str, datetime]]:
    """Returns so many of the pairs of an outer and an inner name, the least."""
    if sum(map(len, pairs.values())) <= most:
        return pairs
    found: dict[str, dict[str, datetime]] = {}
    for one, two in nsmallest(most, ((one, two) for one, some in pairs.items() for two in some)):
        found.setdefault(one, {})[two] = pairs[one][two]
    return found


def usual_first(spelt: str) -> tuple[bool, bool, str]:
    """Returns the order of a pair: marketing by the known channels comes first, so that nothing pushes it out."""
    channel, purpose = pair_of(spelt)
    return purpose != MARKETING, channel not in CHANNELS, spelt


def strongest_first(name: str) -> tuple[int, str]:
    """Returns the order of a name under which something is stated: the strongest first."""
    return _RANKS.get(name.partition(":")[0].partition("@")[0], -1), name


def gone(before: Mapping[str, Any], added: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Returns how many names, or names within names, are in neither of two joined parts' union."""
    return len((_keys(before) | _keys(added)) - _keys(after)) if added else 0


def _keys(part: Mapping[str, Any]) -> set[tuple[str, ...]]:
    return {
        key
        for name, some in part.items()
        for key in ([(name, inner) for inner in some] if isinstance(some, dict) else [(name,)])
    }
