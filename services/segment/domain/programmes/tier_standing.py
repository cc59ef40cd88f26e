"""Where a customer stands in a programme, and when that must be looked at again: a function of orders and a moment.

Between two instants that `due_at` names, and without events, nothing of a standing changes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Literal, NamedTuple

import msgspec

from services.segment.domain.programmes.definition import (
    AtAnniversary,
    AtOnce,
    CalendarPeriod,
    MembershipYear,
    Programme,
    Rolling,
)
from services.segment.domain.programmes.path import Path, Point, kept, path_of, reached
from services.segment.domain.programmes.rates import NO_RATES, Rates
from services.segment.domain.programmes.windows import (
    END_OF_TIME,
    START_OF_TIME,
    counts_until,
    day_in,
    later,
    next_anniversary,
    next_year,
)


class QualifyingOrder(msgspec.Struct, frozen=True, order=True):
    """An order that counts: when, what was paid and not refunded, and what of that is above the costs, if known."""

    placed_at: datetime
    net_minor: int
    currency: str
    margin_minor: int | None = None


class TierOverride(msgspec.Struct, frozen=True, kw_only=True):
    """A tier that somebody gave a customer by hand, from a moment until another, or until it is taken back.

    `at_least`: a higher tier that is reached counts; `exactly`: none does. A tier that the programme does not have
    (any more) has no effect.
    """

    tier: str
    set_at: datetime
    expires_at: datetime | None = None
    mode: Literal["at_least", "exactly"] = "at_least"


class CountedOrder(NamedTuple):
    """From when until when an order counts, and for what; None if nobody can tell."""

    since: datetime
    until: datetime
    value: int | None
    order: QualifyingOrder


class TierStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's tier at a moment.

    `figure` is what counts towards the tiers; `since` is None for whoever never had another. `downgrade_at` is when the
    tier ends if nothing is bought, and `warned` whether that is near, as the programme says. `due_at` is the earliest
    instant at which any of this may change by itself.
    """

    tier: str
    figure: int
    reason: str
    since: datetime | None = None
    by_hand: bool = False
    downgrade_at: datetime | None = None
    downgrade_to: str | None = None
    warned: bool = False
    due_at: datetime | None = None


def tier(
    programme: Programme,
    orders: Sequence[QualifyingOrder],
    now: datetime,
    *,
    override: TierOverride | None = None,
    rates: Rates = NO_RATES,
) -> TierStanding:
    """Returns where a customer with these orders stands in a programme, at `now`. The order of orders is of no matter.

    Orders after `now` do not count yet, and no downgrade that is to come goes by them.
    """
    made = [one for one in orders if one.placed_at <= now]
    joined = _joined(programme, made)
    counted = list(_counted(programme, made, joined, rates))
    earned = _earned(programme, counted, joined)
    path = earned if override is None else _overlaid(programme, earned, override)
    here = max(place for place, one in enumerate(path) if one.at <= now)
    rank = path[here].rank
    fall = next((one for one in path[here + 1 :] if one.rank < rank), None)
    warned_at = later(fall.at, -programme.warn_days) if fall and programme.warn_days else None
    instants = [one.at for one in (*earned, *path)] + ([warned_at] if warned_at else [])
    if len(made) < len(orders):
        instants += [one.placed_at for one in orders]
    if override is not None:
        instants += override.set_at, override.expires_at or END_OF_TIME
    instants += [one.until for one in counted]
    recent = [one for one in counted if now < one.until]
    figure = sum(one.value for one in recent if one.value is not None)
    by_hand = override is not None and _is_active(programme, override, now)
    return TierStanding(
        tier=programme.tiers[rank].name,
        figure=figure,
        reason=_reason(programme, figure, recent, rank=_rank_at(earned, now), by_hand=by_hand),
        since=None if path[here].at == START_OF_TIME else path[here].at,
        by_hand=by_hand,
        downgrade_at=fall.at if fall else None,
        downgrade_to=programme.tiers[fall.rank].name if fall else None,
        warned=warned_at is not None and warned_at <= now,
        due_at=min((at for at in instants if now < at < END_OF_TIME), default=None),
    )


