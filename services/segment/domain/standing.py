"""Where a customer stands: tier, lifecycle stage and RFM, as pure functions of orders and a moment.

`standing` also says when it has to be asked again although nothing happens: `due_at`. Between two instants that it
names, and without events, a standing does not change (a property test holds it to that).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

import msgspec

from services.segment.domain import abc, lifecycle, rfm, scores
from services.segment.domain.lifecycle import Life, Thresholds
from services.segment.domain.lifecycle import Stage as Stage
from services.segment.domain.scores import ScoreCuts, ScoredValues
from shared.errors import AppError

SCORES: Final = (1, 2, 3, 4, 5)
REVENUE_WINDOW: Final = timedelta(days=abc.DEFAULT_RULE.window_days)
END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)


class InvalidPolicy(AppError):
    """The policy of tiers and stages can't be meant."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR  # no request can be blamed for it


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """A tier and the spend it takes, in minor units of the policy's currency."""

    name: str
    from_minor: int


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the tiers and stages mean; data, kept in the table `policies`, whose versions never change.

    `tiers` rise by `from_minor` and begin at 0. Cut points split into five scores, until there are some of the base:
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

    `recency`, `frequency` and `monetary` are scores. `spend_minor` is what was paid, less refunds, ever, and
    `revenue_minor` in ABC's window. `shop_rhythm_days` is what the stage was evaluated with.
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


def standing(
    policy: Policy,
    purchases: Sequence[Purchase],
    now: datetime,
    *,
    cuts: ScoreCuts | None = None,
    shop_rhythm: int | None = None,
) -> Standing:
    """Returns the standing of a customer with these purchases, at `now`. Purchases after `now` do not count yet.

    `cuts` are the base's, and `shop_rhythm` is what the stage is measured by, in days; without them the policy's own
    cut points and days are.
    """
    made = sorted(one for one in purchases if one.placed_at <= now)
    window = timedelta(days=policy.tier_window_days)
    recent = [one for one in made if one.placed_at > now - window]
    spend = sum(one.net_minor for one in recent)
    tier = next(one for one in reversed(policy.tiers) if spend >= one.from_minor or one is policy.tiers[0])
    life = lifecycle.life(policy.thresholds, [one.placed_at for one in made], now, shop=shop_rhythm)
    last = made[-1].placed_at if made else None
    values = _values(made, now)
    own = rfm.Cuts(policy.recency_cuts, policy.frequency_cuts, policy.monetary_cuts)
    found = _scores(values, cuts) or _policy_scores(own, last, len(recent), spend, now)
    return Standing(
        tier=tier.name,
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
        due_at=min((at for at in _instants(policy, sorted(purchases), last, life, cuts) if at > now), default=None),
        tier_reason=f"{spend} minor units of {policy.currency} in {policy.tier_window_days} days{_not_counted(recent)}",
        stage_reason=life.reason,
    )


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


def _not_counted(recent: Iterable[Purchase]) -> str:
    elsewhere: Counter[str] = Counter()
    for one in recent:
        if one.currency:
            elsewhere[one.currency] += one.elsewhere_minor
    found = ", ".join(f"{amount} of {currency}" for currency, amount in sorted(elsewhere.items()) if amount)
    return f"; not counted: {found}" if found else ""


def _instants(
    policy: Policy, purchases: Sequence[Purchase], last: datetime | None, life: Life, cuts: ScoreCuts | None
) -> Iterator[datetime]:
    """Every moment at which passing time alone may change something."""
    for one in purchases:
        yield one.placed_at
        yield _later(one.placed_at, policy.tier_window_days)
        yield _later(one.placed_at, REVENUE_WINDOW.days)
    if last is not None:
        for days in (*life.turns_days, *(policy.recency_cuts if cuts is None else ())):
            yield _later(last, days)


def _later(moment: datetime, days: int) -> datetime:
    """Returns the moment so many days on; the calendar's end where that lies beyond it."""
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return END_OF_TIME


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
