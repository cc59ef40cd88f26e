"""A version of the base's statistics, and what a customer scores by it.

A score is a function of a customer and a version, and of nothing else: recency counts to the version's own moment, so
that between two versions no score changes without an order. Versions are taken hourly (`due`).
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from services.segment.domain import abc, lifecycle, rfm
from services.segment.domain.abc import DEFAULT_RULE, AbcRule, Bounds, Class
from services.segment.domain.rfm import QUINTILES, TERTILES, Counts, Cuts, Scores

DAY: Final = timedelta(days=1)
LEAST_CUSTOMERS: Final = 100  # with an order; cut points of fewer tell nothing about anybody
MOST_PAUSE: Final = timedelta(hours=1)  # between two versions
LEAST_PAUSE: Final = timedelta(minutes=1)  # while the base is young: it may be an import under way
RHYTHM_AFTER: Final = timedelta(days=1)  # a base must have stood so long before it has a rhythm, which then may change


class ScoredBase(msgspec.Struct, frozen=True, kw_only=True):
    """Customers with an order, by what they score on (see `ScoredValues`); of those with a rhythm, by its days."""

    silence: Counts
    orders: Counts
    spend: Counts
    revenue: Counts
    rhythm: Counts

    @property
    def customers(self) -> int:
        """Returns how many there are."""
        return sum(self.silence.values())


class ScoreCuts(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the base's statistics, taken at a moment over what was paid in a currency. `curve`: see `abc`.

    `rhythm_days` is the shop's, None while it has none: the same since `rhythm_since`, looked at last at
    `rhythm_looked_at`.
    """

    version: int
    taken_at: datetime
    currency: str
    customers: int
    quintiles: Cuts
    tertiles: Cuts
    bounds: Bounds
    abc_rule: AbcRule = DEFAULT_RULE
    curve: tuple[int, ...] = ()
    groups_version: int = rfm.GROUPS_VERSION
    rhythm_days: int | None = None
    rhythm_since: datetime | None = None
    rhythm_looked_at: datetime | None = None


class ScoredValues(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer scores on: of all orders that count the last, their number and net amount.

    ABC is by `revenue_minor`, the net amount in the window of its rule.
    """

    last_order_at: datetime
    orders: int
    spend_minor: int
    revenue_minor: int


class CustomerScores(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer scores: quintiles with their group, ABC class, and whether they are a key customer."""

    scores: Scores
    group: str
    abc: Class
    key: bool


def silence_days(last_order_at: datetime, at: datetime) -> int:
    """Returns the whole days from an order until a moment; 0 where the order is later."""
    return max(0, (at - last_order_at) // DAY)


def scored(cuts: ScoreCuts, values: ScoredValues) -> CustomerScores:
    """Returns what a customer scores by a version."""
    scores = _scores(cuts, cuts.quintiles, values)
    return CustomerScores(
        scores=scores,
        group=rfm.group(scores),
        abc=abc.class_of(cuts.bounds, values.revenue_minor),
        key=abc.is_key(cuts.bounds, revenue=values.revenue_minor, orders=values.orders),
    )


def tertiles(cuts: ScoreCuts, values: ScoredValues) -> Scores:
    """Returns a customer's scores from 1 to 3."""
    return _scores(cuts, cuts.tertiles, values)


def _scores(cuts: ScoreCuts, points: Cuts, values: ScoredValues) -> Scores:
    return rfm.scored(
        points,
        silence=silence_days(values.last_order_at, cuts.taken_at),
        orders=values.orders,
        spend=values.spend_minor,
    )


def due(first: datetime | None, newest: ScoreCuts | None, now: datetime, *, currency: str) -> bool:
    """Returns whether a new version is due. `first` is when the first was taken.

    Hourly; while the base is young, after a minute, two, four, …; at once where the currency, ABC's rule or the groups
    are others.
    """
    if first is None or newest is None:
        return True
    if (newest.currency, newest.abc_rule, newest.groups_version) != (currency, DEFAULT_RULE, rfm.GROUPS_VERSION):
        return True
    return now - newest.taken_at >= min(max(newest.taken_at - first, LEAST_PAUSE), MOST_PAUSE)


def take(
    base: ScoredBase, newest: ScoreCuts | None, now: datetime, *, first: datetime | None, currency: str
) -> ScoreCuts | None:
    """Returns the next version, from the base as it is `now`; None where the base is too small for one.

    The shop's rhythm is looked at once a day: it says who is at risk, which must not change with every order.
    """
    if base.customers < LEAST_CUSTOMERS:
        return None
    known = newest.rhythm_days if newest else None
    looked_at = newest.rhythm_looked_at if newest else None
    rhythm_days = known
    if first is not None and now - (looked_at or first) >= RHYTHM_AFTER:
        rhythm_days, looked_at = lifecycle.shop_rhythm(base.rhythm, known), now
    since = newest.rhythm_since if newest else None
    return ScoreCuts(
        version=newest.version + 1 if newest else 1,
        taken_at=now,
        currency=currency,
        customers=base.customers,
        quintiles=rfm.cuts_of(base.silence, base.orders, base.spend, QUINTILES),
        tertiles=rfm.cuts_of(base.silence, base.orders, base.spend, TERTILES),
        bounds=abc.bounds(base.revenue),
        curve=abc.curve(base.revenue),
        rhythm_days=rhythm_days,
        rhythm_since=since if rhythm_days == known else now,
        rhythm_looked_at=looked_at,
    )
