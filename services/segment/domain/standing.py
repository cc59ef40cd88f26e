"""Where a customer stands: tier, lifecycle stage and RFM, as pure functions of orders and a moment.

`standing` also says when it has to be asked again although nothing happens: `due_at`. Between two instants that it
names, and without events, a standing does not change (a property test holds it to that).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

from services.segment.domain import abc, lifecycle, rfm, scores
from services.segment.domain.lifecycle import Life, Thresholds
from services.segment.domain.lifecycle import Stage as Stage
from services.segment.domain.programmes.definition import Programme, ProgrammeTier, Rolling
from services.segment.domain.programmes.tier_standing import QualifyingOrder, TierStanding, tier
from services.segment.domain.programmes.windows import later
from services.segment.domain.scores import ScoreCuts, ScoredValues
from shared.errors import AppError

SCORES: Final = (1, 2, 3, 4, 5)
REVENUE_WINDOW: Final = timedelta(days=abc.DEFAULT_RULE.window_days)


class InvalidPolicy(AppError):
    """The policy of tiers and stages can't be meant."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR  # no request can be blamed for it


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A tier and the spend it takes, in minor units of the policy's currency."""

    name: str
    from_minor: int


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the stages and scores mean; data, kept in the table `policies`, whose versions never change.

    Its tiers are those of the release before programmes; they became version 1 of the programme `default`. `tiers`
    rise by `from_minor` and begin at 0. Cut points split into five scores, until there are some of the base:
    recency in days, fewer is better; frequency in orders and monetary in minor units, more is better, both over the
    tier window. The days of silence are for a shop without a rhythm of its own; None of `silent_days`: it knows no
    such stage.
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
    silent_days: int | None = None

    @property
    def thresholds(self) -> Thresholds:
        """Returns what silence means where the shop has no rhythm."""
        return Thresholds(
            new_days=self.new_days,
            loyal_orders=self.loyal_orders,
            at_risk_days=self.at_risk_days,
            silent_days=self.silent_days,
            churned_days=self.churned_days,
        )

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
    `TierStanding`. `recency`, `frequency` and `monetary` are scores. `spend_minor` is what was paid, less refunds,
    ever, and `revenue_minor` in ABC's window. `shop_rhythm_days` is what the stage was evaluated with.
    """

    tier: str
    stage: Stage
    recency: int | None
    frequency: int | None
    monetary: int | None
    rfm_group: str | None
    abc: str | None
    key_customer: bool
    spend_minor: int
    revenue_minor: int
    rhythm_days: int
    rhythm_pauses: int
    shop_rhythm_days: int | None
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
    *,
    in_tier: TierStanding | None = None,
    tier_version: int = 1,
    cuts: ScoreCuts | None = None,
    shop_rhythm: int | None = None,
) -> Standing:
    """Returns the standing of a customer with these purchases, at `now`. Purchases after `now` do not count yet.

    `in_tier` is where they are in the programme `default`; without it, the policy's own tiers count. `cuts` are the
    base's, and `shop_rhythm` is what the stage is measured by, in days; without them the policy's own
    cut points and days are.
    """
    if in_tier is None:
        in_tier = tier(programme_of(policy), [_qualifying(policy, one) for one in purchases], now)
    made = sorted(one for one in purchases if one.placed_at <= now)
    window = timedelta(days=policy.tier_window_days)
    recent = [one for one in made if one.placed_at > now - window]
    spend = sum(one.net_minor for one in recent)
    life = lifecycle.life(policy.thresholds, [one.placed_at for one in made], now, shop=shop_rhythm)
    last = made[-1].placed_at if made else None
    values = _values(made, now)
    own = rfm.Cuts(policy.recency_cuts, policy.frequency_cuts, policy.monetary_cuts)
    found = _scores(values, cuts) or _policy_scores(own, last, len(recent), spend, now)
    return Standing(
        tier=in_tier.tier,
        stage=life.stage,
        recency=found.recency,
        frequency=found.frequency,
        monetary=found.monetary,
        rfm_group=found.rfm_group,
        abc=found.abc,
        key_customer=found.key_customer,
        spend_minor=values.spend_minor if values else 0,
        revenue_minor=values.revenue_minor if values else 0,
        rhythm_days=life.rhythm.days,
        rhythm_pauses=life.rhythm.pauses,
        shop_rhythm_days=shop_rhythm,
        orders=len(made),
        window_spend_minor=spend,
        last_order_at=last,
        due_at=min((at for at in _instants(policy, purchases, last, life, cuts, in_tier) if at > now), default=None),
        tier_reason=in_tier.reason,
        stage_reason=life.reason,
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


class _Scores(msgspec.Struct, frozen=True):
    recency: int | None = None
    frequency: int | None = None
    monetary: int | None = None
    rfm_group: str | None = None
    abc: str | None = None
    key_customer: bool = False


def _values(made: Sequence[Purchase], now: datetime) -> ScoredValues | None:
    if not made:
        return None
    revenue_from = now - REVENUE_WINDOW
    return ScoredValues(
        last_order_at=made[-1].placed_at,
        orders=len(made),
        spend_minor=sum(one.net_minor for one in made),
        revenue_minor=sum(one.net_minor for one in made if one.placed_at > revenue_from),
    )


def _scores(values: ScoredValues | None, cuts: ScoreCuts | None) -> _Scores | None:
    """By the base's cut points, if there are some."""
    if values is None or cuts is None:
        return None
    by = scores.scored(cuts, values)
    return _Scores(by.scores.recency, by.scores.frequency, by.scores.monetary, by.group, by.abc, by.key)


def _policy_scores(own: rfm.Cuts, last: datetime | None, orders: int, spend: int, now: datetime) -> _Scores:
    """By the policy's cut points, over the tier window, when recency counts to `now`."""
    if last is None:
        return _Scores()
    by = rfm.scored(own, silence=(now - last) // timedelta(days=1), orders=orders, spend=spend)
    return _Scores(by.recency, by.frequency, by.monetary, rfm.group(by))


def _instants(
    policy: Policy,
    purchases: Sequence[Purchase],
    last: datetime | None,
    life: Life,
    cuts: ScoreCuts | None,
    in_tier: TierStanding,
) -> Iterator[datetime]:
    """Every moment at which passing time alone may change something."""
    if in_tier.due_at is not None:
        yield in_tier.due_at
    for one in purchases:
        yield one.placed_at
        yield later(one.placed_at, policy.tier_window_days)
        yield later(one.placed_at, REVENUE_WINDOW.days)
    if last is not None:
        for days in (*life.turns_days, *(policy.recency_cuts if cuts is None else ())):
            yield later(last, days)


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
    if policy.silent_days is not None and not policy.at_risk_days < policy.silent_days < policy.churned_days:
        raise InvalidPolicy("silent_days: must lie between at_risk_days and churned_days")
    for name in ("recency_cuts", "frequency_cuts", "monetary_cuts"):
        cuts = getattr(policy, name)
        if list(cuts) != sorted(set(cuts)):
            raise InvalidPolicy(f"{name}: must rise")
