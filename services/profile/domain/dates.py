"""The dated facts of a customer: what their events say of birthdays and the like, as a join.

Of each kind and label the statement of the greatest rank counts: of more trust, then one of the list `dated_facts`
before a plain trait (SDKs send the trait `birthday` with every call, and it knows no calendar), then the newest. That
there is no such day any more is a statement, too. The greatest `MAX_DATED` are kept: the rank of a kind and label only
grows, so of two joined sets the greatest n are among the greatest n of each.
"""

from collections.abc import Mapping
from heapq import nlargest
from typing import Any, Final, Literal

import msgspec

from shared.contracts import dated_facts
from shared.contracts.changes import DatedFact
from shared.contracts.envelope import Place, Stamp

MAX_DATED: Final = 20  # of a customer; the least go


class Dated(msgspec.Struct, frozen=True, array_like=True):
    """A statement of a dated fact. `date` is as in `DatedFact`; empty if there is no such day any more."""

    stamp: Stamp
    explicit: bool
    date: str = ""
    calendar: Literal["gregorian", "lunar"] = "gregorian"
    leap_month: bool = False

    @property
    def rank(self) -> tuple[int, bool, Place]:
        """Returns the place of a statement: the greater one counts."""
        return self.stamp.trust, self.explicit, self.stamp.place


def stated_by(traits: Mapping[str, Any], stamp: Stamp) -> dict[str, Dated]:
    """Returns what an event's traits say, by kind and label."""
    found: dict[str, Dated] = {}
    for one in dated_facts.stated(traits).statements:
        if one.fact is None:
            statement = Dated(stamp, one.explicit)
        else:
            statement = Dated(stamp, one.explicit, one.fact.date, one.fact.calendar, one.fact.leap_month)
        found[f"{one.kind}:{one.label}"] = statement
    return _greatest(found)


def merge(one: dict[str, Dated], other: dict[str, Dated]) -> dict[str, Dated]:
    """Returns the statements that count of both."""
    if not one or not other:
        return one or other
    joined = dict(one)
    for name, statement in other.items():
        mine = joined.get(name)
        if mine is None or mine.rank < statement.rank:
            joined[name] = statement
    return _greatest(joined)


def facts(dated: Mapping[str, Dated]) -> tuple[DatedFact, ...]:
    """Returns the facts that stand, by kind and label."""
    return tuple(_fact(name, statement) for name, statement in sorted(dated.items()) if statement.date)


def _fact(name: str, statement: Dated) -> DatedFact:
    kind, _, label = name.partition(":")
    return DatedFact(
        kind=kind, label=label, date=statement.date, calendar=statement.calendar, leap_month=statement.leap_month
    )


def _greatest(dated: dict[str, Dated]) -> dict[str, Dated]:
    if len(dated) <= MAX_DATED:
        return dated
    return {name: dated[name] for name in nlargest(MAX_DATED, dated, key=lambda name: (dated[name].rank, name))}