def _counted(
    programme: Programme, orders: Sequence[QualifyingOrder], joined: date, rates: Rates
) -> Iterator[CountedOrder]:
    window, zone = programme.window, programme.zone
    for one in orders:
        until = counts_until(window, zone, one.placed_at, joined)
        yield CountedOrder(one.placed_at, until, _value(programme, one, rates), one)


def _joined(programme: Programme, orders: Sequence[QualifyingOrder]) -> date:
    """The day of the first order, where anything goes by it."""
    if not orders or not isinstance(programme.window, MembershipYear) | isinstance(programme.downgrade, AtAnniversary):
        return date.min
    return day_in(programme.zone, min(one.placed_at for one in orders))


def _value(programme: Programme, order: QualifyingOrder, rates: Rates) -> int | None:
    """What an order counts for; None if nobody can tell."""
    if programme.basis == "orders":
        return 1
    amount = order.net_minor if programme.basis == "spend" else order.margin_minor
    if amount is None or order.currency == programme.currency:
        return amount
    return rates.convert(amount, order.currency, programme.currency, order.placed_at.date())


def _earned(programme: Programme, counted: Sequence[CountedOrder], joined: date) -> Path:
    if not counted:
        return [Point(START_OF_TIME, 0)]
    path = reached(programme, counted)
    if isinstance(programme.downgrade, AtOnce):
        return path

    def review(after: datetime) -> datetime:
        if isinstance(programme.downgrade, AtAnniversary) and programme.downgrade.of == "calendar":
            return next_year(programme.zone, after)
        return next_anniversary(programme.zone, joined, after)

    return kept(programme, path, review)


def _overlaid(programme: Programme, path: Path, override: TierOverride) -> Path:
    by_hand = programme.rank(override.tier)
    if by_hand < 0:
        return path
    bounds = {override.set_at, override.expires_at or END_OF_TIME}
    found: Path = []
    for at in sorted({*(one.at for one in path), *bounds}):
        rank = _rank_at(path, at)
        if _is_active(programme, override, at):
            rank = by_hand if override.mode == "exactly" else max(rank, by_hand)
        found.append(Point(at, rank))
    return path_of(found)


def _is_active(programme: Programme, override: TierOverride, at: datetime) -> bool:
    until = override.expires_at or END_OF_TIME
    return programme.rank(override.tier) >= 0 and override.set_at <= at < until


def _rank_at(path: Path, at: datetime) -> int:
    return next(one.rank for one in reversed(path) if one.at <= at)


def _reason(programme: Programme, figure: int, recent: Sequence[CountedOrder], *, rank: int, by_hand: bool) -> str:
    what = f"{figure} orders" if programme.basis == "orders" else f"{figure} minor units of {programme.currency}"
    if programme.basis == "margin":
        what += " of margin"
    reached_now = max((n for n, one in enumerate(programme.tiers) if figure >= one.at_least), default=0)
    parts = [f"{what} {_within(programme)}"]
    parts += _not_counted(programme, recent)
    if rank > reached_now:
        parts.append(f"{programme.tiers[rank].name} is kept for now")
    if by_hand:
        parts.append("set by hand")
    return "; ".join(parts)


def _within(programme: Programme) -> str:
    match programme.window:
        case Rolling(days=days):
            return f"in {days} days"
        case CalendarPeriod(unit=unit):
            return f"in this {unit}"
        case MembershipYear():
            return "in this year of membership"
    return "ever"


def _not_counted(programme: Programme, recent: Iterable[CountedOrder]) -> Iterator[str]:
    elsewhere: Counter[str] = Counter()
    unknown = 0
    for one in recent:
        amount = one.order.margin_minor if programme.basis == "margin" else one.order.net_minor
        if one.value is not None:
            continue
        if amount is None:
            unknown += 1
        else:
            elsewhere[one.order.currency] += amount
    found = ", ".join(f"{amount} of {currency}" for currency, amount in sorted(elsewhere.items()) if amount)
    if found:
        yield f"not counted: {found}"
    if unknown:
        yield f"not counted: {unknown} orders of unknown costs"
