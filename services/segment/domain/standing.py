"""Where a customer stands: tier, lifecycle stage and RFM, as pure functions of orders and a moment.

`standing` also says when it has to be asked again although nothing happens: `due_at`. Between two instants that it
names, and without events, a standing does not change (a property test holds it to that).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import msgspec

from shared.errors import AppError

SCORES: Final = (1, 2, 3, 4, 5)
END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)


class InvalidPolicy(AppError):
    """The policy of tiers and stages can't be meant."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR  # no request can be blamed for it


class Stage(StrEnum):
    """The lifecycle stages."""

    PROSPECT = "prospect"
    NEW = "new"
    ACTIVE = "active"
    LOYAL = "loyal"
    RETURNING = "returning"
    AT_RISK = "at_risk"
    CHURNED = "churned"


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A tier and the spend it takes, in minor units of the policy's currency."""

    name: str
    from_minor: int


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the tiers and stages mean; data, kept in the table `policies`, whose versions never change.

    `tiers` rise by `from_minor` and begin at 0. Cut points split into five scores: recency in days, fewer is
    better; frequency in orders and monetary in minor units, more is better, both over the tier window.
    """

    currency: str
    tiers: tuple[Tier, ...]
    tier_window_days: int
    new_days: int
    loyal_orders: int
    at_risk_days: int
    churned_days: int
    recency_cuts: tuple[int, int, int, int]
    frequency_cuts: tuple[int, int, int, int]
    monetary_cuts: tuple[int, int, int, int]

    def rank(self, tier: str) -> int:
        """Returns a tier's place, from 0; -1 for one that the policy does not have (any more)."""
        return next((n for n, one in enumerate(self.tiers) if one.name == tier), -1)


DEFAULT_POLICY_VERSION: Final = 1  # to be raised with every change of the policy
DEFAULT_POLICY: Final = Policy(
    currency="USD",
    tiers=(
        Tier(name="bronze", from_minor=0),
        Tier(name="silver", from_minor=100_00),
        Tier(name="gold", from_minor=250_00),
        Tier(name="diamond", from_minor=1_000_00),
    ),
    tier_window_days=365,
    new_days=30,
    loyal_orders=4,
    at_risk_days=90,
    churned_days=180,
    recency_cuts=(30, 90, 180, 365),
    frequency_cuts=(2, 3, 5, 8),
    monetary_cuts=(50_00, 100_00, 250_00, 1_000_00),
)


class Purchase(msgspec.Struct, frozen=True, order=True):
    """One order that counts: when, and what was paid and not refunded, in the policy's currency.

    Of an order in another currency that is 0; `elsewhere_minor` of `currency` is what was paid.
    """

    placed_at: datetime
    net_minor: int
    currency: str = ""
    elsewhere_minor: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a customer stands at a moment, and when that must be looked at again."""

    tier: str
    stage: Stage
    recency: int | None
    frequency: int | None
    monetary: int | None
    orders: int
    window_spend_minor: int
    last_order_at: datetime | None
    due_at: datetime | None
    tier_reason: str
    stage_reason: str


def standing(policy: Policy, purchases: Sequence[Purchase], now: datetime) -> Standing:
    """Returns the standing of a customer with these purchases, at `now`. Purchases after `now` do not count yet."""
    made = sorted(one for one in purchases if one.placed_at <= now)
    window = timedelta(days=policy.tier_window_days)
    recent = [one for one in made if one.placed_at > now - window]
    spend = sum(one.net_minor for one in recent)
    tier = next(one for one in reversed(policy.tiers) if spend >= one.from_minor or one is policy.tiers[0])
    stage, stage_reason = _stage(policy, made, now)
    last = made[-1].placed_at if made else None
    return Standing(
        tier=tier.name,
        stage=stage,
        recency=None if last is None else 5 - _cuts_passed(policy.recency_cuts, (now - last) // timedelta(days=1)),
        frequency=None if last is None else 1 + _cuts_passed(policy.frequency_cuts, len(recent)),
        monetary=None if last is None else 1 + _cuts_passed(policy.monetary_cuts, spend),
        orders=len(made),
        window_spend_minor=spend,
        last_order_at=last,
        due_at=min((at for at in _instants(policy, sorted(purchases), made) if at > now), default=None),
        tier_reason=f"{spend} minor units of {policy.currency} in {policy.tier_window_days} days{_not_counted(recent)}",
        stage_reason=stage_reason,
    )


def _not_counted(recent: Iterable[Purchase]) -> str:
    elsewhere: Counter[str] = Counter()
    for one in recent:
        if one.currency:
            elsewhere[one.currency] += one.elsewhere_minor
    found = ", ".join(f"{amount} of {currency}" for currency, amount in sorted(elsewhere.items()) if amount)
    return f"; not counted: {found}" if found else ""


def _stage(policy: Policy, made: Sequence[Purchase], now: datetime) -> tuple[Stage, str]:
    if not made:
        return Stage.PROSPECT, "no order yet"
    last = made[-1].placed_at
    silence = (now - last) // timedelta(days=1)
    if silence >= policy.churned_days:
        return Stage.CHURNED, f"{policy.churned_days} days without an order"
    if silence >= policy.at_risk_days:
        return Stage.AT_RISK, f"{policy.at_risk_days} days without an order"
    if len(made) > 1 and last - made[-2].placed_at >= timedelta(days=policy.at_risk_days):
        return Stage.RETURNING, f"ordered again after {(last - made[-2].placed_at).days} days"
    if len(made) >= policy.loyal_orders:
        return Stage.LOYAL, f"{len(made)} orders"
    if len(made) == 1 and now - last < timedelta(days=policy.new_days):
        return Stage.NEW, "the first order"
    return Stage.ACTIVE, f"{len(made)} orders, the last less than {policy.at_risk_days} days ago"


def _instants(policy: Policy, purchases: Sequence[Purchase], made: Sequence[Purchase]) -> Iterator[datetime]:
    """Every moment at which passing time alone may change something."""
    for one in purchases:
        yield one.placed_at
        yield _later(one.placed_at, policy.tier_window_days)
    if made:
        last = made[-1].placed_at
        for days in (policy.new_days, policy.at_risk_days, policy.churned_days, *policy.recency_cuts):
            yield _later(last, days)


def _later(moment: datetime, days: int) -> datetime:
    """Returns the moment so many days on; the calendar's end where that lies beyond it."""
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return END_OF_TIME


def _cuts_passed(cuts: Sequence[int], value: int) -> int:
    return sum(value >= cut for cut in cuts)


def validate(policy: Policy) -> None:
    """Raises `InvalidPolicy`, saying what is wrong, for a policy that can't be meant."""
    if not policy.currency:
        raise InvalidPolicy("currency: must not be empty")
    names = [tier.name for tier in policy.tiers]
    if "" in names or len(set(names)) < len(names):
        raise InvalidPolicy("tiers: names must be given, and be different")
    amounts = [tier.from_minor for tier in policy.tiers]
    if not amounts or amounts[0] != 0 or amounts != sorted(set(amounts)):
        raise InvalidPolicy("tiers: must begin at 0 and rise")
    for name in ("tier_window_days", "new_days", "loyal_orders"):
        if getattr(policy, name) < 1:
            raise InvalidPolicy(f"{name}: must be at least 1")
    if not 0 < policy.at_risk_days < policy.churned_days:
        raise InvalidPolicy("at_risk_days: must be positive and less than churned_days")
    for name in ("recency_cuts", "frequency_cuts", "monetary_cuts"):
        cuts = getattr(policy, name)
        if list(cuts) != sorted(set(cuts)):
            raise InvalidPolicy(f"{name}: must rise")
