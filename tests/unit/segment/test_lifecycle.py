"""Lifecycle stages by a customer's own rhythm, shrunk to the shop's."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segment.domain.lifecycle import (
    DAY,
    LifecycleRule,
    Rhythm,
    Stage,
    Thresholds,
    life,
    rhythm,
    shop_rhythm,
    thresholds,
)
from services.segment.domain.standing import DEFAULT_POLICY, Purchase, standing
from tests.support.events import NOON, days
from tests.support.examples import at_least

FIXED = Thresholds(new_days=30, loyal_orders=4, at_risk_days=90, churned_days=180)
RULE = LifecycleRule()
MICROSECOND = timedelta(microseconds=1)

ages = st.one_of(st.integers(0, 400).map(float), st.floats(0, 400, allow_nan=False))
orders = st.lists(ages, max_size=8).map(lambda found: sorted(NOON - days(age) for age in found))
shops = st.one_of(st.none(), st.integers(1, 900))


def stages_day_by_day(ages_days: list[float], shop: int | None, until: int) -> dict[int, Stage]:
    """The first day at which each stage is met, from now on."""
    placed = sorted(NOON - days(age) for age in ages_days)
    seen: dict[int, Stage] = {}
    for day in range(until + 1):
        stage = life(FIXED, placed, NOON + days(day), shop=shop).stage
        if not seen or stage is not list(seen.values())[-1]:
            seen[day] = stage
    return seen


@given(orders, shops)
@settings(max_examples=at_least(100))
def test_only_at_the_days_that_it_names_does_a_stage_turn_by_time(placed: list[datetime], shop: int | None) -> None:
    bought = [Purchase(one, 1) for one in placed]
    now, here = NOON, standing(DEFAULT_POLICY, bought, NOON, shop_rhythm=shop)
    for _ in range(6):
        until = here.due_at or now + days(4000)
        for part in (0.001, 0.5, 1):
            between = min(now + (until - now) * part, until - MICROSECOND)
            later = standing(DEFAULT_POLICY, bought, between, shop_rhythm=shop)
            assert (later.stage, later.stage_reason) == (here.stage, here.stage_reason)
        if here.due_at is None:
            return
        now, here = here.due_at, standing(DEFAULT_POLICY, bought, here.due_at, shop_rhythm=shop)


@given(orders, shops)
@settings(max_examples=at_least(100))
def test_scanning_hour_by_hour_finds_the_turns_at_the_due_instants_and_nowhere_else(
    placed: list[datetime], shop: int | None
) -> None:
    bought = [Purchase(one, 1) for one in placed]
    here = standing(DEFAULT_POLICY, bought, NOON, shop_rhythm=shop)
    for hour in range(1, 24 * 40, 7):
        at = NOON + timedelta(hours=hour)
        while here.due_at is not None and here.due_at <= at:
            here = standing(DEFAULT_POLICY, bought, here.due_at, shop_rhythm=shop)
        scanned = standing(DEFAULT_POLICY, bought, at, shop_rhythm=shop)
        assert (scanned.stage, scanned.recency, scanned.tier) == (here.stage, here.recency, here.tier)


@given(st.integers(0, 900), st.integers(0, 40), st.integers(1, 900))
def test_thresholds_lie_between_the_customers_rhythm_and_the_shops_and_rise(own: int, pauses: int, shop: int) -> None:
    found = thresholds(FIXED, Rhythm(own, pauses), shop)
    low, high = sorted([own if pauses else shop, shop])

    usual = found.churned_days * 100 // RULE.churned_percent
    assert min(max(low, RULE.least_days), RULE.most_days) <= usual
    assert usual <= max(min(high, RULE.most_days), RULE.least_days)
    assert found.silent_days is not None
    assert found.at_risk_days < found.silent_days < found.churned_days


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 50))
def test_the_more_pauses_the_nearer_to_the_customers_own_rhythm(own: int, shop: int, pauses: int) -> None:
    fewer, more = (thresholds(FIXED, Rhythm(own, n), shop).churned_days // 3 for n in (pauses, pauses + 1))

    assert abs(more - max(own, RULE.least_days)) <= abs(fewer - max(own, RULE.least_days))


def test_a_customer_without_a_pause_has_the_shops_rhythm_and_one_with_many_their_own() -> None:
    assert thresholds(FIXED, Rhythm(), 60).at_risk_days == 90
    assert thresholds(FIXED, Rhythm(20, 3), 60).at_risk_days == 60
    assert thresholds(FIXED, Rhythm(20, 1000), 60).at_risk_days == 30


def test_without_a_shops_rhythm_the_policys_days_are_for_everybody() -> None:
    assert thresholds(FIXED, Rhythm(20, 1000), None) == FIXED


@pytest.mark.parametrize(
    ("ages_days", "found"),
    [
        ([], Rhythm(0, 0)),
        ([5], Rhythm(0, 0)),
        ([5, 5, 5.9], Rhythm(0, 0)),
        ([5, 6], Rhythm(1, 1)),
        ([0, 10, 30, 60, 100], Rhythm(40, 4)),
        ([0, *range(10, 110, 10), 400], Rhythm(10, 11)),
    ],
)
def test_a_rhythm_is_a_high_quantile_of_pauses_of_a_day_or_more(ages_days: list[float], found: Rhythm) -> None:
    assert rhythm(sorted(NOON - days(age) for age in ages_days)) == found


@given(orders)
def test_nine_in_ten_pauses_are_no_longer_than_the_rhythm(placed: list[datetime]) -> None:
    found = rhythm(placed)
    pauses = [one for one in ((later - earlier) // DAY for earlier, later in pairwise(placed)) if one >= 1]

    assert found.pauses == len(pauses)
    assert 10 * sum(one <= found.days for one in pauses) >= 9 * len(pauses)


def test_who_buys_weekly_is_at_risk_long_before_who_buys_every_quarter() -> None:
    weekly = stages_day_by_day([float(age) for age in range(0, 140, 7)], 60, 60)
    quarterly = stages_day_by_day([0, 90, 180, 270, 360, 450, 540, 630], 60, 300)

    assert weekly == {0: Stage.LOYAL, 21: Stage.AT_RISK, 28: Stage.SILENT, 42: Stage.CHURNED}
    assert quarterly == {0: Stage.LOYAL, 122: Stage.AT_RISK, 162: Stage.SILENT, 243: Stage.CHURNED}


def test_who_comes_back_after_a_pause_that_was_unusual_until_then_returns() -> None:
    placed = [NOON - days(age) for age in (100, 93, 86, 79, 72, 0)]

    assert life(FIXED, placed[:-1], NOON, shop=14).stage is Stage.CHURNED
    assert life(FIXED, placed, NOON, shop=14).stage is Stage.RETURNING
    assert life(FIXED, placed, NOON, shop=None).stage is Stage.LOYAL


def test_a_policy_may_have_a_stage_of_silence_without_any_rhythm() -> None:
    policy = msgspec.structs.replace(DEFAULT_POLICY, silent_days=120)
    found = [standing(policy, [Purchase(NOON, 1)], NOON + days(age)).stage for age in (89, 90, 119, 120, 179, 180)]

    assert found == [Stage.ACTIVE, Stage.AT_RISK, Stage.AT_RISK, Stage.SILENT, Stage.SILENT, Stage.CHURNED]


def test_the_shops_rhythm_is_the_median_of_its_customers() -> None:
    assert shop_rhythm(Counter([10] * 50 + [40] * 60), None) == 40
    assert shop_rhythm(Counter([10] * 60 + [40] * 50), None) == 10
    assert shop_rhythm(Counter([10] * 99), None) is None
    assert shop_rhythm(Counter([10] * 99), 33) == 33
    assert shop_rhythm({}, None) is None


@pytest.mark.parametrize(("median", "found"), [(54, 54), (55, 60), (60, 60), (65, 60), (66, 66)])
def test_the_shops_rhythm_moves_by_a_tenth_or_not_at_all(median: int, found: int) -> None:
    assert shop_rhythm({median: 200}, 60) == found
