"""Where a customer stands: tier, lifecycle stage and RFM, as pure functions of orders and a moment.

`standing` also says when it has to be asked again although nothing happens: `due_at`. Between two instants that it
names, and without events, a standing does not change (a property test holds it to that).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

from services.segment.domain.programmes.definition import Programme, ProgrammeTier, Rolling
from services.segment.domain.programmes.tier_standing import QualifyingOrder, TierStanding, tier
from services.segment.domain.programmes.windows import later
from shared.errors import AppError

SCORES: Final = (1, 2, 3, 4, 5)


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
    """What the stages and scores mean; data, kept in the table `policies`, whose versions never change.

    Its tiers are those of the release before programmes; they became version 1 of the programme `default`. `tiers`
    rise by `from_minor` and begin at 0. Cut points split into five scores: recency in days, fewer is better;
    frequency in orders and monetary in minor units, more is better, both over the tier window.
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
    """Where a customer stands at a moment, and when that must be looked at again.

    The tier is that of the programme `default`, by its version `tier_version`; what else is of it is as in
    `TierStanding`.
    """

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
    tier_version: int | None = 1
    tier_figure: int | None = None
    tier_since: datetime | None = None
    tier_by_hand: bool = False
    downgrade_at: datetime | None = None
    downgrade_to: str | None = None
    downgrade_warned: bool = False


def standing(
    policy: Policy,
    purchases: Sequence[Purchase],
    now: datetime,
    in_tier: TierStanding | None = None,
    *,
    tier_version: int = 1,
) -> Standing:
    """Returns the standing of a customer with these purchases, at `now`. Purchases after `now` do not count yet.

    `in_tier` is where they are in the programme `default`; without it, the policy's own tiers count.
    """
    if in_tier is None:
        in_tier = tier(programme_of(policy), [_qualifying(policy, one) for one in purchases], now)
    made = sorted(one for one in purchases if one.placed_at <= now)
    window = timedelta(days=policy.tier_window_days)
    recent = [one for one in made if one.placed_at > now - window]
    spend = sum(one.net_minor for one in recent)
    stage, stage_reason = _stage(policy, made, now)
    last = made[-1].placed_at if made else None
    return Standing(
        tier=in_tier.tier,
        stage=stage,
        recency=None if last is None else 5 - _cuts_passed(policy.recency_cuts, (now - last) // timedelta(days=1)),
        frequency=None if last is None else 1 + _cuts_passed(policy.frequency_cuts, len(recent)),
        monetary=None if last is None else 1 + _cuts_passed(policy.monetary_cuts, spend),
        orders=len(made),
        window_spend_minor=spend,
        last_order_at=last,
        due_at=min((at for at in _instants(policy, purchases, made, in_tier) if at > now), default=None),
        tier_reason=in_tier.reason,
        stage_reason=stage_reason,
        tier_version=tier_version,
        tier_figure=in_tier.figure,
        tier_since=in_tier.since,
        tier_by_hand=in_tier.by_hand,
        downgrade_at=in_tier.downgrade_at,
        downgrade_to=in_tier.downgrade_to,
        downgrade_warned=in_tier.warned,
    )


@lru_cache(maxsize=16)
def programme_of(policy: Policy) -> Programme:
    """Returns the programme that a policy's tiers are."""
    return Programme(
        currency=policy.currency,
        window=Rolling(days=policy.tier_window_days),
        tiers=tuple(ProgrammeTier(name=one.name, at_least=one.from_minor) for one in policy.tiers),
    )


def purchase(policy: Policy, order: QualifyingOrder) -> Purchase:
    """Returns an order as the policy counts it."""
    if order.currency == policy.currency:
        return Purchase(order.placed_at, order.net_minor)
    return Purchase(order.placed_at, 0, order.currency, order.net_minor)


def _qualifying(policy: Policy, one: Purchase) -> QualifyingOrder:
    if one.currency:
        return QualifyingOrder(one.placed_at, one.elsewhere_minor, one.currency)
    return QualifyingOrder(one.placed_at, one.net_minor, policy.currency)


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


def _instants(
    policy: Policy, purchases: Sequence[Purchase], made: Sequence[Purchase], in_tier: TierStanding
) -> Iterator[datetime]:
    """Every moment at which passing time alone may change something."""
    if in_tier.due_at is not None:
        yield in_tier.due_at
    for one in purchases:
        yield one.placed_at
        yield later(one.placed_at, policy.tier_window_days)
    if made:
        last = made[-1].placed_at
        for days in (policy.new_days, policy.at_risk_days, policy.churned_days, *policy.recency_cuts):
            yield later(last, days)


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
