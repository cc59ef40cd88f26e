"""Lifecycle: where in the course of a customer's life with the shop they are, by their own buying rhythm.

A customer's rhythm is a high quantile of the pauses between their orders: silence that is longer is unusual for them.
Few pauses tell little, so the rhythm is shrunk towards the shop's by its credibility, n/(n + k) for n pauses (Bühlmann,
"Experience rating and credibility", ASTIN Bulletin 4, 1967). The shop's rhythm is the median of what its customers'
own are, so that each customer counts once, however often they buy. Quantiles are by nearest rank (definition 1 of
Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 50, 1996), so all is whole days.

Where the shop has no rhythm yet, the thresholds are the policy's, the same for everybody.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

import msgspec

from services.segment.domain.rfm import Counts

DAY: Final = timedelta(days=1)
PERCENT: Final = 100


class Stage(StrEnum):
    """The lifecycle stages."""

    PROSPECT = "prospect"
    NEW = "new"
    ACTIVE = "active"
    LOYAL = "loyal"
    RETURNING = "returning"
    AT_RISK = "at_risk"
    SILENT = "silent"
    CHURNED = "churned"


class LifecycleRule(msgspec.Struct, frozen=True, kw_only=True):
    """How a rhythm is taken, and what silence means by it, in percent of the rhythm.

    `credibility` is k: the pauses at which a customer's own rhythm weighs as much as the shop's. Rhythms are kept
    between `least_days` and `most_days`. The shop has a rhythm once `least_customers` have one of their own; a new one
    replaces it only where it differs by `moved_percent` or more.
    """

    quantile_percent: int = 90
    credibility: int = 3
    least_days: int = 7
    most_days: int = 730
    at_risk_percent: int = 150
    silent_percent: int = 200
    churned_percent: int = 300
    least_customers: int = 100
    moved_percent: int = 10


DEFAULT_RULE: Final = LifecycleRule()


class Rhythm(msgspec.Struct, frozen=True):
    """A customer's own: the quantile of their pauses in whole days (0 without a pause), and how many there were."""

    days: int = 0
    pauses: int = 0


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Days of silence at which a stage begins. `silent_days` is None where there is no such stage.

    `reason` ends the sentence "90 days without an order…".
    """

    new_days: int
    loyal_orders: int
    at_risk_days: int
    silent_days: int | None = None
    churned_days: int
    reason: str = ""


def rhythm(placed: Sequence[datetime], rule: LifecycleRule = DEFAULT_RULE) -> Rhythm:
    """Returns the rhythm of orders, which are sorted by time.

    A pause is at least a day: orders within a day are one purchase in several parcels, which is no rhythm.
    """
    pauses = sorted(pause for earlier, later in pairwise(placed) if (pause := (later - earlier) // DAY) >= 1)
    return Rhythm(_nearest_rank(pauses, rule.quantile_percent), len(pauses)) if pauses else Rhythm()


def _nearest_rank(values: Sequence[int], percent: int) -> int:
    """The least of sorted values such that so many percent of all are no greater."""
    return values[-(-len(values) * percent // PERCENT) - 1]


def shop_rhythm(rhythms: Counts, known: int | None, rule: LifecycleRule = DEFAULT_RULE) -> int | None:
    """Returns the shop's rhythm in days, from its customers by the days of their own; None where they are too few.

    What is `known` stays until it has moved by enough: each new one puts some customers into another stage.
    """
    values = sorted(days for days, customers in rhythms.items() if customers > 0)
    total = sum(rhythms[days] for days in values)
    if total < rule.least_customers:
        return known
    below, median = 0, values[-1]
    for days in values:
        below += rhythms[days]
        if 2 * below >= total:
            median = days
            break
    if known is not None and PERCENT * abs(median - known) < rule.moved_percent * known:
        return known
    return median


def thresholds(fixed: Thresholds, own: Rhythm, shop: int | None, rule: LifecycleRule = DEFAULT_RULE) -> Thresholds:
    """Returns a customer's thresholds: by their rhythm, or the fixed ones of the policy where the shop has none."""
    if shop is None:
        return fixed
    weight = own.pauses + rule.credibility
    days = (2 * (own.pauses * own.days + rule.credibility * shop) + weight) // (2 * weight)  # rounded, halves up
    days = min(max(days, rule.least_days), rule.most_days)
    return msgspec.structs.replace(
        fixed,
        at_risk_days=_part(days, rule.at_risk_percent),
        silent_days=_part(days, rule.silent_percent),
        churned_days=_part(days, rule.churned_percent),
        reason=f"; up to {days} are usual for this customer",
    )


def _part(days: int, percent: int) -> int:
    return -(-days * percent // PERCENT)


class Life(msgspec.Struct, frozen=True):
    """A customer's stage, why, and the days after the last order at which passing time may change it."""

    stage: Stage
    reason: str
    rhythm: Rhythm
    turns_days: tuple[int, ...]


def life(
    fixed: Thresholds,
    placed: Sequence[datetime],
    now: datetime,
    *,
    shop: int | None,
    rule: LifecycleRule = DEFAULT_RULE,
) -> Life:
    """Returns the stage at `now` of a customer with these orders, which are sorted, and none later than `now`.

    `shop` is the shop's rhythm in days. Who returns was at risk before: by the rhythm that they had until then.
    """
    if not placed:
        return Life(Stage.PROSPECT, "no order yet", Rhythm(), ())
    own = rhythm(placed, rule)
    limits = thresholds(fixed, own, shop, rule)
    stage, reason = _silence(limits, now - placed[-1]) or _orders(limits, placed, now, fixed, shop, rule)
    turns = (limits.new_days, limits.at_risk_days, limits.silent_days, limits.churned_days)
    return Life(stage, reason, own, tuple(days for days in turns if days is not None))


def _silence(limits: Thresholds, silence: timedelta) -> tuple[Stage, str] | None:
    """The stage of who has been silent for too long, from the last to the first."""
    days = silence // DAY
    for stage, begins in (
        (Stage.CHURNED, limits.churned_days),
        (Stage.SILENT, limits.silent_days),
        (Stage.AT_RISK, limits.at_risk_days),
    ):
        if begins is not None and days >= begins:
            return stage, f"{begins} days without an order{limits.reason}"
    return None


def _orders(
    limits: Thresholds,
    placed: Sequence[datetime],
    now: datetime,
    fixed: Thresholds,
    shop: int | None,
    rule: LifecycleRule,
) -> tuple[Stage, str]:
    """The stage of who has ordered lately."""
    if len(placed) > 1:
        pause = placed[-1] - placed[-2]
        before = limits if shop is None else thresholds(fixed, rhythm(placed[:-1], rule), shop, rule)
        if pause // DAY >= before.at_risk_days:
            return Stage.RETURNING, f"ordered again after {pause.days} days"
    if len(placed) >= limits.loyal_orders:
        return Stage.LOYAL, f"{len(placed)} orders"
    if len(placed) == 1 and now - placed[-1] < timedelta(days=limits.new_days):
        return Stage.NEW, "the first order"
    return Stage.ACTIVE, f"{len(placed)} orders, the last less than {limits.at_risk_days} days ago"
